/* ---
description: Support tickets, one row each.
materialized: table
owner: support
unique_key: [ticket_id]
columns:
  ticket_id: {description: "Key: source:ticket:id.", data_tests: [not_null, unique]}
  person_id: {description: Person who asked; null when the ticket names nobody.}
  account_id: {description: Account.}
  subject: {description: Subject., pii: free_text}
  category: {description: Category in the help desk.}
  priority: {description: Priority in the help desk.}
  is_open: {description: True until the ticket has a close date., data_tests: [not_null]}
  created_date: {description: Day of creation.}
  closed_date: {description: Day of closing; null while open.}
--- */
select
  tickets.source || ':ticket:' || tickets.ticket_id as ticket_id,
  people.person_id,
  coalesce(companies.account_id, person_accounts.account_id) as account_id,
  tickets.subject,
  tickets.category,
  tickets.priority,
  tickets.closed_at is null as is_open,
  (tickets.created_at at time zone 'UTC' at time zone run.time_zone)::date as created_date,
  (tickets.closed_at at time zone 'UTC' at time zone run.time_zone)::date as closed_date
from staging.hubspot_tickets as tickets
cross join meta.run
left join identity.person_membership as people on people.record_key = tickets.source || ':contact:' || tickets.contact_id
left join identity.company_membership as companies on companies.record_key = tickets.source || ':company:' || tickets.company_id
left join identity.person_accounts on person_accounts.person_id = people.person_id
where not tickets.is_archived

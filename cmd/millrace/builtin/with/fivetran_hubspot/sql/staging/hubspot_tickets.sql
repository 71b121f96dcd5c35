/* ---
description: >
  Support tickets of HubSpot from Fivetran's tables ticket, ticket_contact and ticket_company.
materialized: table
owner: revenue-operations
columns:
  source: {description: "Source of the project.", data_tests: [not_null]}
  ticket_id: {description: "Id in HubSpot.", data_tests: [not_null]}
  subject: {description: "Subject."}
  category: {description: "Category."}
  priority: {description: "Priority."}
  stage_id: {description: "Stage."}
  contact_id: {description: "First associated contact.", pii: id}
  company_id: {description: "First associated company."}
  created_at: {description: "Creation (UTC)."}
  closed_at: {description: "Closing (UTC); null while open."}
  updated_at: {description: "Last change (UTC)."}
  is_archived: {description: "Deleted in HubSpot.", data_tests: [not_null]}
data_tests:
  - unique_combination: {columns: [source, ticket_id]}
--- */
with ticket_contacts as (
  select _source, ticket_id, min(contact_id) as contact_id
  from raw_fivetran_hubspot.ticket_contact
  group by _source, ticket_id
),
ticket_companies as (
  select _source, ticket_id, min(company_id) as company_id
  from raw_fivetran_hubspot.ticket_company
  group by _source, ticket_id
)
select
  tickets._source as source,
  tickets.id as ticket_id,
  tickets.property_subject as subject,
  tickets.property_hs_ticket_category as category,
  tickets.property_hs_ticket_priority as priority,
  tickets.property_hs_pipeline_stage as stage_id,
  ticket_contacts.contact_id,
  ticket_companies.company_id,
  tickets.property_createdate as created_at,
  tickets.property_closed_date as closed_at,
  tickets.property_hs_lastmodifieddate as updated_at,
  coalesce(tickets.is_deleted, false) or coalesce(tickets._fivetran_deleted, false) as is_archived
from raw_fivetran_hubspot.ticket as tickets
left join ticket_contacts on ticket_contacts._source = tickets._source and ticket_contacts.ticket_id = tickets.id
left join ticket_companies on ticket_companies._source = tickets._source and ticket_companies.ticket_id = tickets.id
where tickets.id is not null
qualify row_number() over (partition by tickets._source, tickets.id order by tickets._fivetran_synced desc nulls last, tickets._row_id desc) = 1

/* ---
description: Leads of the CRM, one row each - requests of a person that sales may answer.
materialized: table
owner: revenue-operations
unique_key: [lead_id]
columns:
  lead_id: {description: "Key: source:lead:id.", data_tests: [not_null, unique]}
  source_id: {description: The CRM's id., data_tests: [not_null]}
  person_id: {description: Person; null when the lead names no contact.}
  account_id: {description: Account of the person.}
  owner_id: {description: Owner in the CRM.}
  label: {description: Label in the CRM.}
  stage_id: {description: Stage in the CRM.}
  created_at: {description: Creation (UTC).}
  created_date: {description: Day of creation in the project's time zone.}
--- */
select
  leads.source || ':lead:' || leads.lead_id as lead_id,
  leads.lead_id as source_id,
  people.person_id,
  person_accounts.account_id,
  leads.owner_id,
  leads.label,
  leads.pipeline_stage_id as stage_id,
  leads.created_at,
  (leads.created_at at time zone 'UTC' at time zone run.time_zone)::date as created_date
from staging.hubspot_leads as leads
cross join meta.run
left join identity.person_membership as people on people.record_key = leads.source || ':contact:' || leads.contact_id
left join identity.person_accounts on person_accounts.person_id = people.person_id
where not leads.is_archived

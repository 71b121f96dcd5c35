/* ---
description: >
  Leads of HubSpot, one row each, with their first contact.
materialized: table
owner: revenue-operations
columns:
  source: {description: "Source of the project.", data_tests: [not_null]}
  lead_id: {description: "Id in HubSpot.", data_tests: [not_null]}
  name: {description: "Name of the lead."}
  lead_type: {description: "Kind of lead."}
  label: {description: "HOT, WARM or COLD."}
  pipeline_stage_id: {description: "Stage."}
  owner_id: {description: "Owner."}
  contact_id: {description: "First associated contact.", pii: id}
  created_at: {description: "Creation (UTC)."}
  updated_at: {description: "Last change (UTC)."}
  is_archived: {description: "Deleted in HubSpot.", data_tests: [not_null]}
data_tests:
  - unique_combination: {columns: [source, lead_id]}
--- */
with associated as (
  select _source, lead_id, min(contact_id) as contact_id
  from raw_hubspot.lead_contacts
  group by _source, lead_id
)
select
  leads._source as source,
  leads.id as lead_id,
  leads.name,
  leads.type as lead_type,
  leads.label,
  leads.stage_id as pipeline_stage_id,
  leads.owner_id,
  associated.contact_id,
  leads.created_at,
  leads.updated_at,
  coalesce(leads.archived, false) as is_archived
from raw_hubspot.leads
left join associated on associated._source = leads._source and associated.lead_id = leads.id

/* ---
description: >
  Which contacts belong to which deal, from Fivetran's table deal_contact.
materialized: table
owner: revenue-operations
columns:
  source: {description: "Source of the project.", data_tests: [not_null]}
  deal_id: {description: "Deal.", data_tests: [not_null]}
  contact_id: {description: "Contact.", pii: id, data_tests: [not_null]}
data_tests:
  - unique_combination: {columns: [source, deal_id, contact_id]}
--- */
select distinct
  _source as source,
  deal_id,
  contact_id
from raw_fivetran_hubspot.deal_contact
where deal_id is not null and contact_id is not null and not coalesce(_fivetran_deleted, false)

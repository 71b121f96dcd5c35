/* ---
description: >
  Which companies belong to which deal, from Fivetran's table deal_company.
materialized: table
owner: revenue-operations
columns:
  source: {description: "Source of the project.", data_tests: [not_null]}
  deal_id: {description: "Deal.", data_tests: [not_null]}
  company_id: {description: "Company.", data_tests: [not_null]}
data_tests:
  - unique_combination: {columns: [source, deal_id, company_id]}
--- */
select distinct
  _source as source,
  deal_id,
  company_id
from raw_fivetran_hubspot.deal_company
where deal_id is not null and company_id is not null and not coalesce(_fivetran_deleted, false)

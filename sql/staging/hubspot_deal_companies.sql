/* ---
description: >
  Which companies belong to which deal in HubSpot.
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
from raw_hubspot.deal_companies

/* ---
description: >
  Opportunities of the CRM export, one row per line of the file: text trimmed, product names repaired through
  seeds.name_repairs, originals kept. Lines that repeat an id stay here and are numbered; core takes the first.
materialized: table
owner: revenue-operations
columns:
  opportunity_id: {description: The CRM's id; null when the line has none.}
  opportunity_id_rank: {description: "1 for the line that counts; more for lines that repeat its id. The latest closed line wins.", data_tests: [not_null]}
  owner_name: {description: Sales agent., pii: name}
  product_name: {description: Product after repair.}
  product_original: {description: Product as it stands in the file.}
  account_name: {description: Account; null when the file has none.}
  stage: {description: Stage of the deal; one that is not known counts as open., data_tests: [{accepted_values: {values: [Prospecting, Engaging, Won, Lost], severity: warn}}]}
  created_date: {description: Day of engagement. The export knows no earlier date.}
  closed_date: {description: Day on which the deal was won or lost.}
  amount: {description: Value of the deal in the project's currency., data_tests: [{accepted_range: {min: 0, severity: warn}}]}
  _row_id: {description: Line of the file., data_tests: [not_null, unique]}
--- */
with trimmed as (
  select
    nullif(trim(opportunity_id), '') as opportunity_id,
    nullif(trim(sales_agent), '') as owner_name,
    nullif(trim(product), '') as product_original,
    nullif(trim(account), '') as account_name,
    nullif(trim(deal_stage), '') as stage,
    engage_date as created_date,
    close_date as closed_date,
    close_value::decimal(18, 4) as amount,
    _row_id
  from raw_crm.opportunities
)
select
  trimmed.opportunity_id,
  row_number() over (
    partition by trimmed.opportunity_id
    order by trimmed.closed_date desc nulls last, trimmed.created_date desc nulls last, trimmed._row_id desc
  ) as opportunity_id_rank,
  trimmed.owner_name,
  coalesce(name_repairs.repaired, trimmed.product_original) as product_name,
  trimmed.product_original,
  trimmed.account_name,
  trimmed.stage,
  trimmed.created_date,
  trimmed.closed_date,
  trimmed.amount,
  trimmed._row_id
from trimmed
left join seeds.name_repairs
  on name_repairs.field = 'product' and name_repairs.original = trimmed.product_original

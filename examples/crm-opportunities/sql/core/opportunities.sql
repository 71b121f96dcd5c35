/* ---
description: >
  Opportunities, one row each, from lead to won or lost. An opportunity is qualified once it is engaged. Names that
  are not in the reference files are null here and listed in quality.repairs.
materialized: table
unique_key: [opportunity_id]
owner: revenue-operations
columns:
  opportunity_id: {description: The CRM's id of the opportunity., data_tests: [not_null, unique]}
  account_id: {description: Account; null for about one opportunity in six., data_tests: [{relationships: {to: core.accounts, field: account_id}}]}
  owner_id: {description: Sales agent., pii: name, data_tests: [{relationships: {to: core.owners, field: owner_id}}]}
  product_id: {description: Product., data_tests: [{relationships: {to: core.products, field: product_id}}]}
  pipeline: {description: Pipeline; the export has one., data_tests: [not_null]}
  stage: {description: Stage in the CRM's own words.}
  status: {description: "open, won or lost.", data_tests: [not_null, {accepted_values: {values: [open, won, lost]}}]}
  created_date: {description: Day on which work began (the engagement); null while prospecting.}
  qualified_date: {description: Day on which it became qualified; the same day as the engagement.}
  closed_date: {description: Day on which it was won or lost; null while open or when the export has none.}
  cycle_days: {description: Days from creation to close; null while open or when a date is missing., data_tests: [{accepted_range: {min: 0}}]}
  amount: {description: Value in its own currency; zero when lost and null while open.}
  currency: {description: Currency of the amount.}
  project_amount: {description: Value in the project's currency.}
--- */
with known as (
  select
    crm_opportunities.opportunity_id,
    accounts.account_id,
    owners.owner_id,
    products.product_id,
    crm_opportunities.stage,
    case crm_opportunities.stage when 'Won' then 'won' when 'Lost' then 'lost' else 'open' end as stage_status,
    crm_opportunities.created_date,
    crm_opportunities.closed_date,
    crm_opportunities.amount
  from staging.crm_opportunities
  left join core.accounts on accounts.account_id = crm_opportunities.account_name
  left join core.owners on owners.owner_id = crm_opportunities.owner_name
  left join core.products on products.product_id = crm_opportunities.product_name
  where crm_opportunities.opportunity_id is not null and crm_opportunities.opportunity_id_rank = 1
)
select
  known.opportunity_id,
  known.account_id,
  known.owner_id,
  known.product_id,
  'sales' as pipeline,
  known.stage,
  known.stage_status as status,
  known.created_date,
  known.created_date as qualified_date,
  case when known.stage_status != 'open' then known.closed_date end as closed_date,
  case
    when known.stage_status != 'open' and known.closed_date >= known.created_date
      then known.closed_date - known.created_date
  end as cycle_days,
  known.amount,
  run.currency,
  known.amount as project_amount
from known
cross join meta.run

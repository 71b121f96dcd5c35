/* ---
description: >
  Every value of the export that was repaired, and every row that cannot be used for something, with what to do about
  it. One row per finding; a line of a file can have several.
materialized: table
owner: revenue-operations
columns:
  source: {description: Source., data_tests: [not_null]}
  stream: {description: Stream of the source., data_tests: [not_null]}
  _row_id: {description: Line of the file., data_tests: [not_null]}
  column_name: {description: Column of the file., data_tests: [not_null]}
  original: {description: Value as it stands in the file; null when there is none.}
  repaired: {description: Value used instead; null when the value could not be repaired.}
  repair_rule: {description: Rule that found it., data_tests: [not_null]}
  effect: {description: "repaired, or unusable for what the rule says.", data_tests: [not_null, {accepted_values: {values: [repaired, unusable]}}]}
  consequence: {description: What it means for the numbers and what to do., data_tests: [not_null]}
data_tests:
  - unique_combination: {columns: [source, stream, _row_id, column_name, repair_rule]}
  - expression: "(repaired is not null) = (effect = 'repaired')"
--- */
with opportunities as (
  select
    crm_opportunities.*,
    products.product_id,
    accounts.account_id,
    owners.owner_id
  from staging.crm_opportunities
  left join core.products on products.product_id = crm_opportunities.product_name
  left join core.accounts on accounts.account_id = crm_opportunities.account_name
  left join core.owners on owners.owner_id = crm_opportunities.owner_name
),
findings as (
  select 'opportunities' as stream, _row_id, 'product' as column_name, product_original as original, product_name as repaired, 'product_name_mapped' as repair_rule, 'counted under the repaired name' as consequence
  from opportunities
  where product_name != product_original
  union all
  select 'opportunities', _row_id, 'product', product_original, null, 'product_unknown', 'counted under (unknown): add the name to seeds/name_repairs.csv or to the products file'
  from opportunities
  where product_id is null
  union all
  select 'opportunities', _row_id, 'account', null, null, 'account_missing', 'counted in every total but in no sector: fill the account in the CRM'
  from opportunities
  where account_name is null
  union all
  select 'opportunities', _row_id, 'account', account_name, null, 'account_unknown', 'counted under (unknown): add the account to the accounts file'
  from opportunities
  where account_name is not null and account_id is null
  union all
  select 'opportunities', _row_id, 'sales_agent', owner_name, null, 'agent_unknown', 'counted under (unknown): add the agent to the sales teams file'
  from opportunities
  where owner_id is null
  union all
  select 'opportunities', _row_id, 'opportunity_id', null, null, 'id_missing', 'left out of every number: give the opportunity an id'
  from opportunities
  where opportunity_id is null
  union all
  select 'opportunities', _row_id, 'opportunity_id', opportunity_id, null, 'id_repeated', 'left out of every number: another line with this id counts'
  from opportunities
  where opportunity_id is not null and opportunity_id_rank > 1
  union all
  select 'opportunities', _row_id, 'close_value', null, null, 'open_without_value', 'the value of the open pipeline cannot be stated, so velocity uses the mean won deal'
  from opportunities
  where stage not in ('Won', 'Lost') and amount is null
  union all
  select 'opportunities', _row_id, 'close_value', amount::varchar, null, 'won_without_value', 'counted as won and left out of revenue and mean deal: enter the value'
  from opportunities
  where stage = 'Won' and coalesce(amount, 0) <= 0
  union all
  select 'opportunities', _row_id, 'close_date', null, null, 'closed_without_date', 'counted in totals but in no month: enter the close date'
  from opportunities
  where stage in ('Won', 'Lost') and closed_date is null
  union all
  select 'opportunities', _row_id, 'close_date', closed_date::varchar, null, 'open_with_close_date', 'treated as open: correct the stage or the date'
  from opportunities
  where stage not in ('Won', 'Lost') and closed_date is not null
  union all
  select 'opportunities', _row_id, 'close_date', closed_date::varchar, null, 'closed_before_created', 'left out of the sales cycle: correct one of the dates'
  from opportunities
  where closed_date < created_date
  union all
  select 'accounts', _row_id, 'sector', sector_original, sector, 'sector_mapped', 'counted under the repaired name'
  from staging.crm_accounts
  where sector != sector_original
  union all
  select 'accounts', _row_id, 'office_location', country_original, country, 'country_mapped', 'counted under the repaired name'
  from staging.crm_accounts
  where country != country_original
  union all
  select 'accounts', _row_id, 'account', null, null, 'id_missing', 'left out: give the account a name'
  from staging.crm_accounts
  where account_name is null
  union all
  select 'accounts', _row_id, 'account', account_name, null, 'id_repeated', 'left out: a later line with this name counts'
  from staging.crm_accounts
  where account_name is not null and account_name_rank > 1
  union all
  select 'accounts', crm_accounts._row_id, 'subsidiary_of', crm_accounts.parent_name, null, 'parent_unknown', 'shown without a parent: add the parent to the accounts file'
  from staging.crm_accounts
  left join core.accounts on accounts.account_id = crm_accounts.parent_name
  where crm_accounts.parent_name is not null and accounts.account_id is null
)
select
  'crm' as source,
  stream,
  _row_id,
  column_name,
  original,
  repaired,
  repair_rule,
  case when repaired is null then 'unusable' else 'repaired' end as effect,
  consequence
from findings

/* ---
description: >
  Checks of the export against thresholds. A check fails above fail_above and warns above warn_above; it is na while
  there is nothing to check.
materialized: table
owner: revenue-operations
columns:
  check_name: {description: Name of the check., data_tests: [not_null]}
  object: {description: Relation or stream that is checked., data_tests: [not_null]}
  category: {description: "completeness, duplicates, reference or freshness.", data_tests: [not_null, {accepted_values: {values: [completeness, duplicates, reference, freshness]}}]}
  value: {description: "Share of rows that break the rule; for freshness, days."}
  warn_above: {description: Threshold of the warning., data_tests: [not_null]}
  fail_above: {description: Threshold of the failure., data_tests: [not_null]}
  checked_rows: {description: Rows that were checked., data_tests: [not_null]}
  status: {description: "pass, warn, fail or na.", data_tests: [not_null, {accepted_values: {values: [pass, warn, fail, na]}}]}
  detail: {description: What was found in words., data_tests: [not_null]}
data_tests:
  - unique_combination: {columns: [check_name, object]}
--- */
with opportunity_counts as (
  select
    count(*) as checked_rows,
    count(*) filter (where crm_opportunities.opportunity_id is null) as without_id,
    count(*) filter (where crm_opportunities.opportunity_id is not null and crm_opportunities.opportunity_id_rank > 1) as repeated,
    count(*) filter (where crm_opportunities.account_name is null) as without_account,
    count(*) filter (where crm_opportunities.account_name is not null and accounts.account_id is null) as unknown_account,
    count(*) filter (where products.product_id is null) as unknown_product,
    count(*) filter (where owners.owner_id is null) as unknown_agent,
    count(*) filter (where crm_opportunities.stage = 'Won' and coalesce(crm_opportunities.amount, 0) <= 0) as won_without_value
  from staging.crm_opportunities
  left join core.accounts on accounts.account_id = crm_opportunities.account_name
  left join core.products on products.product_id = crm_opportunities.product_name
  left join core.owners on owners.owner_id = crm_opportunities.owner_name
),
account_counts as (
  select
    count(*) as checked_rows,
    count(*) filter (where account_name is null) as without_id,
    count(*) filter (where account_name is not null and account_name_rank > 1) as repeated
  from staging.crm_accounts
),
activity as (
  select as_of.as_of_date - max(opportunities.closed_date) as quiet_days, count(opportunities.closed_date) as checked_rows
  from core.as_of
  left join core.opportunities on true
  group by as_of.as_of_date
),
measured as (
  select 'missing ids' as check_name, 'crm.opportunities' as object, 'completeness' as category, without_id as broken, checked_rows, 0.03 as warn_above, 0.05 as fail_above
  from opportunity_counts
  union all
  select 'missing ids', 'crm.accounts', 'completeness', without_id, checked_rows, 0.03, 0.05
  from account_counts
  union all
  select 'repeated ids', 'crm.opportunities', 'duplicates', repeated, checked_rows, 0.01, 0.02
  from opportunity_counts
  union all
  select 'repeated ids', 'crm.accounts', 'duplicates', repeated, checked_rows, 0.01, 0.02
  from account_counts
  union all
  select 'no account', 'crm.opportunities', 'completeness', without_account, checked_rows, 0.05, 0.25
  from opportunity_counts
  union all
  select 'won without value', 'crm.opportunities', 'completeness', won_without_value, checked_rows, 0.001, 0.01
  from opportunity_counts
  union all
  select 'unknown account', 'crm.opportunities', 'reference', unknown_account, checked_rows, 0.01, 0.05
  from opportunity_counts
  union all
  select 'unknown product', 'crm.opportunities', 'reference', unknown_product, checked_rows, 0.001, 0.01
  from opportunity_counts
  union all
  select 'unknown agent', 'crm.opportunities', 'reference', unknown_agent, checked_rows, 0.001, 0.01
  from opportunity_counts
),
valued as (
  select
    check_name,
    object,
    category,
    (broken / nullif(checked_rows, 0)) as value,
    warn_above,
    fail_above,
    checked_rows,
    check_name || ': ' || broken || ' of ' || checked_rows || ' rows of ' || object as detail
  from measured
  union all
  select 'days without a closed deal', 'core.opportunities', 'freshness', quiet_days, 7, 30, checked_rows, coalesce('the last deal closed ' || quiet_days || ' days before the as-of date', 'no deal has closed')
  from activity
)
select
  check_name,
  object,
  category,
  round(value, 8)::decimal(18, 8) as value,
  warn_above::decimal(18, 8) as warn_above,
  fail_above::decimal(18, 8) as fail_above,
  checked_rows,
  case
    when checked_rows = 0 then 'na'
    when value > fail_above then 'fail'
    when value > warn_above then 'warn'
    else 'pass'
  end as status,
  detail
from valued

/* ---
description: What the system is planned to cost, from seeds/cost_model.csv - each item beside the run rate, and beside what that is if the item doubles.
materialized: table
owner: finance
unique_key: [item]
columns:
  item: {description: What is paid for., data_tests: [not_null, unique]}
  kind: {description: once or monthly., data_tests: [not_null, {accepted_values: {values: [once, monthly]}}]}
  amount: {description: Cost in the project's currency., data_tests: [not_null]}
  once: {description: All that is paid once., data_tests: [not_null]}
  run_rate: {description: All that is paid in a month., data_tests: [not_null]}
  run_rate_doubled: {description: What is paid in a month if this item doubles., data_tests: [not_null]}
--- */
with items as (
  select item::varchar as item, lower(kind::varchar) as kind, amount::decimal(18, 4) as amount
  from seeds.cost_model
)
select
  item,
  kind,
  amount,
  (coalesce(sum(amount) filter (where kind = 'once') over (), 0))::decimal(18, 4) as once,
  (coalesce(sum(amount) filter (where kind = 'monthly') over (), 0))::decimal(18, 4) as run_rate,
  (coalesce(sum(amount) filter (where kind = 'monthly') over (), 0) + case when kind = 'monthly' then amount else 0 end)::decimal(18, 4) as run_rate_doubled
from items

/* ---
description: >
  What running the system cost in each period and the requests that it answered.
materialized: table
owner: finance
columns:
  period_key: {description: "Key of the period., data_tests: [not_null]"}
  grain: {description: "all, month or quarter."}
  period_start: {description: First day of the period; null for all.}
  dimension: {description: "What the segment is a member of., data_tests: [not_null]"}
  segment: {description: "Member of the dimension., data_tests: [not_null]"}
  is_complete: {description: False while the as-of date lies inside the period.}
  currency: {description: The project's currency.}
  cost: {description: "Cost of the items that answer requests., data_tests: [not_null]"}
  requests: {description: "Requests that they answered., data_tests: [not_null]"}
  missing: {description: Why the cost of a request cannot be stated; null when it can.}
data_tests:
  - unique_combination: {columns: [period_key, dimension, segment]}
--- */
with spent as (
  select periods.period_key, sum(running_costs.project_cost) as cost, sum(running_costs.requests)::bigint as requests
  from core.periods
  inner join core.running_costs on running_costs.month between periods.range_start and periods.read_date
  where running_costs.requests > 0
  group by periods.period_key
)
select
  grid.period_key,
  grid.grain,
  grid.period_start,
  grid.dimension,
  grid.segment,
  grid.is_complete,
  grid.currency,
  coalesce(spent.cost, 0)::decimal(18, 4) as cost,
  coalesce(spent.requests, 0) as requests,
  coverage.running_costs_missing as missing
from core.account_grid as grid
left join core.coverage on true
left join spent on spent.period_key = grid.period_key
where grid.dimension = 'total'

/* ---
description: >
  Recurring revenue at the rates of each day for each period and segment: at its start, what customers changed, what
  rates changed, at its end. What it began with and all movements make what it ended with, to the last digit.
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
  open_mrr: {description: "MRR before the period., data_tests: [not_null]"}
  new_mrr: {description: "MRR of accounts that never had any., data_tests: [not_null]"}
  expansion_mrr: {description: "Increases., data_tests: [not_null]"}
  reactivation_mrr: {description: "MRR of accounts that had left., data_tests: [not_null]"}
  contraction_mrr: {description: "Decreases as a positive number., data_tests: [not_null]"}
  churned_mrr: {description: "MRR of accounts that left as a positive number., data_tests: [not_null]"}
  fx_mrr: {description: "What exchange rates changed., data_tests: [not_null]"}
  close_mrr: {description: "MRR on the last day., data_tests: [not_null]"}
  customers_close: {description: "Accounts with MRR on the last day., data_tests: [not_null]"}
  customers_moved: {description: "Accounts whose MRR a rate changed., data_tests: [not_null]"}
  missing: {description: Why recurring revenue cannot be stated; null when it can.}
data_tests:
  - unique_combination: {columns: [period_key, dimension, segment]}
  - expression: open_mrr + new_mrr + expansion_mrr + reactivation_mrr - contraction_mrr - churned_mrr + fx_mrr = close_mrr
--- */
with levels as (
  select
    account_id,
    from_date,
    lead(from_date) over (partition by account_id order by from_date, place) as to_date,
    mrr
  from core.account_mrr_spot
  qualify row_number() over (partition by account_id, from_date order by place desc) = 1
),
opening as (
  select periods.period_key, account_segments.dimension, account_segments.segment, sum(levels.mrr) as mrr
  from core.periods
  inner join levels on levels.from_date < periods.range_start and coalesce(levels.to_date >= periods.range_start, true)
  inner join core.account_segments on account_segments.account_id = levels.account_id
  where levels.mrr > 0
  group by all
),
closing as (
  select periods.period_key, account_segments.dimension, account_segments.segment, count(*) as customers, sum(levels.mrr) as mrr
  from core.periods
  inner join levels on levels.from_date <= periods.read_date and coalesce(levels.to_date > periods.read_date, true)
  inner join core.account_segments on account_segments.account_id = levels.account_id
  where levels.mrr > 0
  group by all
),
moved as (
  select
    periods.period_key,
    account_segments.dimension,
    account_segments.segment,
    sum(spot.amount) filter (where spot.movement = 'new') as new_mrr,
    sum(spot.amount) filter (where spot.movement = 'expansion') as expansion_mrr,
    sum(spot.amount) filter (where spot.movement = 'reactivation') as reactivation_mrr,
    -sum(spot.amount) filter (where spot.movement = 'contraction') as contraction_mrr,
    -sum(spot.amount) filter (where spot.movement = 'churn') as churned_mrr,
    sum(spot.amount) filter (where spot.movement = 'fx') as fx_mrr,
    count(distinct spot.account_id) filter (where spot.movement = 'fx') as customers_moved
  from core.periods
  inner join core.account_mrr_spot as spot on spot.from_date between periods.range_start and periods.read_date
  inner join core.account_segments on account_segments.account_id = spot.account_id
  group by all
)
select
  grid.period_key,
  grid.grain,
  grid.period_start,
  grid.dimension,
  grid.segment,
  grid.is_complete,
  grid.currency,
  coalesce(opening.mrr, 0)::decimal(18, 4) as open_mrr,
  coalesce(moved.new_mrr, 0)::decimal(18, 4) as new_mrr,
  coalesce(moved.expansion_mrr, 0)::decimal(18, 4) as expansion_mrr,
  coalesce(moved.reactivation_mrr, 0)::decimal(18, 4) as reactivation_mrr,
  coalesce(moved.contraction_mrr, 0)::decimal(18, 4) as contraction_mrr,
  coalesce(moved.churned_mrr, 0)::decimal(18, 4) as churned_mrr,
  coalesce(moved.fx_mrr, 0)::decimal(18, 4) as fx_mrr,
  coalesce(closing.mrr, 0)::decimal(18, 4) as close_mrr,
  coalesce(closing.customers, 0) as customers_close,
  coalesce(moved.customers_moved, 0) as customers_moved,
  coverage.billing_missing as missing
from core.account_grid as grid
left join core.coverage on true
left join opening using (period_key, dimension, segment)
left join closing using (period_key, dimension, segment)
left join moved using (period_key, dimension, segment)

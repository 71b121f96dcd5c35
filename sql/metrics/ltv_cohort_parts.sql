/* ---
description: >
  What the customers who began in each period are worth: the margin that they have earned so far, and the margin that is
  still expected of those who are there, at the MRR of today, by metrics.retention_curve, up to the horizon. The first part
  is observed; the second is extrapolated and changes with every month that is seen.
materialized: table
owner: finance
columns:
  period_key: {description: Key of the period., data_tests: [not_null]}
  grain: {description: "all, month or quarter."}
  period_start: {description: First day of the period; null for all.}
  dimension: {description: What the segment is a member of., data_tests: [not_null]}
  segment: {description: Member of the dimension., data_tests: [not_null]}
  is_complete: {description: False while the as-of date lies inside the period.}
  currency: {description: The project's currency.}
  customers: {description: Customers who began in the period., data_tests: [not_null]}
  customers_alive: {description: Those who are still there., data_tests: [not_null]}
  observed: {description: Gross margin that they have earned so far., data_tests: [not_null]}
  extrapolated: {description: "Gross margin expected of those who are still there, discounted to today.", data_tests: [not_null]}
  basis: {description: What the expectation rests on.}
  missing: {description: Why recurring revenue cannot be stated; null when it can.}
data_tests:
  - unique_combination: {columns: [period_key, dimension, segment]}
--- */
with worth as (
  select
    lives.account_id,
    lives.first_date,
    lives.is_churned,
    account_segments.dimension,
    account_segments.segment,
    round(lives.earned_revenue * assumptions.gross_margin, 4)::decimal(18, 4) as observed,
    round(
      case when lives.is_churned then 0 else lives.mrr * assumptions.gross_margin * coalesce(curve.remaining_months, 0) end, 4
    )::decimal(18, 4) as extrapolated,
    curve.basis
  from metrics.customer_lives as lives
  cross join core.assumptions
  inner join core.account_segments on account_segments.account_id = lives.account_id
  left join metrics.retention_curve as curve
    on curve.dimension = account_segments.dimension and curve.segment = account_segments.segment and curve.month = lives.months
),
cohorts as (
  select
    periods.period_key,
    worth.dimension,
    worth.segment,
    count(*) as customers,
    count(*) filter (where not worth.is_churned) as customers_alive,
    sum(worth.observed) as observed,
    sum(worth.extrapolated) as extrapolated,
    min(worth.basis) as basis
  from core.periods
  inner join worth on worth.first_date between periods.range_start and periods.read_date
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
  coalesce(cohorts.customers, 0) as customers,
  coalesce(cohorts.customers_alive, 0) as customers_alive,
  coalesce(cohorts.observed, 0)::decimal(18, 4) as observed,
  coalesce(cohorts.extrapolated, 0)::decimal(18, 4) as extrapolated,
  cohorts.basis,
  coverage.billing_missing as missing
from core.account_grid as grid
left join core.coverage on true
left join cohorts using (period_key, dimension, segment)

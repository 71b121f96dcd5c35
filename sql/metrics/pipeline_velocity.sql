/* ---
description: >
  Money per day that the open pipeline is worth: open qualified opportunities x win rate x mean deal value / median
  sales cycle, all four of the same segment; the last three over the twelve months that end with the period.
  metrics.pipeline_velocity_inputs has them one by one. Segments do not add up to the total.
materialized: table
owner: revenue-operations
tags: [kpi]
unique_key: [kpi, grain, period_start, dimension, segment]
columns:
  kpi: {description: Name of the KPI., data_tests: [not_null, {accepted_values: {values: [pipeline_velocity]}}]}
  grain: {description: "all, month or quarter.", data_tests: [not_null, {accepted_values: {values: [all, month, quarter]}}]}
  period_start: {description: First day of the period; null for all.}
  dimension: {description: What the segment is a member of; total for everything., data_tests: [not_null]}
  segment: {description: Member of the dimension; all for the total., data_tests: [not_null]}
  numerator: {description: "Open qualified opportunities x win rate x mean deal value."}
  denominator: {description: "Median days from creation to close of won opportunities."}
  value: {description: "Numerator / denominator; null when one of the inputs is missing."}
  n: {description: "Open qualified opportunities.", data_tests: [not_null]}
  unit: {description: "Unit of the value: money per day.", data_tests: [not_null]}
  currency: {description: Currency of the value; null when it is not money.}
  status: {description: "ok, na (the value cannot be stated) or provisional (it may still change).", data_tests: [not_null, {accepted_values: {values: [ok, na, provisional]}}]}
  reason: {description: Why the value is na or provisional; or a remark on it.}
data_tests:
  - unique_combination: {columns: [kpi, grain, period_start, dimension, segment]}
  - expression: "(value is null) = (status = 'na')"
  - expression: "status = 'ok' or reason is not null"
--- */
select
  'pipeline_velocity' as kpi,
  grain,
  period_start,
  dimension,
  segment,
  round(open_qualified * won / nullif(closed, 0) * won_amount / nullif(won_valued, 0), 4)::decimal(18, 4) as numerator,
  round(median_cycle_days, 4)::decimal(18, 4) as denominator,
  round(open_qualified * (won / nullif(closed, 0)) * (won_amount / nullif(won_valued, 0)) / nullif(median_cycle_days, 0), 8)::decimal(28, 8) as value,
  open_qualified as n,
  'money_per_day' as unit,
  currency,
  case
    when missing is not null then 'na'
    when closed = 0 or won_valued = 0 or coalesce(median_cycle_days, 0) = 0 then 'na'
    when is_complete then 'ok'
    else 'provisional'
  end as status,
  case
    when missing is not null then missing
    when closed = 0 then 'no opportunity closed in the window, so there is no win rate'
    when won_valued = 0 then 'no opportunity with a value was won in the window, so there is no mean deal value'
    when median_cycle_days is null then 'no won opportunity in the window has both dates, so there is no sales cycle'
    when median_cycle_days = 0 then 'the median sales cycle is zero days'
    when not is_complete then 'the period is not over'
    when open_stale > 0 then open_stale || ' of ' || open_qualified || ' open opportunities are stale'
  end as reason
from metrics.pipeline_velocity_inputs

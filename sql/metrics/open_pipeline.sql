/* ---
description: >
  Number of qualified opportunities that are open at the end of the period. The remark says how many of them are
  stale: older than twice the median age of all that are open.
materialized: table
owner: revenue-operations
tags: [kpi]
unique_key: [kpi, grain, period_start, dimension, segment]
columns:
  kpi: {description: Name of the KPI., data_tests: [not_null, {accepted_values: {values: [open_pipeline]}}]}
  grain: {description: "all, month or quarter.", data_tests: [not_null, {accepted_values: {values: [all, month, quarter]}}]}
  period_start: {description: First day of the period; null for all.}
  dimension: {description: What the segment is a member of; total for everything., data_tests: [not_null]}
  segment: {description: Member of the dimension; all for the total., data_tests: [not_null]}
  numerator: {description: "Qualified opportunities open on the last day."}
  denominator: {description: "Null; a count is not a ratio."}
  value: {description: "The numerator."}
  n: {description: "Qualified opportunities open on the last day.", data_tests: [not_null]}
  unit: {description: "Unit of the value: count.", data_tests: [not_null]}
  currency: {description: Currency of the value; null when it is not money.}
  status: {description: "ok, na (the value cannot be stated) or provisional (it may still change).", data_tests: [not_null, {accepted_values: {values: [ok, na, provisional]}}]}
  reason: {description: Why the value is na or provisional; or a remark on it.}
data_tests:
  - unique_combination: {columns: [kpi, grain, period_start, dimension, segment]}
  - expression: "(value is null) = (status = 'na')"
  - expression: "status = 'ok' or reason is not null"
--- */
select
  'open_pipeline' as kpi,
  grain,
  period_start,
  dimension,
  segment,
  case when missing is null then open_qualified end::decimal(18, 4) as numerator,
  null::decimal(18, 4) as denominator,
  case when missing is null then open_qualified end::decimal(28, 8) as value,
  open_qualified as n,
  'count' as unit,
  null::varchar as currency,
  case
    when missing is not null then 'na'
    when is_complete then 'ok'
    else 'provisional'
  end as status,
  case
    when missing is not null then missing
    when not is_complete then 'the period is not over'
    when open_stale > 0 then open_stale || ' of ' || open_qualified || ' are stale'
  end as reason
from metrics.pipeline_velocity_inputs

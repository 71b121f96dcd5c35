/* ---
description: >
  Every KPI beside its own value one month or one quarter earlier: what the words "up" and "down" in a report rest on.
materialized: table
owner: revenue-operations
tags: [kpi]
columns:
  kpi: {description: Name of the KPI., data_tests: [not_null]}
  grain: {description: month or quarter., data_tests: [not_null, {accepted_values: {values: [month, quarter]}}]}
  period_start: {description: First day of the period., data_tests: [not_null]}
  dimension: {description: What the segment is a member of., data_tests: [not_null]}
  segment: {description: Member of the dimension., data_tests: [not_null]}
  value: {description: Value in the period.}
  previous: {description: Value in the period before.}
  delta: {description: value - previous; null when one of them is missing.}
  delta_pct: {description: delta / previous as a ratio; null when the previous value is missing or zero.}
  n: {description: Records behind the value.}
  previous_n: {description: Records behind the previous value.}
  unit: {description: Unit of value and delta.}
  currency: {description: Currency of the value; null when it is not money.}
  status: {description: "ok, na (there is no delta), provisional (one of the values may still change) or restated (the value was another one when its period closed).", data_tests: [not_null, {accepted_values: {values: [ok, na, provisional, restated]}}]}
  reason: {description: Why the delta is na or provisional or has no percentage.}
data_tests:
  - unique_combination: {columns: [kpi, grain, period_start, dimension, segment]}
  - expression: "(delta is null) = (status = 'na')"
--- */
with paired as (
  select
    present.*,
    earlier.value as previous,
    earlier.n as previous_n,
    earlier.status as previous_status,
    earlier.reason as previous_reason
  from metrics.kpi as present
  left join metrics.kpi as earlier
    on earlier.kpi = present.kpi
    and earlier.grain = present.grain
    and earlier.dimension = present.dimension
    and earlier.segment = present.segment
    and earlier.period_start = case present.grain
      when 'month' then (present.period_start - interval 1 month)::date
      else (present.period_start - interval 3 month)::date
    end
  where present.grain in ('month', 'quarter')
)
select
  kpi,
  grain,
  period_start,
  dimension,
  segment,
  value,
  previous,
  (value - previous)::decimal(28, 8) as delta,
  round((value - previous) / nullif(abs(previous), 0), 8)::decimal(28, 8) as delta_pct,
  n,
  previous_n,
  unit,
  currency,
  case
    when value is null or previous is null then 'na'
    when 'provisional' in (status, previous_status) then 'provisional'
    when status = 'restated' then 'restated'
    else 'ok'
  end as status,
  case
    when value is null then reason
    when previous_status is null then 'there is no earlier period'
    when previous is null then 'the period before: ' || previous_reason
    when previous = 0 then 'the value before was zero, so there is no percentage'
    when status = 'provisional' then reason
    when previous_status = 'provisional' then 'the period before: ' || previous_reason
    when status = 'restated' then reason
  end as reason
from paired

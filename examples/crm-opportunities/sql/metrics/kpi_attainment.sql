/* ---
description: Each target beside what was reached in each period.
materialized: table
owner: revenue-operations
tags: [kpi]
columns:
  kpi: {description: Name of the KPI., data_tests: [not_null]}
  grain: {description: "Period of the target: all, month or quarter.", data_tests: [not_null]}
  period_start: {description: First day of the period; null for all.}
  dimension: {description: What the segment is a member of., data_tests: [not_null]}
  segment: {description: Member of the dimension., data_tests: [not_null]}
  value: {description: Value reached; null when it cannot be stated.}
  target: {description: Value to reach., data_tests: [not_null]}
  gap: {description: "Value - target, so that a positive gap is good where direction is up and bad where it is down."}
  direction: {description: "up when more is better, down when less is better.", data_tests: [not_null]}
  verdict: {description: "met, missed or na.", data_tests: [not_null, {accepted_values: {values: [met, missed, na]}}]}
  reason: {description: Why there is no verdict; or a remark on the value.}
  note: {description: Where the target comes from.}
data_tests:
  - unique_combination: {columns: [kpi, grain, period_start, dimension, segment]}
--- */
select
  kpi.kpi,
  kpi.grain,
  kpi.period_start,
  kpi.dimension,
  kpi.segment,
  kpi.value,
  kpi_target.target,
  (kpi.value - kpi_target.target)::decimal(28, 8) as gap,
  kpi_target.direction,
  case
    when kpi.value is null then 'na'
    when kpi_target.direction = 'up' and kpi.value >= kpi_target.target then 'met'
    when kpi_target.direction = 'down' and kpi.value <= kpi_target.target then 'met'
    else 'missed'
  end as verdict,
  kpi.reason,
  kpi_target.note
from metrics.kpi_target
inner join metrics.kpi
  on kpi.kpi = kpi_target.kpi
  and kpi.grain = kpi_target.grain
  and kpi.dimension = kpi_target.dimension
  and kpi.segment = kpi_target.segment

/* ---
description: >
  Cost of a click: media spend / clicks.
materialized: table
owner: revenue-operations
tags: [kpi]
unique_key: [kpi, grain, period_start, dimension, segment]
columns:
  kpi: {description: Name of the KPI., data_tests: [not_null, {accepted_values: {values: [cpc]}}]}
  grain: {description: "all, month or quarter.", data_tests: [not_null, {accepted_values: {values: [all, month, quarter]}}]}
  period_start: {description: First day of the period; null for all.}
  dimension: {description: What the segment is a member of; total for everything., data_tests: [not_null]}
  segment: {description: Member of the dimension; all for the total., data_tests: [not_null]}
  numerator: {description: "Media spend."}
  denominator: {description: "Clicks."}
  value: {description: "Numerator / denominator; null without clicks."}
  n: {description: "Clicks.", data_tests: [not_null]}
  unit: {description: "Unit of the value: money.", data_tests: [not_null]}
  currency: {description: Currency of the value; null when it is not money.}
  status: {description: "ok, na (the value cannot be stated) or provisional (it may still change).", data_tests: [not_null, {accepted_values: {values: [ok, na, provisional]}}]}
  reason: {description: Why the value is na or provisional; or a remark on it.}
data_tests:
  - unique_combination: {columns: [kpi, grain, period_start, dimension, segment]}
  - expression: "(value is null) = (status = 'na')"
  - expression: "status = 'ok' or reason is not null"
--- */
select
  'cpc' as kpi,
  base.grain,
  base.period_start,
  base.dimension,
  base.segment,
  base.media_cost::decimal(18, 4) as numerator,
  base.clicks::decimal(18, 4) as denominator,
  round(base.media_cost / nullif(base.clicks, 0), 8)::decimal(28, 8) as value,
  base.clicks as n,
  'money' as unit,
  base.currency,
  case
    when base.media_missing is not null then 'na'
    when base.clicks = 0 then 'na'
    when not base.is_complete or base.is_restating then 'provisional'
    else 'ok'
  end as status,
  case
    when base.media_missing is not null then base.media_missing
    when base.clicks = 0 then 'no clicks in this period'
    when not base.is_complete or base.is_restating then case when base.is_complete then 'ad platforms may still restate this period' else 'the period is not over' end
  end as reason
from metrics.acquisition as base
where base.dimension = 'total' or (base.dimension = 'channel' and base.segment in (select channel from core.spend))

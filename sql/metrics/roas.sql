/* ---
description: >
  Return on ad spend by first touch: value of new-business opportunities won in the period by accounts that a paid
  channel brought first / media spend of the period. It says what the channel touched first, not what it caused.
materialized: table
owner: revenue-operations
tags: [kpi]
unique_key: [kpi, grain, period_start, dimension, segment]
columns:
  kpi: {description: Name of the KPI., data_tests: [not_null, {accepted_values: {values: [roas]}}]}
  grain: {description: "all, month or quarter.", data_tests: [not_null, {accepted_values: {values: [all, month, quarter]}}]}
  period_start: {description: First day of the period; null for all.}
  dimension: {description: What the segment is a member of; total for everything., data_tests: [not_null]}
  segment: {description: Member of the dimension; all for the total., data_tests: [not_null]}
  numerator: {description: "Value of new-business opportunities won of accounts from paid channels."}
  denominator: {description: "Media spend."}
  value: {description: "Numerator / denominator; null without spend."}
  n: {description: "New customers from paid channels.", data_tests: [not_null]}
  unit: {description: "Unit of the value: times.", data_tests: [not_null]}
  currency: {description: Currency of the value; null when it is not money.}
  status: {description: "ok, na (the value cannot be stated) or provisional (it may still change).", data_tests: [not_null, {accepted_values: {values: [ok, na, provisional]}}]}
  reason: {description: Why the value is na or provisional; or a remark on it.}
data_tests:
  - unique_combination: {columns: [kpi, grain, period_start, dimension, segment]}
  - expression: "(value is null) = (status = 'na')"
  - expression: "status = 'ok' or reason is not null"
--- */
select
  'roas' as kpi,
  base.grain,
  base.period_start,
  base.dimension,
  base.segment,
  base.paid_won_amount::decimal(18, 4) as numerator,
  base.media_cost::decimal(18, 4) as denominator,
  round(base.paid_won_amount / nullif(base.media_cost, 0), 8)::decimal(28, 8) as value,
  base.paid_new_customers as n,
  'times' as unit,
  null::varchar as currency,
  case
    when base.media_missing is not null then 'na'
    when base.media_cost = 0 then 'na'
    when not base.is_complete or base.is_restating then 'provisional'
    else 'ok'
  end as status,
  case
    when base.media_missing is not null then base.media_missing
    when base.media_cost = 0 then 'no media spend in this period'
    when not base.is_complete or base.is_restating then case when base.is_complete then 'ad platforms may still restate this period' else 'the period is not over' end
  end as reason
from metrics.acquisition as base
where base.dimension = 'total' or (base.dimension = 'channel' and base.segment in (select channel from core.spend))

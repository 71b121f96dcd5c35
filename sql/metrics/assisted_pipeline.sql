/* ---
description: >
  Value of the opportunities created in the period on whose way the channel was, in the days before that
  core.assumptions gives (journey_days), without being the last one; in total, of those with any such channel.
  Channels do not add up to the total.
materialized: table
owner: marketing
tags: [kpi]
unique_key: [kpi, grain, period_start, dimension, segment]
columns:
  kpi: {description: Name of the KPI., data_tests: [not_null, {accepted_values: {values: [assisted_pipeline]}}]}
  grain: {description: "all, month or quarter.", data_tests: [not_null, {accepted_values: {values: [all, month, quarter]}}]}
  period_start: {description: First day of the period; null for all.}
  dimension: {description: What the segment is a member of; total for everything., data_tests: [not_null]}
  segment: {description: Member of the dimension; all for the total., data_tests: [not_null]}
  numerator: {description: "Value of opportunities created that the channel assisted."}
  denominator: {description: "Null; a sum is not a ratio."}
  value: {description: "The numerator."}
  n: {description: "Opportunities created that the channel assisted.", data_tests: [not_null]}
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
  'assisted_pipeline' as kpi,
  base.grain,
  base.period_start,
  base.dimension,
  base.segment,
  case when base.missing is null then base.assisted_amount end::decimal(18, 4) as numerator,
  null::decimal(18, 4) as denominator,
  case when base.missing is null then base.assisted_amount end::decimal(28, 8) as value,
  base.assisted_created as n,
  'money' as unit,
  base.currency as currency,
  case
    when base.missing is not null then 'na'
    when not base.is_complete then 'provisional'
    else 'ok'
  end as status,
  case
    when base.missing is not null then base.missing
    when not base.is_complete then 'the period is not over'
  end as reason
from metrics.assists as base

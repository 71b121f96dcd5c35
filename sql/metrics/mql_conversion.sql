/* ---
description: >
  Share of the marketing-qualified leads of the period that sales accepted within the days that core.assumptions gives
  (lead_conversion_days). Only people who have had those days are in it, so quick and slow ones are measured alike.
materialized: table
owner: revenue-operations
tags: [kpi]
unique_key: [kpi, grain, period_start, dimension, segment]
columns:
  kpi: {description: Name of the KPI., data_tests: [not_null, {accepted_values: {values: [mql_conversion]}}]}
  grain: {description: "all, month or quarter.", data_tests: [not_null, {accepted_values: {values: [all, month, quarter]}}]}
  period_start: {description: First day of the period; null for all.}
  dimension: {description: What the segment is a member of; total for everything., data_tests: [not_null]}
  segment: {description: Member of the dimension; all for the total., data_tests: [not_null]}
  numerator: {description: "Marketing-qualified leads that sales accepted in time."}
  denominator: {description: "Marketing-qualified leads that have had the time."}
  value: {description: "Numerator / denominator; null while nobody has had the time."}
  n: {description: "Marketing-qualified leads that have had the time.", data_tests: [not_null]}
  unit: {description: "Unit of the value: ratio.", data_tests: [not_null]}
  currency: {description: Currency of the value; null when it is not money.}
  status: {description: "ok, na (the value cannot be stated) or provisional (it may still change).", data_tests: [not_null, {accepted_values: {values: [ok, na, provisional]}}]}
  reason: {description: Why the value is na or provisional; or a remark on it.}
data_tests:
  - unique_combination: {columns: [kpi, grain, period_start, dimension, segment]}
  - expression: "(value is null) = (status = 'na')"
  - expression: "status = 'ok' or reason is not null"
--- */
select
  'mql_conversion' as kpi,
  base.grain,
  base.period_start,
  base.dimension,
  base.segment,
  base.mqls_accepted::decimal(18, 4) as numerator,
  base.mqls_mature::decimal(18, 4) as denominator,
  case when base.missing is null then round(base.mqls_accepted / nullif(base.mqls_mature, 0), 8) end::decimal(28, 8) as value,
  base.mqls_mature as n,
  'ratio' as unit,
  null::varchar as currency,
  case
    when base.missing is not null then 'na'
    when base.mqls = 0 then 'na'
    when base.mqls_mature = 0 then 'na'
    when not base.is_complete then 'provisional'
    when base.mqls_mature < base.mqls then 'provisional'
    else 'ok'
  end as status,
  case
    when base.missing is not null then base.missing
    when base.mqls = 0 then 'no marketing-qualified leads in this period'
    when base.mqls_mature = 0 then 'none of the ' || base.mqls || ' leads has had ' || base.conversion_days || ' days yet'
    when not base.is_complete then 'the period is not over'
    when base.mqls_mature < base.mqls then (base.mqls - base.mqls_mature) || ' of ' || base.mqls || ' leads have not had ' || base.conversion_days || ' days yet and are left out'
  end as reason
from metrics.qualified_leads as base

/* ---
description: >
  Share of the opportunities created in the period that were won within the days that core.assumptions gives
  (funnel_days). Only those that have had these days are in it, won, lost or open, so that quick losses do not weigh
  more than slow wins. metrics.funnel has each stage.
materialized: table
owner: revenue-operations
tags: [kpi]
unique_key: [kpi, grain, period_start, dimension, segment]
columns:
  kpi: {description: Name of the KPI., data_tests: [not_null, {accepted_values: {values: [funnel_conversion]}}]}
  grain: {description: "all, month or quarter.", data_tests: [not_null, {accepted_values: {values: [all, month, quarter]}}]}
  period_start: {description: First day of the period; null for all.}
  dimension: {description: What the segment is a member of; total for everything., data_tests: [not_null]}
  segment: {description: Member of the dimension; all for the total., data_tests: [not_null]}
  numerator: {description: "Opportunities of the cohort won in time."}
  denominator: {description: "Opportunities of the cohort that have had the time."}
  value: {description: "Numerator / denominator; null while none has had the time."}
  n: {description: "Opportunities of the cohort that have had the time.", data_tests: [not_null]}
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
  'funnel_conversion' as kpi,
  base.grain,
  base.period_start,
  base.dimension,
  base.segment,
  base.won_in_time::decimal(18, 4) as numerator,
  base.mature::decimal(18, 4) as denominator,
  case when base.missing is null then round(base.won_in_time / nullif(base.mature, 0), 8) end::decimal(28, 8) as value,
  base.mature as n,
  'ratio' as unit,
  null::varchar as currency,
  case
    when base.missing is not null then 'na'
    when base.created = 0 then 'na'
    when base.mature = 0 then 'na'
    when not base.is_complete then 'provisional'
    when base.mature < base.created then 'provisional'
    else 'ok'
  end as status,
  case
    when base.missing is not null then base.missing
    when base.created = 0 then 'no opportunity was created in this period'
    when base.mature = 0 then 'none of the ' || base.created || ' opportunities created has had ' || base.funnel_days || ' days yet'
    when not base.is_complete then 'the period is not over'
    when base.mature < base.created then (base.created - base.mature) || ' of ' || base.created || ' opportunities have not had ' || base.funnel_days || ' days yet and are left out'
  end as reason
from metrics.funnel_base as base

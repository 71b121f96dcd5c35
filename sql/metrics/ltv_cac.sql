/* ---
description: >
  Lifetime value of a customer for the blended cost of acquiring one, both of the same period. Three is a rule of
  thumb.
materialized: table
owner: revenue-operations
tags: [kpi]
unique_key: [kpi, grain, period_start, dimension, segment]
columns:
  kpi: {description: Name of the KPI., data_tests: [not_null, {accepted_values: {values: [ltv_cac]}}]}
  grain: {description: "all, month or quarter.", data_tests: [not_null, {accepted_values: {values: [all, month, quarter]}}]}
  period_start: {description: First day of the period; null for all.}
  dimension: {description: What the segment is a member of; total for everything., data_tests: [not_null]}
  segment: {description: Member of the dimension; all for the total., data_tests: [not_null]}
  numerator: {description: "LTV."}
  denominator: {description: "Blended CAC."}
  value: {description: "Numerator / denominator; null where one of them is."}
  n: {description: "New customers.", data_tests: [not_null]}
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
  'ltv_cac' as kpi,
  ltv.grain,
  ltv.period_start,
  ltv.dimension,
  ltv.segment,
  ltv.value::decimal(18, 4) as numerator,
  cac.value::decimal(18, 4) as denominator,
  round(ltv.value / nullif(cac.value, 0), 8)::decimal(28, 8) as value,
  cac.n,
  'times' as unit,
  null::varchar as currency,
  case
    when ltv.value is null or coalesce(cac.value, 0) = 0 then 'na'
    when 'provisional' in (ltv.status, cac.status) then 'provisional'
    else 'ok'
  end as status,
  case
    when ltv.value is null then 'LTV: ' || ltv.reason
    when cac.value is null then 'CAC: ' || cac.reason
    when cac.value = 0 then 'acquisition cost nothing in this period'
    when cac.status = 'provisional' then cac.reason
    else ltv.reason
  end as reason
from metrics.ltv
inner join metrics.cac_blended as cac
  on cac.grain = ltv.grain
  and cac.period_start is not distinct from ltv.period_start
  and cac.dimension = ltv.dimension
  and cac.segment = ltv.segment

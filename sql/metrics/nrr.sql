/* ---
description: >
  Net revenue retention over twelve months of the accounts that were customers at their start: (opening MRR +
  expansion - contraction - churn) / opening MRR. Who left counts as gone even after coming back; new customers are
  not in it.
materialized: table
owner: revenue-operations
tags: [kpi]
unique_key: [kpi, grain, period_start, dimension, segment]
columns:
  kpi: {description: Name of the KPI., data_tests: [not_null, {accepted_values: {values: [nrr]}}]}
  grain: {description: "all, month or quarter.", data_tests: [not_null, {accepted_values: {values: [all, month, quarter]}}]}
  period_start: {description: First day of the period; null for all.}
  dimension: {description: What the segment is a member of; total for everything., data_tests: [not_null]}
  segment: {description: Member of the dimension; all for the total., data_tests: [not_null]}
  numerator: {description: "MRR now of the accounts of twelve months ago."}
  denominator: {description: "Their MRR twelve months ago."}
  value: {description: "Numerator / denominator; null without customers then."}
  n: {description: "Accounts with MRR twelve months ago.", data_tests: [not_null]}
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
  'nrr' as kpi,
  base.grain,
  base.period_start,
  base.dimension,
  base.segment,
  base.cohort_mrr_close::decimal(18, 4) as numerator,
  base.cohort_mrr_open::decimal(18, 4) as denominator,
  round(base.cohort_mrr_close / nullif(base.cohort_mrr_open, 0), 8)::decimal(28, 8) as value,
  base.cohort_customers as n,
  'ratio' as unit,
  null::varchar as currency,
  case
    when base.missing is not null then 'na'
    when base.cohort_customers = 0 then 'na'
    when not base.is_complete then 'provisional'
    else 'ok'
  end as status,
  case
    when base.missing is not null then base.missing
    when base.cohort_customers = 0 then 'no customers twelve months earlier'
    when not base.is_complete then 'the period is not over'
  end as reason
from metrics.customer_base as base

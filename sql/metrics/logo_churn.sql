/* ---
description: >
  Share of the accounts there before the period that left within it. One that left and came back counts as having
  left.
materialized: table
owner: revenue-operations
tags: [kpi]
unique_key: [kpi, grain, period_start, dimension, segment]
columns:
  kpi: {description: Name of the KPI., data_tests: [not_null, {accepted_values: {values: [logo_churn]}}]}
  grain: {description: "all, month or quarter.", data_tests: [not_null, {accepted_values: {values: [all, month, quarter]}}]}
  period_start: {description: First day of the period; null for all.}
  dimension: {description: What the segment is a member of; total for everything., data_tests: [not_null]}
  segment: {description: Member of the dimension; all for the total., data_tests: [not_null]}
  numerator: {description: "Times that an account left."}
  denominator: {description: "Accounts with MRR before the period."}
  value: {description: "Numerator / denominator; null without customers before the period."}
  n: {description: "Accounts with MRR before the period.", data_tests: [not_null]}
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
  'logo_churn' as kpi,
  base.grain,
  base.period_start,
  base.dimension,
  base.segment,
  base.customers_churned::decimal(18, 4) as numerator,
  base.customers_open::decimal(18, 4) as denominator,
  round(base.customers_churned / nullif(base.customers_open, 0), 8)::decimal(28, 8) as value,
  base.customers_open as n,
  'ratio' as unit,
  null::varchar as currency,
  case
    when base.missing is not null then 'na'
    when base.customers_open = 0 then 'na'
    when not base.is_complete then 'provisional'
    else 'ok'
  end as status,
  case
    when base.missing is not null then base.missing
    when base.customers_open = 0 then 'no customers before the period'
    when not base.is_complete then 'the period is not over'
  end as reason
from metrics.customer_base as base

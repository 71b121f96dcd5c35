/* ---
description: >
  Lifetime value of the customers who began in the period, each counted as what became of it: gross margin earned so
  far, which is observed, and gross margin expected of those who are still there, by the survival of all customers
  (metrics.retention_curve), discounted, up to the horizon that core.assumptions gives. Provisional as long as a part
  of it is expected; the remark says how large that is.
materialized: table
owner: finance
tags: [kpi]
unique_key: [kpi, grain, period_start, dimension, segment]
columns:
  kpi: {description: Name of the KPI., data_tests: [not_null, {accepted_values: {values: [ltv_cohort]}}]}
  grain: {description: "all, month or quarter.", data_tests: [not_null, {accepted_values: {values: [all, month, quarter]}}]}
  period_start: {description: First day of the period; null for all.}
  dimension: {description: What the segment is a member of; total for everything., data_tests: [not_null]}
  segment: {description: Member of the dimension; all for the total., data_tests: [not_null]}
  numerator: {description: "Margin earned and margin expected."}
  denominator: {description: "Customers who began in the period."}
  value: {description: "Numerator / denominator; null without such customers."}
  n: {description: "Customers who began in the period.", data_tests: [not_null]}
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
  'ltv_cohort' as kpi,
  base.grain,
  base.period_start,
  base.dimension,
  base.segment,
  (base.observed + base.extrapolated)::decimal(18, 4) as numerator,
  base.customers::decimal(18, 4) as denominator,
  case when base.missing is null then round((base.observed + base.extrapolated) / nullif(base.customers, 0), 8) end::decimal(28, 8) as value,
  base.customers as n,
  'money' as unit,
  base.currency as currency,
  case
    when base.missing is not null then 'na'
    when base.customers = 0 then 'na'
    when base.extrapolated > 0 or not base.is_complete then 'provisional'
    else 'ok'
  end as status,
  case
    when base.missing is not null then base.missing
    when base.customers = 0 then 'nobody became a customer in this period'
    when base.extrapolated > 0 and base.basis = 'nobody left' then printf('%.0f %% is expected; nobody has ever left, so everybody is taken to stay up to the horizon', 100 * base.extrapolated / (base.observed + base.extrapolated))
    when base.extrapolated > 0 then printf('%.0f %% is observed, %.0f %% expected of the %d of %d who are still there', 100 * base.observed / (base.observed + base.extrapolated), 100 * base.extrapolated / (base.observed + base.extrapolated), base.customers_alive, base.customers)
    when not base.is_complete then 'the period is not over'
  end as reason
from metrics.ltv_cohort_parts as base

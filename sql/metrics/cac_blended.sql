/* ---
description: >
  Blended cost of acquiring a customer, fully loaded: all sales and marketing costs of the period (media, agencies,
  pay, tools, overhead) / accounts that became customers in it, whatever brought them. Costs beside media come from
  seeds/sales_marketing_costs.csv; customers from before any costs are known are left out.
materialized: table
owner: revenue-operations
tags: [kpi]
unique_key: [kpi, grain, period_start, dimension, segment]
columns:
  kpi: {description: Name of the KPI., data_tests: [not_null, {accepted_values: {values: [cac_blended]}}]}
  grain: {description: "all, month or quarter.", data_tests: [not_null, {accepted_values: {values: [all, month, quarter]}}]}
  period_start: {description: First day of the period; null for all.}
  dimension: {description: What the segment is a member of; total for everything., data_tests: [not_null]}
  segment: {description: Member of the dimension; all for the total., data_tests: [not_null]}
  numerator: {description: "All sales and marketing costs."}
  denominator: {description: "New customers."}
  value: {description: "Numerator / denominator; null without new customers or costs."}
  n: {description: "New customers.", data_tests: [not_null]}
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
  'cac_blended' as kpi,
  base.grain,
  base.period_start,
  base.dimension,
  base.segment,
  (base.media_cost + base.agency_cost + base.other_cost)::decimal(18, 4) as numerator,
  base.costed_new_customers::decimal(18, 4) as denominator,
  case
    when not (base.costed_new_customers = 0 or base.costs_missing is not null)
      then round((base.media_cost + base.agency_cost + base.other_cost) / nullif(base.costed_new_customers, 0), 8)
  end::decimal(28, 8) as value,
  base.costed_new_customers as n,
  'money' as unit,
  base.currency,
  case
    when base.costs_missing is not null or base.customers_missing is not null then 'na'
    when base.costed_new_customers = 0 then 'na'
    when not base.is_complete or base.is_restating then 'provisional'
    else 'ok'
  end as status,
  case
    when base.costs_missing is not null then base.costs_missing
    when base.customers_missing is not null then base.customers_missing
    when base.costed_new_customers = 0 then 'no new customers in this period'
    when not base.is_complete or base.is_restating then case when base.is_complete then 'ad platforms may still restate this period' else 'the period is not over' end
    when base.uncosted_new_customers > 0 then base.uncosted_new_customers || ' customers from before costs were known are left out'
  end as reason
from metrics.acquisition as base
where base.dimension = 'total'

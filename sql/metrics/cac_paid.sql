/* ---
description: >
  Cost of acquiring a customer through paid media: media spend and agency fees / new customers whose account was first
  brought by a paid channel. Organic customers are in neither number, so it is not comparable with the blended figure;
  nor are customers of a paid channel whose spend is not connected.
materialized: table
owner: revenue-operations
tags: [kpi]
unique_key: [kpi, grain, period_start, dimension, segment]
columns:
  kpi: {description: Name of the KPI., data_tests: [not_null, {accepted_values: {values: [cac_paid]}}]}
  grain: {description: "all, month or quarter.", data_tests: [not_null, {accepted_values: {values: [all, month, quarter]}}]}
  period_start: {description: First day of the period; null for all.}
  dimension: {description: What the segment is a member of; total for everything., data_tests: [not_null]}
  segment: {description: Member of the dimension; all for the total., data_tests: [not_null]}
  numerator: {description: "Media spend and agency fees."}
  denominator: {description: "New customers from paid channels."}
  value: {description: "Numerator / denominator; null without such customers."}
  n: {description: "New customers from paid channels.", data_tests: [not_null]}
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
  'cac_paid' as kpi,
  base.grain,
  base.period_start,
  base.dimension,
  base.segment,
  (base.media_cost + base.agency_cost)::decimal(18, 4) as numerator,
  base.paid_new_customers::decimal(18, 4) as denominator,
  case
    when not (base.paid_new_customers = 0 or base.media_missing is not null)
      then round((base.media_cost + base.agency_cost) / nullif(base.paid_new_customers, 0), 8)
  end::decimal(28, 8) as value,
  base.paid_new_customers as n,
  'money' as unit,
  base.currency,
  case
    when base.media_missing is not null or base.customers_missing is not null then 'na'
    when base.paid_new_customers = 0 then 'na'
    when not base.is_complete or base.is_restating then 'provisional'
    else 'ok'
  end as status,
  case
    when base.media_missing is not null then base.media_missing
    when base.customers_missing is not null then base.customers_missing
    when base.paid_new_customers = 0 then 'no new customers from paid channels in this period'
    when not base.is_complete or base.is_restating then case when base.is_complete then 'ad platforms may still restate this period' else 'the period is not over' end
    when base.unpriced_new_customers > 0 then base.unpriced_new_customers || ' more from paid channels whose spend is not connected'
  end as reason
from metrics.acquisition as base
where base.dimension = 'total' or (base.dimension = 'channel' and base.segment in (select channel from core.spend))

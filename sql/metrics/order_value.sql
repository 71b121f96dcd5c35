/* ---
description: >
  Mean value of a payment: payments without tax before refunds / invoices paid that were not for nothing.
materialized: table
owner: finance
tags: [kpi]
unique_key: [kpi, grain, period_start, dimension, segment]
columns:
  kpi: {description: Name of the KPI., data_tests: [not_null, {accepted_values: {values: [order_value]}}]}
  grain: {description: "all, month or quarter.", data_tests: [not_null, {accepted_values: {values: [all, month, quarter]}}]}
  period_start: {description: First day of the period; null for all.}
  dimension: {description: What the segment is a member of; total for everything., data_tests: [not_null]}
  segment: {description: Member of the dimension; all for the total., data_tests: [not_null]}
  numerator: {description: "Payments without tax."}
  denominator: {description: "Invoices paid."}
  value: {description: "Numerator / denominator; null when nothing was paid."}
  n: {description: "Invoices paid.", data_tests: [not_null]}
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
  'order_value' as kpi,
  base.grain,
  base.period_start,
  base.dimension,
  base.segment,
  base.paid::decimal(18, 4) as numerator,
  base.paid_invoices::decimal(18, 4) as denominator,
  case when base.missing is null then round(base.paid / nullif(base.paid_invoices, 0), 8) end::decimal(28, 8) as value,
  base.paid_invoices as n,
  'money' as unit,
  base.currency as currency,
  case
    when base.missing is not null then 'na'
    when base.paid_invoices = 0 then 'na'
    when not base.is_complete then 'provisional'
    else 'ok'
  end as status,
  case
    when base.missing is not null then base.missing
    when base.paid_invoices = 0 then 'nothing was paid in this period'
    when not base.is_complete then 'the period is not over'
  end as reason
from metrics.billing_base as base

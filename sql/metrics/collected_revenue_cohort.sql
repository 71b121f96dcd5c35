/* ---
description: >
  Money collected without tax by the day of payment, less every refund of these payments, whenever it was given: what
  the sales of the period have brought. A refund in a later month restates the month of the sale;
  metrics.collected_revenue has it in the month in which it was given.
materialized: table
owner: finance
tags: [kpi]
unique_key: [kpi, grain, period_start, dimension, segment]
columns:
  kpi: {description: Name of the KPI., data_tests: [not_null, {accepted_values: {values: [collected_revenue_cohort]}}]}
  grain: {description: "all, month or quarter.", data_tests: [not_null, {accepted_values: {values: [all, month, quarter]}}]}
  period_start: {description: First day of the period; null for all.}
  dimension: {description: What the segment is a member of; total for everything., data_tests: [not_null]}
  segment: {description: Member of the dimension; all for the total., data_tests: [not_null]}
  numerator: {description: "Payments less their refunds without tax."}
  denominator: {description: "Null; a sum is not a ratio."}
  value: {description: "The numerator."}
  n: {description: "Invoices paid that were not for nothing.", data_tests: [not_null]}
  unit: {description: "Unit of the value: money.", data_tests: [not_null]}
  currency: {description: Currency of the value; null when it is not money.}
  status: {description: "ok, na (the value cannot be stated), provisional (it may still change) or restated (it was another one when its period closed).", data_tests: [not_null, {accepted_values: {values: [ok, na, provisional, restated]}}]}
  reason: {description: Why the value is na or provisional; or a remark on it.}
data_tests:
  - unique_combination: {columns: [kpi, grain, period_start, dimension, segment]}
  - expression: "(value is null) = (status = 'na')"
  - expression: "status = 'ok' or reason is not null"
--- */
select
  'collected_revenue_cohort' as kpi,
  base.grain,
  base.period_start,
  base.dimension,
  base.segment,
  case when base.missing is null then base.paid - base.refunded_of_payments end::decimal(18, 4) as numerator,
  null::decimal(18, 4) as denominator,
  case when base.missing is null then base.paid - base.refunded_of_payments end::decimal(28, 8) as value,
  base.paid_invoices as n,
  'money' as unit,
  base.currency as currency,
  case
    when base.missing is not null then 'na'
    when not base.is_complete then 'provisional'
    when base.refunded_later != 0 then 'restated'
    else 'ok'
  end as status,
  case
    when base.missing is not null then base.missing
    when not base.is_complete then 'the period is not over'
    when base.refunded_later != 0 then base.refunded_later || ' was given back after the period'
  end as reason
from metrics.billing_base as base

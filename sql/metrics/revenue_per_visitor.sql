/* ---
description: >
  Value of new-business opportunities won in the period / visitors whom the web site saw for the first time in it.
  Visitors of single days cannot be added up, those seen for the first time can. A channel has what the accounts
  brought that it brought first.
materialized: table
owner: marketing
tags: [kpi]
unique_key: [kpi, grain, period_start, dimension, segment]
columns:
  kpi: {description: Name of the KPI., data_tests: [not_null, {accepted_values: {values: [revenue_per_visitor]}}]}
  grain: {description: "all, month or quarter.", data_tests: [not_null, {accepted_values: {values: [all, month, quarter]}}]}
  period_start: {description: First day of the period; null for all.}
  dimension: {description: What the segment is a member of; total for everything., data_tests: [not_null]}
  segment: {description: Member of the dimension; all for the total., data_tests: [not_null]}
  numerator: {description: "Value of new business won."}
  denominator: {description: "Visitors seen for the first time."}
  value: {description: "Numerator / denominator; null without visitors."}
  n: {description: "Visitors seen for the first time.", data_tests: [not_null]}
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
  'revenue_per_visitor' as kpi,
  base.grain,
  base.period_start,
  base.dimension,
  base.segment,
  base.won_amount::decimal(18, 4) as numerator,
  base.new_visitors::decimal(18, 4) as denominator,
  case when base.missing is null then round(base.won_amount / nullif(base.new_visitors, 0), 8) end::decimal(28, 8) as value,
  base.new_visitors as n,
  'money' as unit,
  base.currency as currency,
  case
    when base.missing is not null then 'na'
    when base.new_visitors = 0 then 'na'
    when not base.is_complete then 'provisional'
    else 'ok'
  end as status,
  case
    when base.missing is not null then base.missing
    when base.new_visitors = 0 then 'no visitor was seen for the first time in this period'
    when not base.is_complete then 'the period is not over'
  end as reason
from metrics.web_base as base

/* ---
description: >
  Cost of a request to the system: cost of the items that answer requests / requests that they answered, by month,
  from seeds/running_costs.csv.
materialized: table
owner: revenue-operations
tags: [kpi]
unique_key: [kpi, grain, period_start, dimension, segment]
columns:
  kpi: {description: Name of the KPI., data_tests: [not_null, {accepted_values: {values: [cost_per_request]}}]}
  grain: {description: "all, month or quarter.", data_tests: [not_null, {accepted_values: {values: [all, month, quarter]}}]}
  period_start: {description: First day of the period; null for all.}
  dimension: {description: What the segment is a member of; total for everything., data_tests: [not_null]}
  segment: {description: Member of the dimension; all for the total., data_tests: [not_null]}
  numerator: {description: "Cost of the items that answer requests."}
  denominator: {description: "Requests."}
  value: {description: "Numerator / denominator; null without requests."}
  n: {description: "Requests.", data_tests: [not_null]}
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
  'cost_per_request' as kpi,
  base.grain,
  base.period_start,
  base.dimension,
  base.segment,
  base.cost::decimal(18, 4) as numerator,
  base.requests::decimal(18, 4) as denominator,
  case when base.missing is null then round(base.cost / nullif(base.requests, 0), 8) end::decimal(28, 8) as value,
  base.requests as n,
  'money' as unit,
  base.currency as currency,
  case
    when base.missing is not null then 'na'
    when base.requests = 0 then 'na'
    when not base.is_complete then 'provisional'
    else 'ok'
  end as status,
  case
    when base.missing is not null then base.missing
    when base.requests = 0 then 'no requests are recorded for this period'
    when not base.is_complete then 'the period is not over'
  end as reason
from metrics.request_base as base

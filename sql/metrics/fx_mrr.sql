/* ---
description: >
  What exchange rates did to MRR in the period: the change of what customers pay in other currencies that comes from
  the rate of the day alone. In the bridge of MRR at the rates of each day it stands beside new, expansion,
  reactivation, contraction and churn; at constant rates it is nothing.
materialized: table
owner: finance
tags: [kpi]
unique_key: [kpi, grain, period_start, dimension, segment]
columns:
  kpi: {description: Name of the KPI., data_tests: [not_null, {accepted_values: {values: [fx_mrr]}}]}
  grain: {description: "all, month or quarter.", data_tests: [not_null, {accepted_values: {values: [all, month, quarter]}}]}
  period_start: {description: First day of the period; null for all.}
  dimension: {description: What the segment is a member of; total for everything., data_tests: [not_null]}
  segment: {description: Member of the dimension; all for the total., data_tests: [not_null]}
  numerator: {description: "Change of MRR by exchange rates."}
  denominator: {description: "Null; a sum is not a ratio."}
  value: {description: "The numerator."}
  n: {description: "Accounts whose MRR a rate changed.", data_tests: [not_null]}
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
  'fx_mrr' as kpi,
  base.grain,
  base.period_start,
  base.dimension,
  base.segment,
  case when base.missing is null then base.fx_mrr end::decimal(18, 4) as numerator,
  null::decimal(18, 4) as denominator,
  case when base.missing is null then base.fx_mrr end::decimal(28, 8) as value,
  base.customers_moved as n,
  'money' as unit,
  base.currency as currency,
  case
    when base.missing is not null then 'na'
    when not base.is_complete then 'provisional'
    else 'ok'
  end as status,
  case
    when base.missing is not null then base.missing
    when not base.is_complete then 'the period is not over'
  end as reason
from metrics.spot_base as base

/* ---
description: >
  Cost of a sales-qualified lead: media spend and agency fees of the period / people from paid channels who became one
  in it.
materialized: table
owner: revenue-operations
tags: [kpi]
unique_key: [kpi, grain, period_start, dimension, segment]
columns:
  kpi: {description: Name of the KPI., data_tests: [not_null, {accepted_values: {values: [cost_per_sql]}}]}
  grain: {description: "all, month or quarter.", data_tests: [not_null, {accepted_values: {values: [all, month, quarter]}}]}
  period_start: {description: First day of the period; null for all.}
  dimension: {description: What the segment is a member of; total for everything., data_tests: [not_null]}
  segment: {description: Member of the dimension; all for the total., data_tests: [not_null]}
  numerator: {description: "Media spend and agency fees."}
  denominator: {description: "People from paid channels who became a sales-qualified lead."}
  value: {description: "Numerator / denominator; null without such people."}
  n: {description: "People from paid channels who became a sales-qualified lead.", data_tests: [not_null]}
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
  'cost_per_sql' as kpi,
  base.grain,
  base.period_start,
  base.dimension,
  base.segment,
  base.paid_cost::decimal(18, 4) as numerator,
  base.paid_sqls::decimal(18, 4) as denominator,
  case when base.media_missing is null then round(base.paid_cost / nullif(base.paid_sqls, 0), 8) end::decimal(28, 8) as value,
  base.paid_sqls as n,
  'money' as unit,
  base.currency as currency,
  case
    when base.media_missing is not null then 'na'
    when base.paid_sqls = 0 then 'na'
    when not base.is_complete then 'provisional'
    when base.is_restating then 'provisional'
    else 'ok'
  end as status,
  case
    when base.media_missing is not null then base.media_missing
    when base.paid_sqls = 0 then 'no sales-qualified leads from paid channels in this period'
    when not base.is_complete then 'the period is not over'
    when base.is_restating then 'ad platforms may still restate this period'
  end as reason
from metrics.qualified_leads as base
where base.dimension = 'total' or (base.dimension = 'channel' and base.segment in (select channel from core.spend))

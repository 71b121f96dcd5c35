/* ---
description: >
  People whom sales accepted: on the day on which the CRM says so or on which their first opportunity became
  qualified, each person once. Who comes back is counted in the remark.
materialized: table
owner: revenue-operations
tags: [kpi]
unique_key: [kpi, grain, period_start, dimension, segment]
columns:
  kpi: {description: Name of the KPI., data_tests: [not_null, {accepted_values: {values: [sqls]}}]}
  grain: {description: "all, month or quarter.", data_tests: [not_null, {accepted_values: {values: [all, month, quarter]}}]}
  period_start: {description: First day of the period; null for all.}
  dimension: {description: What the segment is a member of; total for everything., data_tests: [not_null]}
  segment: {description: Member of the dimension; all for the total., data_tests: [not_null]}
  numerator: {description: "People who became sales-qualified."}
  denominator: {description: "Null; a count is not a ratio."}
  value: {description: "The numerator."}
  n: {description: "People who became sales-qualified.", data_tests: [not_null]}
  unit: {description: "Unit of the value: count.", data_tests: [not_null]}
  currency: {description: Currency of the value; null when it is not money.}
  status: {description: "ok, na (the value cannot be stated) or provisional (it may still change).", data_tests: [not_null, {accepted_values: {values: [ok, na, provisional]}}]}
  reason: {description: Why the value is na or provisional; or a remark on it.}
data_tests:
  - unique_combination: {columns: [kpi, grain, period_start, dimension, segment]}
  - expression: "(value is null) = (status = 'na')"
  - expression: "status = 'ok' or reason is not null"
--- */
select
  'sqls' as kpi,
  base.grain,
  base.period_start,
  base.dimension,
  base.segment,
  case when base.missing is null then base.sqls end::decimal(18, 4) as numerator,
  null::decimal(18, 4) as denominator,
  case when base.missing is null then base.sqls end::decimal(28, 8) as value,
  base.sqls as n,
  'count' as unit,
  null::varchar as currency,
  case
    when base.missing is not null then 'na'
    when not base.is_complete then 'provisional'
    else 'ok'
  end as status,
  case
    when base.missing is not null then base.missing
    when not base.is_complete then 'the period is not over'
    when base.sqls_again > 0 then base.sqls_again || ' more came back'
  end as reason
from metrics.qualified_leads as base

/* ---
description: >
  Share of delivered e-mails with at least one click.
materialized: table
owner: marketing
tags: [kpi]
unique_key: [kpi, grain, period_start, dimension, segment]
columns:
  kpi: {description: Name of the KPI., data_tests: [not_null, {accepted_values: {values: [email_click_rate]}}]}
  grain: {description: "all, month or quarter.", data_tests: [not_null, {accepted_values: {values: [all, month, quarter]}}]}
  period_start: {description: First day of the period; null for all.}
  dimension: {description: What the segment is a member of; total for everything., data_tests: [not_null]}
  segment: {description: Member of the dimension; all for the total., data_tests: [not_null]}
  numerator: {description: "E-mails clicked."}
  denominator: {description: "E-mails delivered."}
  value: {description: "Numerator / denominator; null where nothing was delivered."}
  n: {description: "E-mails delivered.", data_tests: [not_null]}
  unit: {description: "Unit of the value: ratio.", data_tests: [not_null]}
  currency: {description: Currency of the value; null when it is not money.}
  status: {description: "ok, na (the value cannot be stated) or provisional (it may still change).", data_tests: [not_null, {accepted_values: {values: [ok, na, provisional]}}]}
  reason: {description: Why the value is na or provisional; or a remark on it.}
data_tests:
  - unique_combination: {columns: [kpi, grain, period_start, dimension, segment]}
  - expression: "(value is null) = (status = 'na')"
  - expression: "status = 'ok' or reason is not null"
--- */
select
  'email_click_rate' as kpi,
  base.grain,
  base.period_start,
  base.dimension,
  base.segment,
  base.clicks::decimal(18, 4) as numerator,
  base.delivered::decimal(18, 4) as denominator,
  case when base.missing is null then round(base.clicks / nullif(base.delivered, 0), 8) end::decimal(28, 8) as value,
  base.delivered as n,
  'ratio' as unit,
  null::varchar as currency,
  case
    when base.missing is not null then 'na'
    when base.delivered = 0 then 'na'
    when not base.is_complete then 'provisional'
    else 'ok'
  end as status,
  case
    when base.missing is not null then base.missing
    when base.delivered = 0 then 'no e-mail was delivered in this period'
    when not base.is_complete then 'the period is not over'
  end as reason
from metrics.email_base as base

/* ---
description: >
  Share of the leads of the period whose person or account had an opportunity within the days that core.assumptions
  gives. Provisional while leads of the cohort still have time.
materialized: table
owner: revenue-operations
tags: [kpi]
unique_key: [kpi, grain, period_start, dimension, segment]
columns:
  kpi: {description: Name of the KPI., data_tests: [not_null, {accepted_values: {values: [lead_conversion]}}]}
  grain: {description: "all, month or quarter.", data_tests: [not_null, {accepted_values: {values: [all, month, quarter]}}]}
  period_start: {description: First day of the period; null for all.}
  dimension: {description: What the segment is a member of; total for everything., data_tests: [not_null]}
  segment: {description: Member of the dimension; all for the total., data_tests: [not_null]}
  numerator: {description: "Leads with an opportunity in time."}
  denominator: {description: "Leads of the period."}
  value: {description: "Numerator / denominator; null without leads."}
  n: {description: "Leads of the period.", data_tests: [not_null]}
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
  'lead_conversion' as kpi,
  base.grain,
  base.period_start,
  base.dimension,
  base.segment,
  base.converted_leads::decimal(18, 4) as numerator,
  base.leads::decimal(18, 4) as denominator,
  round(base.converted_leads / nullif(base.leads, 0), 8)::decimal(28, 8) as value,
  base.leads as n,
  'ratio' as unit,
  null::varchar as currency,
  case
    when base.leads_missing is not null then 'na'
    when base.leads = 0 then 'na'
    when base.open_leads > 0 then 'provisional'
    else 'ok'
  end as status,
  case
    when base.leads_missing is not null then base.leads_missing
    when base.leads = 0 then 'no leads in this period'
    when base.open_leads > 0 then base.open_leads || ' of ' || base.leads || ' leads still have time to convert'
  end as reason
from metrics.acquisition as base

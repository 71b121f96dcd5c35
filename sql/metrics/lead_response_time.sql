/* ---
description: >
  Median hours from the moment at which a person became a lead to the first time that sales spoke to the person, of
  the leads of the period. Leads that nobody has spoken to yet are in no median; the remark counts them.
materialized: table
owner: revenue-operations
tags: [kpi]
unique_key: [kpi, grain, period_start, dimension, segment]
columns:
  kpi: {description: Name of the KPI., data_tests: [not_null, {accepted_values: {values: [lead_response_time]}}]}
  grain: {description: "all, month or quarter.", data_tests: [not_null, {accepted_values: {values: [all, month, quarter]}}]}
  period_start: {description: First day of the period; null for all.}
  dimension: {description: What the segment is a member of; total for everything., data_tests: [not_null]}
  segment: {description: Member of the dimension; all for the total., data_tests: [not_null]}
  numerator: {description: "Null; a median is not a ratio."}
  denominator: {description: "Null; a median is not a ratio."}
  value: {description: "Median hours; null while nobody was answered."}
  n: {description: "Leads that sales has spoken to.", data_tests: [not_null]}
  unit: {description: "Unit of the value: hours.", data_tests: [not_null]}
  currency: {description: Currency of the value; null when it is not money.}
  status: {description: "ok, na (the value cannot be stated) or provisional (it may still change).", data_tests: [not_null, {accepted_values: {values: [ok, na, provisional]}}]}
  reason: {description: Why the value is na or provisional; or a remark on it.}
data_tests:
  - unique_combination: {columns: [kpi, grain, period_start, dimension, segment]}
  - expression: "(value is null) = (status = 'na')"
  - expression: "status = 'ok' or reason is not null"
--- */
select
  'lead_response_time' as kpi,
  base.grain,
  base.period_start,
  base.dimension,
  base.segment,
  null::decimal(18, 4) as numerator,
  null::decimal(18, 4) as denominator,
  case when base.missing is null and base.answered > 0 then round(base.median_hours, 8) end::decimal(28, 8) as value,
  base.answered as n,
  'hours' as unit,
  null::varchar as currency,
  case
    when base.missing is not null then 'na'
    when base.answered = 0 then 'na'
    when not base.is_complete or not base.is_settled then 'provisional'
    else 'ok'
  end as status,
  case
    when base.missing is not null then base.missing
    when base.leads = 0 then 'no leads in this period'
    when base.answered = 0 then 'sales has spoken to none of the ' || base.leads || ' leads'
    when not base.is_complete then 'the period is not over'
    when not base.is_settled then 'sales has spoken to ' || base.answered || ' of ' || base.leads || ' leads, and may still speak to more'
    when base.answered < base.leads then 'sales has spoken to ' || base.answered || ' of ' || base.leads || ' leads'
  end as reason
from metrics.lead_response as base

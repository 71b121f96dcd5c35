/* ---
description: >
  Every KPI in one relation, for each period and segment: what reports, syncs and people read. A value that was another one
  when its period closed is restated, and says what it was; metrics.kpi_restatement has the list.
materialized: table
owner: revenue-operations
tags: [kpi]
unique_key: [kpi, grain, period_start, dimension, segment]
columns:
  kpi: {description: Name of the KPI., data_tests: [not_null, {relationships: {to: metrics.kpi_definition, field: kpi}}]}
  grain: {description: "all, month or quarter.", data_tests: [not_null, {accepted_values: {values: [all, month, quarter]}}]}
  period_start: {description: First day of the period; null for all.}
  dimension: {description: What the segment is a member of; total for everything., data_tests: [not_null]}
  segment: {description: Member of the dimension; all for the total., data_tests: [not_null]}
  numerator: {description: Numerator; null for a median.}
  denominator: {description: "Denominator; null for a sum, a count and a median."}
  value: {description: The value; null with a reason when it cannot be stated and never zero or infinity instead.}
  n: {description: Records behind the value., data_tests: [not_null]}
  unit: {description: "Unit of the value.", data_tests: [not_null, {accepted_values: {values: [ratio, money, days, months, count, money_per_day, times, hours]}}]}
  currency: {description: Currency of the value; null when it is not money.}
  status: {description: "ok, na (the value cannot be stated) or provisional (it may still change) or restated (it was another one when its period closed).", data_tests: [not_null, {accepted_values: {values: [ok, na, provisional, restated]}}]}
  reason: {description: Why the value is na or provisional; or a remark on it.}
data_tests:
  - unique_combination: {columns: [kpi, grain, period_start, dimension, segment]}
  - expression: "(value is null) = (status = 'na')"
--- */
with latest_restatements as (
  select
    kpi,
    grain,
    period_start,
    dimension,
    segment,
    case
      when old_value is null then 'n/a'
      when starts_with(unit, 'money') then format('{:,.2f}', old_value::double)
      else rtrim(rtrim(old_value::decimal(28, 4)::varchar, '0'), '.')
    end as old_text,
    known_at,
    cause
  from metrics.kpi_restatement
  qualify row_number() over (partition by kpi, grain, period_start, dimension, segment order by known_at desc) = 1
)
select
  kpi_values.* replace (
    case when restated.kpi is not null and kpi_values.status = 'ok' then 'restated' else kpi_values.status end as status,
    case
      when restated.kpi is not null and kpi_values.status in ('ok', 'restated')
        then concat_ws('; ', 'was ' || restated.old_text || ' until ' || restated.known_at::date || ': ' || restated.cause, kpi_values.reason)
      else kpi_values.reason
    end as reason
  )
from metrics.kpi_values
left join latest_restatements as restated
  on restated.kpi = kpi_values.kpi
  and restated.grain = kpi_values.grain
  and restated.period_start = kpi_values.period_start
  and restated.dimension = kpi_values.dimension
  and restated.segment = kpi_values.segment

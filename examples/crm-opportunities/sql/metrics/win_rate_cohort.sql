/* ---
description: >
  Share of the closed opportunities created in the period that were won: won / (won + lost) of the create cohort. It
  stays provisional while opportunities of the cohort are open, because quick losses come first.
materialized: table
owner: revenue-operations
tags: [kpi]
unique_key: [kpi, grain, period_start, dimension, segment]
columns:
  kpi: {description: Name of the KPI., data_tests: [not_null, {accepted_values: {values: [win_rate_cohort]}}]}
  grain: {description: "all, month or quarter.", data_tests: [not_null, {accepted_values: {values: [all, month, quarter]}}]}
  period_start: {description: First day of the period; null for all.}
  dimension: {description: What the segment is a member of; total for everything., data_tests: [not_null]}
  segment: {description: Member of the dimension; all for the total., data_tests: [not_null]}
  numerator: {description: "Opportunities of the cohort that were won."}
  denominator: {description: "Opportunities of the cohort that were won or lost."}
  value: {description: "Numerator / denominator; null when none of the cohort has closed."}
  n: {description: "Opportunities of the cohort that have closed.", data_tests: [not_null]}
  unit: {description: "Unit of the value: ratio.", data_tests: [not_null]}
  currency: {description: Currency of the value; null when it is not money.}
  status: {description: "ok, na (the value cannot be stated) or provisional (it may still change).", data_tests: [not_null, {accepted_values: {values: [ok, na, provisional]}}]}
  reason: {description: Why the value is na or provisional; or a remark on it.}
data_tests:
  - unique_combination: {columns: [kpi, grain, period_start, dimension, segment]}
  - expression: "(value is null) = (status = 'na')"
  - expression: "status = 'ok' or reason is not null"
--- */
with cohort as (
  select
    periods.period_key,
    opportunity_segments.dimension,
    opportunity_segments.segment,
    count(*) filter (where opportunities.status = 'won') as won,
    count(*) filter (where opportunities.status in ('won', 'lost')) as closed,
    count(*) filter (where opportunities.status = 'open') as still_open
  from core.opportunities
  inner join core.opportunity_segments on opportunity_segments.opportunity_id = opportunities.opportunity_id
  inner join core.periods
    on periods.grain = 'all' or opportunities.created_date between periods.range_start and periods.range_end
  group by all
)
select
  'win_rate_cohort' as kpi,
  grid.grain,
  grid.period_start,
  grid.dimension,
  grid.segment,
  coalesce(cohort.won, 0)::decimal(18, 4) as numerator,
  coalesce(cohort.closed, 0)::decimal(18, 4) as denominator,
  round(cohort.won / nullif(cohort.closed, 0), 8)::decimal(28, 8) as value,
  coalesce(cohort.closed, 0) as n,
  'ratio' as unit,
  null::varchar as currency,
  case
    when grid.missing is not null then 'na'
    when coalesce(cohort.closed, 0) = 0 then 'na'
    when cohort.still_open > 0 or not grid.is_complete then 'provisional'
    else 'ok'
  end as status,
  case
    when grid.missing is not null then grid.missing
    when coalesce(cohort.closed + cohort.still_open, 0) = 0 then 'no opportunity was created in this period'
    when cohort.closed = 0 then 'none of the ' || cohort.still_open || ' opportunities created has closed yet'
    when cohort.still_open > 0 then cohort.still_open || ' of ' || (cohort.closed + cohort.still_open) || ' opportunities created are still open'
    when not grid.is_complete then 'the period is not over'
  end as reason
from core.opportunity_grid as grid
left join cohort
  on cohort.period_key = grid.period_key and cohort.dimension = grid.dimension and cohort.segment = grid.segment

/* ---
description: >
  Share of closed opportunities that were won, by the day on which they closed: won / (won + lost). Open opportunities
  are in neither number. metrics.win_rate_cohort answers the same question by the day of creation.
materialized: table
owner: revenue-operations
tags: [kpi]
unique_key: [kpi, grain, period_start, dimension, segment]
columns:
  kpi: {description: Name of the KPI., data_tests: [not_null, {accepted_values: {values: [win_rate]}}]}
  grain: {description: "all, month or quarter.", data_tests: [not_null, {accepted_values: {values: [all, month, quarter]}}]}
  period_start: {description: First day of the period; null for all.}
  dimension: {description: What the segment is a member of; total for everything., data_tests: [not_null]}
  segment: {description: Member of the dimension; all for the total., data_tests: [not_null]}
  numerator: {description: "Opportunities won."}
  denominator: {description: "Opportunities won or lost."}
  value: {description: "Numerator / denominator; null when nothing closed."}
  n: {description: "Opportunities that closed.", data_tests: [not_null]}
  unit: {description: "Unit of the value: ratio.", data_tests: [not_null]}
  currency: {description: Currency of the value; null when it is not money.}
  status: {description: "ok, na (the value cannot be stated) or provisional (it may still change).", data_tests: [not_null, {accepted_values: {values: [ok, na, provisional]}}]}
  reason: {description: Why the value is na or provisional; or a remark on it.}
data_tests:
  - unique_combination: {columns: [kpi, grain, period_start, dimension, segment]}
  - expression: "(value is null) = (status = 'na')"
  - expression: "status = 'ok' or reason is not null"
--- */
with closed as (
  select
    periods.period_key,
    opportunity_segments.dimension,
    opportunity_segments.segment,
    count(*) filter (where opportunities.status = 'won') as won,
    count(*) as closed
  from core.opportunities
  inner join core.opportunity_segments on opportunity_segments.opportunity_id = opportunities.opportunity_id
  inner join core.periods
    on periods.grain = 'all' or opportunities.closed_date between periods.range_start and periods.range_end
  where opportunities.status in ('won', 'lost')
  group by all
)
select
  'win_rate' as kpi,
  grid.grain,
  grid.period_start,
  grid.dimension,
  grid.segment,
  coalesce(closed.won, 0)::decimal(18, 4) as numerator,
  coalesce(closed.closed, 0)::decimal(18, 4) as denominator,
  round(closed.won / nullif(closed.closed, 0), 8)::decimal(28, 8) as value,
  coalesce(closed.closed, 0) as n,
  'ratio' as unit,
  null::varchar as currency,
  case
    when grid.missing is not null then 'na'
    when closed.closed is null then 'na'
    when grid.is_complete then 'ok'
    else 'provisional'
  end as status,
  case
    when grid.missing is not null then grid.missing
    when closed.closed is null then 'no opportunity closed in this period'
    when not grid.is_complete then 'the period is not over'
  end as reason
from core.opportunity_grid as grid
left join closed
  on closed.period_key = grid.period_key and closed.dimension = grid.dimension and closed.segment = grid.segment

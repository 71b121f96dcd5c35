/* ---
description: >
  Number of opportunities won, by the day on which they closed.
materialized: table
owner: revenue-operations
tags: [kpi]
unique_key: [kpi, grain, period_start, dimension, segment]
columns:
  kpi: {description: Name of the KPI., data_tests: [not_null, {accepted_values: {values: [deals_won]}}]}
  grain: {description: "all, month or quarter.", data_tests: [not_null, {accepted_values: {values: [all, month, quarter]}}]}
  period_start: {description: First day of the period; null for all.}
  dimension: {description: What the segment is a member of; total for everything., data_tests: [not_null]}
  segment: {description: Member of the dimension; all for the total., data_tests: [not_null]}
  numerator: {description: "Opportunities won."}
  denominator: {description: "Null; a count is not a ratio."}
  value: {description: "The numerator; zero when nothing was won."}
  n: {description: "Opportunities won.", data_tests: [not_null]}
  unit: {description: "Unit of the value: count.", data_tests: [not_null]}
  currency: {description: Currency of the value; null when it is not money.}
  status: {description: "ok, na (the value cannot be stated) or provisional (it may still change).", data_tests: [not_null, {accepted_values: {values: [ok, na, provisional]}}]}
  reason: {description: Why the value is na or provisional; or a remark on it.}
data_tests:
  - unique_combination: {columns: [kpi, grain, period_start, dimension, segment]}
  - expression: "(value is null) = (status = 'na')"
  - expression: "status = 'ok' or reason is not null"
--- */
with won as (
  select
    periods.period_key,
    opportunity_segments.dimension,
    opportunity_segments.segment,
    sum(opportunities.project_amount) as amount,
    count(*) as deals,
    count(opportunities.project_amount) as valued_deals
  from core.opportunities
  inner join core.opportunity_segments on opportunity_segments.opportunity_id = opportunities.opportunity_id
  inner join core.periods
    on periods.grain = 'all' or opportunities.closed_date between periods.range_start and periods.range_end
  where opportunities.status = 'won'
  group by all
)
select
  'deals_won' as kpi,
  grid.grain,
  grid.period_start,
  grid.dimension,
  grid.segment,
  case when grid.missing is null then coalesce(won.deals, 0) end::decimal(18, 4) as numerator,
  null::decimal(18, 4) as denominator,
  case when grid.missing is null then coalesce(won.deals, 0) end::decimal(28, 8) as value,
  coalesce(won.deals, 0) as n,
  'count' as unit,
  null::varchar as currency,
  case
    when grid.missing is not null then 'na'
    when grid.is_complete then 'ok'
    else 'provisional'
  end as status,
  case
    when grid.missing is not null then grid.missing
    when not grid.is_complete then 'the period is not over'
    when won.valued_deals < won.deals then (won.deals - won.valued_deals) || ' of ' || won.deals || ' won opportunities have no value'
  end as reason
from core.opportunity_grid as grid
left join won
  on won.period_key = grid.period_key and won.dimension = grid.dimension and won.segment = grid.segment

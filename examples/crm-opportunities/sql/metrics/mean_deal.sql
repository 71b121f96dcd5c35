/* ---
description: >
  Mean value of an opportunity won: value of the opportunities won / number of them that have a value.
materialized: table
owner: revenue-operations
tags: [kpi]
unique_key: [kpi, grain, period_start, dimension, segment]
columns:
  kpi: {description: Name of the KPI., data_tests: [not_null, {accepted_values: {values: [mean_deal]}}]}
  grain: {description: "all, month or quarter.", data_tests: [not_null, {accepted_values: {values: [all, month, quarter]}}]}
  period_start: {description: First day of the period; null for all.}
  dimension: {description: What the segment is a member of; total for everything., data_tests: [not_null]}
  segment: {description: Member of the dimension; all for the total., data_tests: [not_null]}
  numerator: {description: "Value of the opportunities won."}
  denominator: {description: "Opportunities won that have a value."}
  value: {description: "Numerator / denominator; null when nothing was won."}
  n: {description: "Opportunities won that have a value.", data_tests: [not_null]}
  unit: {description: "Unit of the value: money.", data_tests: [not_null]}
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
  'mean_deal' as kpi,
  grid.grain,
  grid.period_start,
  grid.dimension,
  grid.segment,
  coalesce(won.amount, 0)::decimal(18, 4) as numerator,
  coalesce(won.valued_deals, 0)::decimal(18, 4) as denominator,
  round(won.amount / nullif(won.valued_deals, 0), 8)::decimal(28, 8) as value,
  coalesce(won.valued_deals, 0) as n,
  'money' as unit,
  grid.currency as currency,
  case
    when grid.missing is not null then 'na'
    when coalesce(won.valued_deals, 0) = 0 then 'na'
    when grid.is_complete then 'ok'
    else 'provisional'
  end as status,
  case
    when grid.missing is not null then grid.missing
    when coalesce(won.valued_deals, 0) = 0 then 'no opportunity with a value was won in this period'
    when not grid.is_complete then 'the period is not over'
    when won.valued_deals < won.deals then (won.deals - won.valued_deals) || ' of ' || won.deals || ' won opportunities have no value'
  end as reason
from core.opportunity_grid as grid
left join won
  on won.period_key = grid.period_key and won.dimension = grid.dimension and won.segment = grid.segment

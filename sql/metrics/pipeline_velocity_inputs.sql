/* ---
description: >
  The inputs of pipeline velocity for each period and segment: the qualified opportunities open on its last day, and
  what closed in the twelve months that end with it (for all: everything up to the as-of date). An open opportunity is
  stale when it is older than twice the median age of all that are open on that day.
materialized: table
owner: revenue-operations
columns:
  period_key: {description: Key of the period., data_tests: [not_null]}
  grain: {description: "all, month or quarter."}
  period_start: {description: First day of the period; null for all.}
  dimension: {description: What the segment is a member of., data_tests: [not_null]}
  segment: {description: Member of the dimension., data_tests: [not_null]}
  open_qualified: {description: Qualified opportunities open on the last day., data_tests: [not_null, {accepted_range: {min: 0}}]}
  open_stale: {description: Those of them that are stale., data_tests: [not_null, {accepted_range: {min: 0}}]}
  closed: {description: Opportunities closed in the window., data_tests: [not_null]}
  won: {description: Those of them that were won., data_tests: [not_null]}
  won_valued: {description: Opportunities won in the window that have a value., data_tests: [not_null]}
  won_amount: {description: Their value in the project's currency., data_tests: [not_null]}
  median_cycle_days: {description: Median days from creation to close of opportunities won in the window; null when there are none.}
  is_complete: {description: False while the as-of date lies inside the period.}
  currency: {description: The project's currency.}
  missing: {description: Why nothing can be stated about opportunities; null when it can.}
data_tests:
  - unique_combination: {columns: [period_key, dimension, segment]}
  - expression: "open_stale <= open_qualified and won <= closed and won_valued <= won"
--- */
with open_on_day as (
  select
    periods.period_key,
    opportunities.opportunity_id,
    periods.read_date - opportunities.created_date as age_days
  from core.periods
  inner join core.opportunities
    on opportunities.qualified_date <= periods.read_date
    and (opportunities.status = 'open' or opportunities.closed_date > periods.read_date)
),
usual_age as (
  select period_key, quantile_cont(age_days, 0.5) as median_age_days
  from open_on_day
  group by period_key
),
open_by_segment as (
  select
    open_on_day.period_key,
    opportunity_segments.dimension,
    opportunity_segments.segment,
    count(*) as open_qualified,
    count(*) filter (where open_on_day.age_days > 2 * usual_age.median_age_days) as open_stale
  from open_on_day
  inner join usual_age on usual_age.period_key = open_on_day.period_key
  inner join core.opportunity_segments on opportunity_segments.opportunity_id = open_on_day.opportunity_id
  group by all
),
closed_in_window as (
  select
    periods.period_key,
    opportunity_segments.dimension,
    opportunity_segments.segment,
    count(*) as closed,
    count(*) filter (where opportunities.status = 'won') as won,
    count(opportunities.project_amount) filter (where opportunities.status = 'won') as won_valued,
    sum(opportunities.project_amount) filter (where opportunities.status = 'won') as won_amount,
    quantile_cont(opportunities.cycle_days, 0.5) filter (where opportunities.status = 'won') as median_cycle_days
  from core.opportunities
  inner join core.opportunity_segments on opportunity_segments.opportunity_id = opportunities.opportunity_id
  inner join core.periods
    on periods.grain = 'all' or opportunities.closed_date between periods.window_start and periods.read_date
  where opportunities.status in ('won', 'lost')
  group by all
)
select
  grid.period_key,
  grid.grain,
  grid.period_start,
  grid.dimension,
  grid.segment,
  coalesce(open_by_segment.open_qualified, 0) as open_qualified,
  coalesce(open_by_segment.open_stale, 0) as open_stale,
  coalesce(closed_in_window.closed, 0) as closed,
  coalesce(closed_in_window.won, 0) as won,
  coalesce(closed_in_window.won_valued, 0) as won_valued,
  coalesce(closed_in_window.won_amount, 0)::decimal(18, 4) as won_amount,
  closed_in_window.median_cycle_days,
  grid.is_complete,
  grid.currency,
  grid.missing
from core.opportunity_grid as grid
left join open_by_segment
  on open_by_segment.period_key = grid.period_key
  and open_by_segment.dimension = grid.dimension
  and open_by_segment.segment = grid.segment
left join closed_in_window
  on closed_in_window.period_key = grid.period_key
  and closed_in_window.dimension = grid.dimension
  and closed_in_window.segment = grid.segment

/* ---
description: >
  Opportunities that channels assisted, for each period: touches in the days before it was created or won, without
  those after which nothing else came. In total and by channel; an opportunity counts once for each channel.
materialized: table
owner: marketing
columns:
  period_key: {description: "Key of the period., data_tests: [not_null]"}
  grain: {description: "all, month or quarter."}
  period_start: {description: First day of the period; null for all.}
  dimension: {description: "What the segment is a member of., data_tests: [not_null]"}
  segment: {description: "Member of the dimension., data_tests: [not_null]"}
  is_complete: {description: False while the as-of date lies inside the period.}
  currency: {description: The project's currency.}
  won_with_path: {description: "Opportunities won that any touch is known of., data_tests: [not_null]"}
  assisted_won: {description: "Opportunities won that were assisted., data_tests: [not_null]"}
  created_with_path: {description: "Opportunities created that any touch is known of., data_tests: [not_null]"}
  assisted_created: {description: "Opportunities created that were assisted., data_tests: [not_null]"}
  assisted_amount: {description: "Value of those., data_tests: [not_null]"}
  missing: {description: Why journeys cannot be spoken of; null when they can.}
data_tests:
  - unique_combination: {columns: [period_key, dimension, segment]}
--- */
with last_channels as (
  select opportunity_id, milestone, max(channel) filter (where is_last) as last_channel
  from core.opportunity_paths
  group by opportunity_id, milestone
),
on_the_way as (
  select distinct paths.opportunity_id, paths.milestone, paths.milestone_date, paths.channel, paths.channel != last_channels.last_channel as is_assist
  from core.opportunity_paths as paths
  inner join last_channels on last_channels.opportunity_id = paths.opportunity_id and last_channels.milestone = paths.milestone
),
placed as (
  select opportunity_id, milestone, milestone_date, 'channel' as dimension, channel as segment, is_assist from on_the_way
  union all
  select opportunity_id, milestone, milestone_date, 'total', 'all', bool_or(is_assist) from on_the_way group by opportunity_id, milestone, milestone_date
),
summed as (
  select
    periods.period_key,
    placed.dimension,
    placed.segment,
    count(*) filter (where placed.milestone = 'won') as won_with_path,
    count(*) filter (where placed.milestone = 'won' and placed.is_assist) as assisted_won,
    count(*) filter (where placed.milestone = 'created') as created_with_path,
    count(*) filter (where placed.milestone = 'created' and placed.is_assist) as assisted_created,
    sum(opportunities.project_amount) filter (where placed.milestone = 'created' and placed.is_assist) as assisted_amount
  from core.periods
  inner join placed on placed.milestone_date between periods.range_start and periods.read_date
  inner join core.opportunities on opportunities.opportunity_id = placed.opportunity_id
  group by all
)
select
  grid.period_key,
  grid.grain,
  grid.period_start,
  grid.dimension,
  grid.segment,
  grid.is_complete,
  grid.currency,
  coalesce(summed.won_with_path, 0) as won_with_path,
  coalesce(summed.assisted_won, 0) as assisted_won,
  coalesce(summed.created_with_path, 0) as created_with_path,
  coalesce(summed.assisted_created, 0) as assisted_created,
  coalesce(summed.assisted_amount, 0)::decimal(18, 4) as assisted_amount,
  coalesce(coverage.opportunities_missing, coverage.touches_missing) as missing
from core.account_grid as grid
left join core.coverage on true
left join summed using (period_key, dimension, segment)
where grid.dimension = 'total' or (grid.dimension = 'channel' and grid.segment in (select channel from core.touches where channel != 'Unknown'))

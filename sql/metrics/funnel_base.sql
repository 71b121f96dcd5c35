/* ---
description: >
  Opportunities created in each period and segment that have had the days that core.assumptions gives, and those of
  them won within these days.
materialized: table
owner: revenue-operations
columns:
  period_key: {description: "Key of the period., data_tests: [not_null]"}
  grain: {description: "all, month or quarter."}
  period_start: {description: First day of the period; null for all.}
  dimension: {description: "What the segment is a member of., data_tests: [not_null]"}
  segment: {description: "Member of the dimension., data_tests: [not_null]"}
  is_complete: {description: False while the as-of date lies inside the period.}
  funnel_days: {description: Days that an opportunity has.}
  created: {description: "Opportunities created., data_tests: [not_null]"}
  mature: {description: "Those that have had the days., data_tests: [not_null]"}
  won_in_time: {description: "Of those, won within the days., data_tests: [not_null]"}
  missing: {description: Why opportunities cannot be spoken of; null when they can.}
data_tests:
  - unique_combination: {columns: [period_key, dimension, segment]}
--- */
with cohort as (
  select
    periods.period_key,
    opportunity_segments.dimension,
    opportunity_segments.segment,
    count(*) as created,
    count(*) filter (where as_of.as_of_date >= opportunities.created_date + assumptions.funnel_days) as mature,
    count(*) filter (
      where as_of.as_of_date >= opportunities.created_date + assumptions.funnel_days
        and opportunities.status = 'won'
        and opportunities.closed_date <= opportunities.created_date + assumptions.funnel_days
    ) as won_in_time
  from core.opportunities
  cross join core.as_of
  cross join core.assumptions
  inner join core.opportunity_segments on opportunity_segments.opportunity_id = opportunities.opportunity_id
  inner join core.periods
    on periods.grain = 'all' or opportunities.created_date between periods.range_start and periods.range_end
  group by all
)
select
  grid.period_key,
  grid.grain,
  grid.period_start,
  grid.dimension,
  grid.segment,
  grid.is_complete,
  assumptions.funnel_days,
  coalesce(cohort.created, 0) as created,
  coalesce(cohort.mature, 0) as mature,
  coalesce(cohort.won_in_time, 0) as won_in_time,
  grid.missing
from core.opportunity_grid as grid
cross join core.assumptions
left join cohort on cohort.period_key = grid.period_key and cohort.dimension = grid.dimension and cohort.segment = grid.segment

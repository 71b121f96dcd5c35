/* ---
description: >
  How far opportunities get, by the period in which they were created (all: every opportunity, also those without a
  day of creation). A stage that was skipped counts as entered. While opportunities of a cohort are open, later stages
  may still fill: the row is provisional.
materialized: table
owner: revenue-operations
columns:
  grain: {description: "all, month or quarter: the create cohort.", data_tests: [not_null]}
  period_start: {description: First day of the cohort's period; null for all.}
  dimension: {description: What the segment is a member of., data_tests: [not_null]}
  segment: {description: Member of the dimension., data_tests: [not_null]}
  pipeline: {description: Pipeline that the stages belong to., data_tests: [not_null]}
  stage: {description: Stage., data_tests: [not_null]}
  stage_order: {description: Place in the funnel., data_tests: [not_null]}
  entered: {description: Opportunities that have entered the stage., data_tests: [not_null]}
  still_here: {description: Open opportunities whose furthest stage this is., data_tests: [not_null]}
  median_days: {description: Median days spent in the stage by those that left it and whose dates are known.}
  conversion_from_previous: {description: entered / entered of the stage before; null for the first stage.}
  conversion_from_first: {description: entered / entered of the first stage.}
  status: {description: "ok, na or provisional.", data_tests: [not_null, {accepted_values: {values: [ok, na, provisional]}}]}
  reason: {description: Why it is na or provisional.}
data_tests:
  - unique_combination: {columns: [grain, period_start, dimension, segment, pipeline, stage]}
  - expression: "conversion_from_previous is null or conversion_from_previous between 0 and 1"
--- */
with stages as (
  select distinct pipeline, stage, stage_order
  from core.opportunity_stages
  where stage_order is not null
),
first_entries as (
  select
    opportunity_id,
    pipeline,
    stage,
    stage_order,
    min(entered_at) as entered_at,
    max(left_at) as left_at,
    stage_order = max(stage_order) over (partition by opportunity_id) as is_furthest
  from core.opportunity_stages
  where stage_order is not null
  group by opportunity_id, pipeline, stage, stage_order
),
cohorts as (
  select
    periods.period_key,
    opportunity_segments.dimension,
    opportunity_segments.segment,
    opportunities.pipeline,
    opportunities.opportunity_id,
    opportunities.status = 'open' as is_open
  from core.opportunities
  inner join core.opportunity_segments on opportunity_segments.opportunity_id = opportunities.opportunity_id
  inner join core.periods
    on periods.grain = 'all' or opportunities.created_date between periods.range_start and periods.range_end
),
counted as (
  select
    cohorts.period_key,
    cohorts.dimension,
    cohorts.segment,
    first_entries.pipeline,
    first_entries.stage,
    count(*) as entered,
    count(*) filter (where cohorts.is_open and first_entries.is_furthest) as still_here,
    quantile_cont(date_diff('day', first_entries.entered_at, first_entries.left_at), 0.5) as median_days
  from cohorts
  inner join first_entries on first_entries.opportunity_id = cohorts.opportunity_id
  group by all
),
sizes as (
  select period_key, dimension, segment, pipeline, count(*) as cohort_size, count(*) filter (where is_open) as still_open
  from cohorts
  group by all
),
laddered as (
  select
    sizes.period_key,
    sizes.dimension,
    sizes.segment,
    sizes.pipeline,
    sizes.cohort_size,
    sizes.still_open,
    stages.stage,
    stages.stage_order,
    coalesce(counted.entered, 0) as entered,
    coalesce(counted.still_here, 0) as still_here,
    counted.median_days,
    lag(coalesce(counted.entered, 0)) over in_order as entered_before,
    first_value(coalesce(counted.entered, 0)) over in_order as entered_first
  from sizes
  inner join stages on stages.pipeline = sizes.pipeline
  left join counted
    on counted.period_key = sizes.period_key
    and counted.dimension = sizes.dimension
    and counted.segment = sizes.segment
    and counted.pipeline = sizes.pipeline
    and counted.stage = stages.stage
  window in_order as (
    partition by sizes.period_key, sizes.dimension, sizes.segment, sizes.pipeline
    order by stages.stage_order, stages.stage
  )
)
select
  periods.grain,
  periods.period_start,
  laddered.dimension,
  laddered.segment,
  laddered.pipeline,
  laddered.stage,
  laddered.stage_order,
  laddered.entered,
  laddered.still_here,
  laddered.median_days,
  round(laddered.entered / nullif(laddered.entered_before, 0), 8)::decimal(28, 8) as conversion_from_previous,
  round(laddered.entered / nullif(laddered.entered_first, 0), 8)::decimal(28, 8) as conversion_from_first,
  case
    when laddered.entered_before = 0 then 'na'
    when laddered.still_open > 0 or not periods.is_complete then 'provisional'
    else 'ok'
  end as status,
  case
    when laddered.entered_before = 0 then 'no opportunity entered the stage before'
    when laddered.still_open > 0 then laddered.still_open || ' of ' || laddered.cohort_size || ' opportunities are still open'
    when not periods.is_complete then 'the period is not over'
  end as reason
from laddered
inner join core.periods on periods.period_key = laddered.period_key

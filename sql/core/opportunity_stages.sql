/* ---
description: >
  The stages that each opportunity has entered, in order, from the CRM's history. A pass ends when the opportunity moves
  back; the next one begins with the stage that it moves back to. Stages that were skipped on the way count as entered at
  the same instant and are marked as imputed.
materialized: table
owner: revenue-operations
columns:
  opportunity_id: {description: Opportunity., data_tests: [not_null, {relationships: {to: core.opportunities, field: opportunity_id}}]}
  pass_no: {description: "1, and one more each time the opportunity moves back.", data_tests: [not_null]}
  pipeline: {description: Pipeline., data_tests: [not_null]}
  stage: {description: Stage in the CRM's own words., data_tests: [not_null]}
  stage_order: {description: Place in the funnel; null for an exit (lost).}
  entered_at: {description: When it was entered (UTC).}
  left_at: {description: When the next stage of the pass was entered (UTC); null while it is in this stage.}
  is_imputed: {description: True when the CRM's history does not show it., data_tests: [not_null]}
data_tests:
  - unique_combination: {columns: [opportunity_id, pass_no, stage]}
--- */
with stages as (
  select
    source,
    pipeline_id,
    stage_id,
    stage_label,
    case when is_closed and not is_won then null else stage_order end as stage_order
  from staging.hubspot_pipeline_stages
),
entered as (
  select
    opportunities.opportunity_id,
    opportunities.pipeline,
    deals.source,
    deals.pipeline_id,
    stages.stage_label,
    stages.stage_order,
    history.entered_at,
    history.stage_id
  from core.opportunities
  inner join staging.hubspot_deals as deals on deals.record_key = opportunities.opportunity_id
  inner join staging.hubspot_deal_stage_history as history
    on history.source = deals.source and history.deal_id = deals.deal_id
  inner join stages
    on stages.source = deals.source and stages.pipeline_id = deals.pipeline_id and stages.stage_id = history.stage_id
),
numbered as (
  select
    *,
    sum(case when stage_order <= previous_order then 1 else 0 end) over (
      partition by opportunity_id
      order by entered_at, coalesce(stage_order, 9999), stage_id
    ) + 1 as pass_no
  from (
    select
      *,
      lag(stage_order) over (
        partition by opportunity_id
        order by entered_at, coalesce(stage_order, 9999), stage_id
      ) as previous_order
    from entered
  )
),
recorded as (
  select opportunity_id, pipeline, source, pipeline_id, pass_no, stage_label, stage_order, min(entered_at) as entered_at
  from numbered
  group by all
),
reach as (
  select opportunity_id, pipeline, source, pipeline_id, pass_no, max(stage_order) as furthest
  from recorded
  group by all
),
skipped as (
  select
    reach.opportunity_id,
    reach.pipeline,
    reach.pass_no,
    stages.stage_label,
    stages.stage_order,
    min(later.entered_at) as entered_at
  from reach
  inner join stages
    on stages.source = reach.source and stages.pipeline_id = reach.pipeline_id and stages.stage_order < reach.furthest
  inner join recorded as later
    on later.opportunity_id = reach.opportunity_id and later.pass_no = reach.pass_no and later.stage_order > stages.stage_order
  left join recorded
    on recorded.opportunity_id = reach.opportunity_id
    and recorded.pass_no = reach.pass_no
    and recorded.stage_order = stages.stage_order
  where recorded.opportunity_id is null and reach.pass_no = 1
  group by all
),
complete as (
  select opportunity_id, pass_no, pipeline, stage_label, stage_order, entered_at, false as is_imputed from recorded
  union all
  select opportunity_id, pass_no, pipeline, stage_label, stage_order, entered_at, true from skipped
)
select
  opportunity_id,
  pass_no,
  pipeline,
  stage_label as stage,
  stage_order,
  entered_at,
  lead(entered_at) over (
    partition by opportunity_id
    order by pass_no, coalesce(stage_order, 9999), entered_at, stage_label
  ) as left_at,
  is_imputed
from complete

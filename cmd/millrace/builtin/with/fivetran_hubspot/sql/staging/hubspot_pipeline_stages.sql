/* ---
description: >
  Stages of the deal pipelines in their order, from Fivetran's tables deal_pipeline_stage and deal_pipeline.
materialized: table
owner: revenue-operations
columns:
  source: {description: "Source of the project.", data_tests: [not_null]}
  pipeline_id: {description: "Pipeline.", data_tests: [not_null]}
  pipeline_label: {description: "Name of the pipeline."}
  stage_id: {description: "Stage.", data_tests: [not_null]}
  stage_label: {description: "Name of the stage."}
  stage_order: {description: "Place within the pipeline from 1.", data_tests: [not_null]}
  is_closed: {description: "Won or lost.", data_tests: [not_null]}
  is_won: {description: "Won.", data_tests: [not_null]}
  probability: {description: "0 to 1."}
data_tests:
  - unique_combination: {columns: [source, pipeline_id, stage_id]}
--- */
select
  stages._source as source,
  stages.pipeline_id,
  coalesce(pipelines.label, stages.pipeline_id) as pipeline_label,
  stages.stage_id,
  coalesce(stages.label, stages.stage_id) as stage_label,
  row_number() over (partition by stages._source, stages.pipeline_id order by stages.display_order, stages.stage_id)::integer as stage_order,
  coalesce(stages.is_closed, stages.probability = 1, false) as is_closed,
  coalesce(stages.closed_won, stages.probability = 1, false) as is_won,
  stages.probability::decimal(9, 8) as probability
from raw_fivetran_hubspot.deal_pipeline_stage as stages
left join raw_fivetran_hubspot.deal_pipeline as pipelines
  on pipelines._source = stages._source and pipelines.pipeline_id = stages.pipeline_id
where stages.pipeline_id is not null and stages.stage_id is not null and not coalesce(stages._fivetran_deleted, false)
qualify row_number() over (
  partition by stages._source, stages.pipeline_id, stages.stage_id order by stages._fivetran_synced desc nulls last, stages._row_id desc
) = 1

/* ---
description: >
  Stages of HubSpot's deal pipelines in their order.
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
  _source as source,
  pipeline_id,
  coalesce(pipeline_label, pipeline_id) as pipeline_label,
  id as stage_id,
  coalesce(label, id) as stage_label,
  row_number() over (partition by _source, pipeline_id order by display_order, id)::integer as stage_order,
  coalesce(is_closed, probability = 1, false) as is_closed,
  coalesce(probability = 1, false) as is_won,
  probability::decimal(9, 8) as probability
from raw_hubspot.deal_pipeline_stages
where not coalesce(archived, false)

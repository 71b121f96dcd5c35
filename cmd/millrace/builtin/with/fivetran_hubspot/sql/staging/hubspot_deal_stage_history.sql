/* ---
description: >
  When each deal entered each stage, from Fivetran's table deal_stage, else from its history of properties. A deal
  whose history is not known has entered its present stage when it was created.
materialized: table
owner: revenue-operations
columns:
  source: {description: "Source of the project.", data_tests: [not_null]}
  deal_id: {description: "Deal.", data_tests: [not_null]}
  stage_id: {description: "Stage.", data_tests: [not_null]}
  entered_at: {description: "When it was entered (UTC).", data_tests: [not_null]}
data_tests:
  - unique_combination: {columns: [source, deal_id, stage_id, entered_at]}
--- */
with recorded as (
  select distinct _source as source, deal_id, value as stage_id, coalesce(date_entered, _fivetran_start) as entered_at
  from raw_fivetran_hubspot.deal_stage
  where deal_id is not null and value is not null and coalesce(date_entered, _fivetran_start) is not null
),
of_properties as (
  select distinct history._source as source, history.deal_id, history.value as stage_id, history.timestamp as entered_at
  from raw_fivetran_hubspot.deal_property_history as history
  left join recorded on recorded.source = history._source and recorded.deal_id = history.deal_id
  where history.name = 'dealstage' and history.value is not null and history.timestamp is not null and recorded.deal_id is null
),
known as (
  select source, deal_id, stage_id, entered_at from recorded
  union all
  select source, deal_id, stage_id, entered_at from of_properties
)
select source, deal_id, stage_id, entered_at
from known
union all
select deals.source, deals.deal_id, deals.stage_id, coalesce(deals.created_at, timestamp '1970-01-01')
from staging.hubspot_deals as deals
left join known on known.source = deals.source and known.deal_id = deals.deal_id
where known.deal_id is null and deals.stage_id is not null

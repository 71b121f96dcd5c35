/* ---
description: >
  When each deal of HubSpot entered each stage. A deal whose history is not known has entered its present stage when
  it was created.
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
  select distinct _source as source, deal_id, value as stage_id, changed_at as entered_at
  from raw_hubspot.deal_stage_history
  where property = 'dealstage' and value is not null and changed_at is not null
)
select source, deal_id, stage_id, entered_at
from recorded
union all
select deals._source, deals.id, deals.stage_id, coalesce(deals.created_at, timestamp '1970-01-01')
from raw_hubspot.deals
left join recorded on recorded.source = deals._source and recorded.deal_id = deals.id
where recorded.deal_id is null and deals.stage_id is not null

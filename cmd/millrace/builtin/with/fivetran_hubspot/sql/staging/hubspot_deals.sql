/* ---
description: >
  Deals of HubSpot from Fivetran's table deal, one row each. One that was merged into another counts as deleted.
materialized: table
owner: revenue-operations
unique_key: [record_key]
columns:
  record_key: {description: "Key of the record: source:deal:id.", data_tests: [not_null, unique]}
  source: {description: "Source of the project.", data_tests: [not_null]}
  deal_id: {description: "Id in HubSpot.", data_tests: [not_null]}
  name: {description: "Name."}
  pipeline_id: {description: "Pipeline."}
  stage_id: {description: "Stage."}
  deal_type: {description: "newbusiness or existingbusiness."}
  amount: {description: "Value in its own currency."}
  currency: {description: "ISO 4217; null means the account's currency."}
  owner_id: {description: "Owner."}
  created_at: {description: "Creation (UTC)."}
  closed_at: {description: "Expected close of an open deal and real close of a closed one (UTC)."}
  updated_at: {description: "Last change (UTC)."}
  is_archived: {description: "Deleted in HubSpot; lists of records leave out the deleted ones, which have lists of their own.", data_tests: [not_null]}
--- */
with present_stages as (
  select _source, deal_id, value as stage_id
  from raw_fivetran_hubspot.deal_stage
  where value is not null
  qualify row_number() over (
    partition by _source, deal_id
    order by coalesce(_fivetran_active, false) desc, coalesce(date_entered, _fivetran_start) desc nulls last, _row_id desc
  ) = 1
),
merged_away as (
  select distinct _source, merged_deal_id
  from raw_fivetran_hubspot.merged_deal
)
select
  deals._source || ':deal:' || deals.deal_id as record_key,
  deals._source as source,
  deals.deal_id,
  deals.property_dealname as name,
  deals.deal_pipeline_id as pipeline_id,
  coalesce(deals.deal_pipeline_stage_id, present_stages.stage_id) as stage_id,
  lower(deals.property_dealtype) as deal_type,
  deals.property_amount as amount,
  upper(deals.property_deal_currency_code) as currency,
  deals.owner_id,
  deals.property_createdate as created_at,
  deals.property_closedate as closed_at,
  deals.property_hs_lastmodifieddate as updated_at,
  coalesce(deals.is_deleted, false) or coalesce(deals._fivetran_deleted, false) or merged_away.merged_deal_id is not null as is_archived
from raw_fivetran_hubspot.deal as deals
left join present_stages on present_stages._source = deals._source and present_stages.deal_id = deals.deal_id
left join merged_away on merged_away._source = deals._source and merged_away.merged_deal_id = deals.deal_id
where deals.deal_id is not null
qualify row_number() over (partition by deals._source, deals.deal_id order by deals._fivetran_synced desc nulls last, deals._row_id desc) = 1

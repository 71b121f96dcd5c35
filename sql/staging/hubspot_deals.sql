/* ---
description: >
  Deals of HubSpot, one row each.
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
select
  _source || ':deal:' || id as record_key,
  _source as source,
  id as deal_id,
  name,
  pipeline_id,
  stage_id,
  lower(type) as deal_type,
  amount,
  upper(currency) as currency,
  owner_id,
  created_at,
  close_date as closed_at,
  updated_at,
  coalesce(deals.archived, false) or exists (
    select 1
    from raw_hubspot.archived_deals as deleted
    where deleted._source = deals._source and deleted.id = deals.id
  ) as is_archived
from raw_hubspot.deals

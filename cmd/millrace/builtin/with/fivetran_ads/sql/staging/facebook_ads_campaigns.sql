/* ---
description: >
  Campaigns of Meta Ads from Fivetran's table campaign_history: the present version of each. Ads whose campaign is not in
  the history are kept together under their account.
materialized: table
owner: marketing
columns:
  source: {description: "Source of the project.", data_tests: [not_null]}
  platform: {description: "meta_ads.", data_tests: [not_null]}
  campaign_id: {description: "Id on the platform.", data_tests: [not_null]}
  name: {description: "Name."}
  status: {description: "Status on the platform."}
  advertising_channel: {description: "Kind of campaign on the platform."}
  daily_budget: {description: "Budget of a day in the account's currency."}
  currency: {description: "Currency of the account."}
  utm_campaign: {description: "Campaign tag that the campaign puts on its landing pages."}
data_tests:
  - unique_combination: {columns: [source, campaign_id]}
--- */
with present_campaigns as (
  select *
  from raw_fivetran_facebook_ads.campaign_history
  where id is not null
  qualify row_number() over (
    partition by _source, id
    order by coalesce(_fivetran_active, false) desc, updated_time desc nulls last, _fivetran_synced desc nulls last, _row_id desc
  ) = 1
),
present_accounts as (
  select *
  from raw_fivetran_facebook_ads.account_history
  where id is not null
  qualify row_number() over (
    partition by _source, id
    order by coalesce(_fivetran_active, false) desc, _fivetran_synced desc nulls last, _fivetran_synced desc nulls last, _row_id desc
  ) = 1
)
select
  campaigns._source as source,
  'meta_ads' as platform,
  campaigns.id as campaign_id,
  campaigns.name,
  campaigns.status,
  'META' as advertising_channel,
  (campaigns.daily_budget / 100)::decimal(18, 4) as daily_budget,
  upper(accounts.currency) as currency,
  null::varchar as utm_campaign
from present_campaigns as campaigns
left join present_accounts as accounts on accounts._source = campaigns._source and accounts.id = campaigns.account_id

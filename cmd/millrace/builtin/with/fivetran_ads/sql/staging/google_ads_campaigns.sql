/* ---
description: >
  Campaigns of Google Ads from Fivetran's table campaign_history: the present version of each.
materialized: table
owner: marketing
columns:
  source: {description: "Source of the project.", data_tests: [not_null]}
  platform: {description: "google_ads.", data_tests: [not_null]}
  campaign_id: {description: "Id in Google Ads.", data_tests: [not_null]}
  name: {description: "Name."}
  status: {description: "ENABLED, PAUSED or REMOVED."}
  advertising_channel: {description: "SEARCH, DISPLAY, VIDEO and so on."}
  daily_budget: {description: "Budget of a day in the account's currency."}
  currency: {description: "Currency of the account."}
  utm_campaign: {description: "Campaign tag that the campaign puts on its landing pages."}
data_tests:
  - unique_combination: {columns: [source, campaign_id]}
--- */
with present_campaigns as (
  select *
  from raw_fivetran_google_ads.campaign_history
  where id is not null
  qualify row_number() over (
    partition by _source, id
    order by coalesce(_fivetran_active, false) desc, updated_at desc nulls last, _fivetran_synced desc nulls last, _row_id desc
  ) = 1
),
present_accounts as (
  select *
  from raw_fivetran_google_ads.account_history
  where id is not null
  qualify row_number() over (
    partition by _source, id
    order by coalesce(_fivetran_active, false) desc, updated_at desc nulls last, _fivetran_synced desc nulls last, _row_id desc
  ) = 1
)
select
  campaigns._source as source,
  'google_ads' as platform,
  campaigns.id as campaign_id,
  campaigns.name,
  campaigns.status,
  campaigns.advertising_channel_type as advertising_channel,
  null::decimal(18, 4) as daily_budget,
  upper(accounts.currency_code) as currency,
  nullif(regexp_extract(coalesce(campaigns.final_url_suffix, campaigns.tracking_url_template), 'utm_campaign=([^&#}]*)', 1), '') as utm_campaign
from present_campaigns as campaigns
left join present_accounts as accounts on accounts._source = campaigns._source and accounts.id = campaigns.customer_id

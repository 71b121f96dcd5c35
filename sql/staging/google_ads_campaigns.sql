/* ---
description: >
  Campaigns of Google Ads, one row each.
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
select
  _source as source,
  'google_ads' as platform,
  id as campaign_id,
  name,
  status,
  channel_type as advertising_channel,
  (budget_micros / 1000000)::decimal(18, 4) as daily_budget,
  upper(currency) as currency,
  nullif(regexp_extract(coalesce(final_url_suffix, tracking_url_template), 'utm_campaign=([^&#}]*)', 1), '') as utm_campaign
from raw_google_ads.campaigns

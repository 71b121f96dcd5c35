/* ---
description: >
  What each campaign of Google Ads cost and brought on each day of the account, as Google says it now.
materialized: table
owner: marketing
columns:
  source: {description: "Source of the project.", data_tests: [not_null]}
  platform: {description: "google_ads.", data_tests: [not_null]}
  campaign_id: {description: "Campaign.", data_tests: [not_null]}
  campaign_name: {description: "Name of the campaign."}
  ad_date: {description: "Day in the time zone of the account.", data_tests: [not_null]}
  impressions: {description: "Impressions."}
  clicks: {description: "Clicks."}
  cost: {description: "Cost in the account's currency."}
  conversions: {description: "Conversions as Google attributes them."}
  conversion_value: {description: "Their value in the account's currency."}
  currency: {description: "Currency of the account."}
data_tests:
  - unique_combination: {columns: [source, campaign_id, ad_date]}
--- */
select
  _source as source,
  'google_ads' as platform,
  campaign_id,
  campaign_name,
  date as ad_date,
  impressions,
  clicks,
  (cost_micros / 1000000)::decimal(18, 4) as cost,
  conversions,
  conversions_value as conversion_value,
  upper(currency) as currency
from raw_google_ads.campaign_daily

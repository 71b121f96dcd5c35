/* ---
description: >
  Cost and results of all ad platforms per campaign and day. A further platform is one more line of this union.
materialized: table
owner: marketing
columns:
  source: {description: "Source of the project.", data_tests: [not_null]}
  platform: {description: "Advertising platform.", data_tests: [not_null]}
  campaign_id: {description: "Campaign.", data_tests: [not_null]}
  campaign_name: {description: "Name of the campaign."}
  ad_date: {description: "Day in the time zone of the account.", data_tests: [not_null]}
  impressions: {description: "Impressions."}
  clicks: {description: "Clicks."}
  cost: {description: "Cost in the account's currency."}
  conversions: {description: "Conversions as the platform attributes them."}
  conversion_value: {description: "Their value in the account's currency."}
  currency: {description: "Currency of the account."}
data_tests:
  - unique_combination: {columns: [source, campaign_id, ad_date]}
--- */
select source, platform, campaign_id, campaign_name, ad_date, impressions, clicks, cost, conversions, conversion_value, currency
from staging.google_ads_campaign_days
union all
select source, platform, campaign_id, campaign_name, ad_date, impressions, clicks, cost, conversions, conversion_value, currency
from staging.facebook_ads_campaign_days
union all
select source, platform, campaign_id, campaign_name, ad_date, impressions, clicks, cost, conversions, conversion_value, currency
from staging.linkedin_ads_campaign_days

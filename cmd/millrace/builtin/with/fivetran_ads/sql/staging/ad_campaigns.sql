/* ---
description: >
  Campaigns of all ad platforms, one row each. A further platform is one more line of this union.
materialized: table
owner: marketing
columns:
  source: {description: "Source of the project.", data_tests: [not_null]}
  platform: {description: "Advertising platform.", data_tests: [not_null]}
  campaign_id: {description: "The platform's id.", data_tests: [not_null]}
  name: {description: "Name."}
  status: {description: "Status on the platform."}
  advertising_channel: {description: "Kind of campaign on the platform."}
  daily_budget: {description: "Budget of a day in the account's currency."}
  currency: {description: "Currency of the account."}
  utm_campaign: {description: "Campaign tag."}
data_tests:
  - unique_combination: {columns: [source, campaign_id]}
--- */
select source, platform, campaign_id, name, status, advertising_channel, daily_budget, currency, utm_campaign
from staging.google_ads_campaigns
union all
select source, platform, campaign_id, name, status, advertising_channel, daily_budget, currency, utm_campaign
from staging.facebook_ads_campaigns
union all
select source, platform, campaign_id, name, status, advertising_channel, daily_budget, currency, utm_campaign
from staging.linkedin_ads_campaigns

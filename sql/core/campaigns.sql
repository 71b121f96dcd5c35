/* ---
description: Advertising campaigns, one row each.
materialized: table
owner: marketing
unique_key: [campaign_key]
columns:
  campaign_key: {description: "Key: source:campaign:id.", data_tests: [not_null, unique]}
  platform: {description: Advertising platform., data_tests: [not_null]}
  campaign_id: {description: The platform's id., data_tests: [not_null]}
  name: {description: Name on the platform.}
  status: {description: Status on the platform.}
  channel: {description: Channel of the house's vocabulary., data_tests: [not_null]}
  utm_campaign: {description: "Campaign tag that it puts on landing pages, by convention."}
  daily_budget: {description: Budget of a day in the account's currency.}
  currency: {description: Currency of the budget.}
--- */
select
  campaigns.source || ':campaign:' || campaigns.campaign_id as campaign_key,
  campaigns.platform,
  campaigns.campaign_id,
  campaigns.name,
  campaigns.status,
  coalesce(by_kind.channel, by_platform.channel, 'Other Campaigns') as channel,
  norm_utm_campaign(campaigns.utm_campaign) as utm_campaign,
  campaigns.daily_budget,
  upper(campaigns.currency) as currency
from staging.ad_campaigns as campaigns
left join seeds.channels as by_kind on by_kind.kind = 'ads_channel' and by_kind.value = upper(campaigns.advertising_channel)
left join seeds.channels as by_platform on by_platform.kind = 'platform' and by_platform.value = campaigns.platform

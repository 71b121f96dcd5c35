/* ---
description: >
  What advertising cost and brought, per campaign and day. The day is the ad account's day and is not shifted. Platforms
  restate the last weeks; each run holds what they say now.
materialized: table
owner: marketing
unique_key: [campaign_key, spend_date]
columns:
  campaign_key: {description: Campaign., data_tests: [not_null]}
  spend_date: {description: Day in the ad account's time zone., data_tests: [not_null]}
  platform: {description: Advertising platform., data_tests: [not_null]}
  channel: {description: Channel of the house's vocabulary., data_tests: [not_null]}
  campaign: {description: Name of the campaign.}
  impressions: {description: Impressions., data_tests: [not_null, {accepted_range: {min: 0}}]}
  clicks: {description: Clicks., data_tests: [not_null, {accepted_range: {min: 0}}]}
  conversions: {description: Conversions as the platform attributes them., data_tests: [not_null]}
  conversion_value: {description: Their value in the project's currency as the platform states it.}
  cost: {description: Cost in the account's currency., data_tests: [not_null]}
  currency: {description: Currency of the account.}
  project_cost: {description: Cost in the project's currency; null when there is no rate.}
data_tests:
  - unique_combination: {columns: [campaign_key, spend_date]}
--- */
with daily as (
  select
    source || ':campaign:' || campaign_id as campaign_key,
    ad_date as spend_date,
    min(platform) as platform,
    max(campaign_name) as campaign_name,
    max(upper(currency)) as currency,
    sum(impressions)::bigint as impressions,
    sum(clicks)::bigint as clicks,
    sum(conversions)::decimal(18, 4) as conversions,
    sum(conversion_value)::decimal(18, 4) as conversion_value,
    sum(cost)::decimal(18, 4) as cost
  from staging.ad_days
  group by source, campaign_id, ad_date
)
select
  daily.campaign_key,
  daily.spend_date,
  daily.platform,
  coalesce(campaigns.channel, by_platform.channel, 'Other Campaigns') as channel,
  coalesce(campaigns.name, daily.campaign_name) as campaign,
  coalesce(daily.impressions, 0) as impressions,
  coalesce(daily.clicks, 0) as clicks,
  coalesce(daily.conversions, 0) as conversions,
  round(coalesce(daily.conversion_value, 0) * fx_rates.spot_rate, 4)::decimal(18, 4) as conversion_value,
  coalesce(daily.cost, 0) as cost,
  coalesce(daily.currency, run.currency) as currency,
  round(coalesce(daily.cost, 0) * fx_rates.spot_rate, 4)::decimal(18, 4) as project_cost
from daily
cross join meta.run
left join core.campaigns on campaigns.campaign_key = daily.campaign_key
left join seeds.channels as by_platform on by_platform.kind = 'platform' and by_platform.value = daily.platform
left join core.fx_rates
  on fx_rates.currency = coalesce(daily.currency, run.currency)
  and daily.spend_date between fx_rates.from_date and fx_rates.to_date

/* ---
description: >
  What each campaign of Google Ads cost and brought on each day, from Fivetran's table campaign_stats: devices and networks
  are added up, millionths of the currency become units.
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
),
distinct_stats as (
  select *
  from raw_fivetran_google_ads.campaign_stats
  where id is not null and date is not null
  qualify row_number() over (
    partition by _source, coalesce(_fivetran_id, _row_id), id, date order by _fivetran_synced desc nulls last, _row_id desc
  ) = 1
)
select
  stats._source as source,
  'google_ads' as platform,
  stats.id as campaign_id,
  min(campaigns.name) as campaign_name,
  stats.date as ad_date,
  sum(stats.impressions)::bigint as impressions,
  sum(stats.clicks)::bigint as clicks,
  (sum(stats.cost_micros)::decimal(28, 0) / 1000000)::decimal(18, 4) as cost,
  sum(stats.conversions)::decimal(18, 4) as conversions,
  sum(stats.conversions_value)::decimal(18, 4) as conversion_value,
  upper(min(accounts.currency_code)) as currency
from distinct_stats as stats
left join present_campaigns as campaigns on campaigns._source = stats._source and campaigns.id = stats.id
left join present_accounts as accounts on accounts._source = stats._source and accounts.id = coalesce(stats.customer_id, campaigns.customer_id)
group by stats._source, stats.id, stats.date

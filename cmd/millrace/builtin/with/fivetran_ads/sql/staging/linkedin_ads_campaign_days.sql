/* ---
description: >
  What each campaign of LinkedIn Ads cost and brought on each day, from Fivetran's table ad_analytics_by_campaign, in the
  currency of the account.
materialized: table
owner: marketing
columns:
  source: {description: "Source of the project.", data_tests: [not_null]}
  platform: {description: "linkedin_ads.", data_tests: [not_null]}
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
with present_campaigns as (
  select *
  from raw_fivetran_linkedin_ads.campaign_history
  where id is not null
  qualify row_number() over (
    partition by _source, id
    order by coalesce(_fivetran_active, false) desc, last_modified_time desc nulls last, _fivetran_synced desc nulls last, _row_id desc
  ) = 1
),
present_accounts as (
  select *
  from raw_fivetran_linkedin_ads.account_history
  where id is not null
  qualify row_number() over (
    partition by _source, id
    order by coalesce(_fivetran_active, false) desc, last_modified_time desc nulls last, _fivetran_synced desc nulls last, _row_id desc
  ) = 1
),
distinct_days as (
  select *
  from raw_fivetran_linkedin_ads.ad_analytics_by_campaign
  where campaign_id is not null and day is not null
  qualify row_number() over (partition by _source, campaign_id, day order by _fivetran_synced desc nulls last, _row_id desc) = 1
)
select
  days._source as source,
  'linkedin_ads' as platform,
  days.campaign_id,
  min(campaigns.name) as campaign_name,
  days.day::date as ad_date,
  sum(days.impressions)::bigint as impressions,
  sum(days.clicks)::bigint as clicks,
  sum(days.cost_in_local_currency)::decimal(18, 4) as cost,
  sum(coalesce(days.external_website_conversions, 0) + coalesce(days.one_click_leads, 0))::decimal(18, 4) as conversions,
  sum(days.conversion_value_in_local_currency)::decimal(18, 4) as conversion_value,
  upper(min(accounts.currency)) as currency
from distinct_days as days
left join present_campaigns as campaigns on campaigns._source = days._source and campaigns.id = days.campaign_id
left join present_accounts as accounts on accounts._source = campaigns._source and accounts.id = campaigns.account_id
group by days._source, days.campaign_id, days.day::date

/* ---
description: >
  What each campaign of Meta Ads cost and brought on each day, from Fivetran's table basic_ad, added up over ads. Clicks are
  clicks on links; an ad that ad_history does not know stands under its account, so that no cost is lost.
materialized: table
owner: marketing
columns:
  source: {description: "Source of the project.", data_tests: [not_null]}
  platform: {description: "meta_ads.", data_tests: [not_null]}
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
with present_ads as (
  select *
  from raw_fivetran_facebook_ads.ad_history
  where id is not null
  qualify row_number() over (
    partition by _source, id
    order by coalesce(_fivetran_active, false) desc, updated_time desc nulls last, _fivetran_synced desc nulls last, _row_id desc
  ) = 1
),
present_campaigns as (
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
),
actions as (
  select _source, ad_id, date, sum(value) as conversions
  from raw_fivetran_facebook_ads.basic_ad_actions
  where action_type in ('lead', 'purchase')
  group by _source, ad_id, date
),
action_values as (
  select _source, ad_id, date, sum(value) as conversion_value
  from raw_fivetran_facebook_ads.basic_ad_action_values
  where action_type in ('lead', 'purchase')
  group by _source, ad_id, date
),
distinct_days as (
  select *
  from raw_fivetran_facebook_ads.basic_ad
  where ad_id is not null and date is not null
  qualify row_number() over (partition by _source, ad_id, date order by _fivetran_synced desc nulls last, _row_id desc) = 1
),
placed as (
  select
    days.*,
    coalesce(ads.campaign_id, 'account ' || days.account_id, '(unknown)') as campaign_id,
    actions.conversions,
    action_values.conversion_value
  from distinct_days as days
  left join present_ads as ads on ads._source = days._source and ads.id = days.ad_id
  left join actions on actions._source = days._source and actions.ad_id = days.ad_id and actions.date = days.date
  left join action_values on action_values._source = days._source and action_values.ad_id = days.ad_id and action_values.date = days.date
)
select
  placed._source as source,
  'meta_ads' as platform,
  placed.campaign_id,
  min(campaigns.name) as campaign_name,
  placed.date as ad_date,
  sum(placed.impressions)::bigint as impressions,
  sum(placed.inline_link_clicks)::bigint as clicks,
  sum(placed.spend)::decimal(18, 4) as cost,
  sum(placed.conversions)::decimal(18, 4) as conversions,
  sum(placed.conversion_value)::decimal(18, 4) as conversion_value,
  upper(min(accounts.currency)) as currency
from placed
left join present_campaigns as campaigns on campaigns._source = placed._source and campaigns.id = placed.campaign_id
left join present_accounts as accounts on accounts._source = placed._source and accounts.id = placed.account_id
group by placed._source, placed.campaign_id, placed.date

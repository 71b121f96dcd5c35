/* ---
description: >
  What acquisition cost and brought for each period and segment. Media, clicks and platform conversions are known in total
  and by channel only; agency fees too, shared among channels by their media spend; other costs in total only. A lead is a person, counted once, on the day and for the channel of the
  first contact; a new customer counts for the channel of the account. What stands against costs counts only from the first
  day on which such costs are known: earlier customers cost something too, but nobody knows what.
materialized: table
owner: marketing
columns:
  period_key: {description: Key of the period., data_tests: [not_null]}
  grain: {description: "all, month or quarter."}
  period_start: {description: First day of the period; null for all.}
  range_start: {description: First day that counts.}
  read_date: {description: Last day that counts.}
  dimension: {description: What the segment is a member of., data_tests: [not_null]}
  segment: {description: Member of the dimension., data_tests: [not_null]}
  is_complete: {description: False while the as-of date lies inside the period.}
  is_restating: {description: True while ad platforms still change what they report for the period., data_tests: [not_null]}
  currency: {description: The project's currency.}
  has_media: {description: "True where media is known: in total and by channel.", data_tests: [not_null]}
  impressions: {description: Impressions., data_tests: [not_null]}
  clicks: {description: Clicks., data_tests: [not_null]}
  conversions: {description: Conversions as the platforms attribute them., data_tests: [not_null]}
  conversion_value: {description: Their value as the platforms state it., data_tests: [not_null]}
  media_cost: {description: Media spend., data_tests: [not_null]}
  agency_cost: {description: Agency fees; a channel has the part that core.agency_costs gives it., data_tests: [not_null]}
  other_cost: {description: All other sales and marketing costs; in total only., data_tests: [not_null]}
  leads: {description: People who became leads., data_tests: [not_null]}
  paid_leads: {description: "Those of them whose channel is paid and has a known spend, from the first day of media on.", data_tests: [not_null]}
  converted_leads: {description: Those leads whose account or person had an opportunity within the days that core.assumptions gives., data_tests: [not_null]}
  open_leads: {description: Leads that have neither converted nor run out of those days., data_tests: [not_null]}
  new_customers: {description: Accounts that had recurring revenue for the first time., data_tests: [not_null]}
  costed_new_customers: {description: "Those of them from the first day on which costs are known.", data_tests: [not_null]}
  costed_new_mrr: {description: Recurring revenue that those began with., data_tests: [not_null]}
  uncosted_new_customers: {description: "New customers before that day, whom cost figures leave out.", data_tests: [not_null]}
  paid_new_customers: {description: "New customers whose channel is paid and has a known spend, from the first day of media on.", data_tests: [not_null]}
  unpriced_new_customers: {description: Those of them whose channel is paid and whose spend nobody has connected; paid figures leave them out., data_tests: [not_null]}
  paid_won_amount: {description: "Value of new-business opportunities won, from the first day of media on, of accounts whose channel is paid and has a known spend.", data_tests: [not_null]}
  media_missing: {description: Why media cannot be stated; null when it can.}
  costs_missing: {description: Why costs of acquisition cannot be stated; null when they can.}
  leads_missing: {description: Why leads cannot be stated; null when they can.}
  customers_missing: {description: Why customers cannot be stated; null when they can.}
data_tests:
  - unique_combination: {columns: [period_key, dimension, segment]}
--- */
with priced_channels as (
  select distinct channel from core.spend
),
media as (
  select periods.period_key, 'total' as dimension, 'all' as segment,
    sum(spend.impressions)::bigint as impressions, sum(spend.clicks)::bigint as clicks, sum(spend.conversions) as conversions,
    sum(spend.conversion_value) as conversion_value, sum(spend.project_cost) as cost
  from core.periods
  inner join core.spend on spend.spend_date between periods.range_start and periods.read_date
  group by periods.period_key
  union all
  select periods.period_key, 'channel', spend.channel,
    sum(spend.impressions)::bigint, sum(spend.clicks)::bigint, sum(spend.conversions),
    sum(spend.conversion_value), sum(spend.project_cost)
  from core.periods
  inner join core.spend on spend.spend_date between periods.range_start and periods.read_date
  group by periods.period_key, spend.channel
),
costs as (
  select
    periods.period_key,
    'total' as dimension,
    'all' as segment,
    sum(costs.project_cost) filter (where costs.category = 'agency') as agency_cost,
    sum(costs.project_cost) filter (where costs.category != 'agency') as other_cost
  from core.periods
  inner join core.sales_marketing_costs as costs on costs.cost_date between periods.range_start and periods.read_date
  group by periods.period_key
  union all
  select periods.period_key, 'channel', agency_costs.channel, sum(agency_costs.project_cost), null
  from core.periods
  inner join core.agency_costs on agency_costs.cost_date between periods.range_start and periods.read_date
  group by periods.period_key, agency_costs.channel
),
related_opportunities as (
  select people.person_id, people.lead_date, opportunities.created_date
  from core.people
  inner join core.opportunities on opportunities.person_id = people.person_id
  union all
  select people.person_id, people.lead_date, opportunities.created_date
  from core.people
  inner join core.opportunities on opportunities.account_id = people.account_id
),
first_opportunities as (
  select person_id, min(created_date) as opportunity_date
  from related_opportunities
  where created_date >= lead_date
  group by person_id
),
lead_people as (
  select
    people.person_id,
    people.lead_date,
    people.is_paid_channel and priced_channels.channel is not null as is_priced_channel,
    coalesce(first_opportunities.opportunity_date <= people.lead_date + assumptions.lead_conversion_days, false) as is_converted,
    as_of.as_of_date <= people.lead_date + assumptions.lead_conversion_days as is_young,
    people.channel,
    coalesce(accounts.region, '(unknown)') as region,
    coalesce(accounts.size_segment, '(unknown)') as size_segment,
    coalesce(accounts.industry, '(unknown)') as industry,
    coalesce(owners.name, '(unknown)') as owner
  from core.people
  cross join core.assumptions
  cross join core.as_of
  left join core.accounts on accounts.account_id = people.account_id
  left join core.owners on owners.owner_id = people.owner_id
  left join first_opportunities on first_opportunities.person_id = people.person_id
  left join priced_channels on priced_channels.channel = people.channel
  where not people.is_mailbox and people.crm_contact_id is not null
),
lead_segments as (
  select *, 'total' as dimension, 'all' as segment from lead_people
  union all
  select *, 'channel', channel from lead_people
  union all
  select *, 'region', region from lead_people
  union all
  select *, 'segment', size_segment from lead_people
  union all
  select *, 'industry', industry from lead_people
  union all
  select *, 'owner', owner from lead_people
),
leads as (
  select
    periods.period_key,
    lead_segments.dimension,
    lead_segments.segment,
    count(*) as leads,
    count(*) filter (where lead_segments.is_priced_channel and coalesce(lead_segments.lead_date >= coverage.media_from, true)) as paid_leads,
    count(*) filter (where lead_segments.is_converted) as converted_leads,
    count(*) filter (where not lead_segments.is_converted and lead_segments.is_young) as open_leads
  from core.periods
  inner join lead_segments on lead_segments.lead_date between periods.range_start and periods.read_date
  left join core.coverage on true
  group by all
),
customers as (
  select
    periods.period_key,
    account_segments.dimension,
    account_segments.segment,
    count(*) as new_customers,
    count(*) filter (where coalesce(account_mrr.from_date >= coverage.costs_from, true)) as costed_new_customers,
    sum(account_mrr.amount) filter (where coalesce(account_mrr.from_date >= coverage.costs_from, true)) as costed_new_mrr,
    count(*) filter (where account_mrr.from_date < coverage.costs_from) as uncosted_new_customers,
    count(*) filter (
      where accounts.is_paid_channel and priced_channels.channel is not null and coalesce(account_mrr.from_date >= coverage.media_from, true)
    ) as paid_new_customers,
    count(*) filter (where accounts.is_paid_channel and priced_channels.channel is null) as unpriced_new_customers
  from core.periods
  inner join core.account_mrr
    on account_mrr.movement = 'new' and account_mrr.from_date between periods.range_start and periods.read_date
  inner join core.accounts on accounts.account_id = account_mrr.account_id
  inner join core.account_segments on account_segments.account_id = account_mrr.account_id
  left join core.coverage on true
  left join priced_channels on priced_channels.channel = accounts.channel
  group by all
),
won as (
  select periods.period_key, account_segments.dimension, account_segments.segment, sum(opportunities.project_amount) as amount
  from core.periods
  inner join core.opportunities
    on opportunities.status = 'won' and opportunities.closed_date between periods.range_start and periods.read_date
  inner join core.accounts on accounts.account_id = opportunities.account_id
  inner join priced_channels on priced_channels.channel = accounts.channel
  inner join core.account_segments on account_segments.account_id = opportunities.account_id
  left join core.coverage on true
  where opportunities.is_new_business and accounts.is_paid_channel and coalesce(opportunities.closed_date >= coverage.media_from, true)
  group by all
)
select
  grid.period_key,
  grid.grain,
  grid.period_start,
  grid.range_start,
  grid.read_date,
  grid.dimension,
  grid.segment,
  grid.is_complete,
  as_of.as_of_date <= grid.range_end + restatement_lag.lag_days as is_restating,
  grid.currency,
  grid.dimension in ('total', 'channel') as has_media,
  coalesce(media.impressions, 0) as impressions,
  coalesce(media.clicks, 0) as clicks,
  coalesce(media.conversions, 0)::decimal(18, 4) as conversions,
  coalesce(media.conversion_value, 0)::decimal(18, 4) as conversion_value,
  coalesce(media.cost, 0)::decimal(18, 4) as media_cost,
  coalesce(costs.agency_cost, 0)::decimal(18, 4) as agency_cost,
  coalesce(costs.other_cost, 0)::decimal(18, 4) as other_cost,
  coalesce(leads.leads, 0) as leads,
  coalesce(leads.paid_leads, 0) as paid_leads,
  coalesce(leads.converted_leads, 0) as converted_leads,
  coalesce(leads.open_leads, 0) as open_leads,
  coalesce(customers.new_customers, 0) as new_customers,
  coalesce(customers.costed_new_customers, 0) as costed_new_customers,
  coalesce(customers.costed_new_mrr, 0)::decimal(18, 4) as costed_new_mrr,
  coalesce(customers.uncosted_new_customers, 0) as uncosted_new_customers,
  coalesce(customers.paid_new_customers, 0) as paid_new_customers,
  coalesce(customers.unpriced_new_customers, 0) as unpriced_new_customers,
  coalesce(won.amount, 0)::decimal(18, 4) as paid_won_amount,
  case
    when coverage.media_missing is not null then coverage.media_missing
    when grid.read_date < coverage.media_from then 'no media spend is known before ' || coverage.media_from
  end as media_missing,
  case
    when coverage.costs_missing is not null then coverage.costs_missing
    when grid.read_date < coverage.costs_from then 'no sales and marketing costs are known before ' || coverage.costs_from
  end as costs_missing,
  coverage.people_missing as leads_missing,
  coverage.billing_missing as customers_missing
from core.account_grid as grid
cross join core.as_of
cross join core.restatement_lag
left join core.coverage on true
left join media using (period_key, dimension, segment)
left join costs using (period_key, dimension, segment)
left join leads using (period_key, dimension, segment)
left join customers using (period_key, dimension, segment)
left join won using (period_key, dimension, segment)

/* ---
description: >
  Marketing- and sales-qualified leads of each period and segment: first entries, those who came back, and of the
  marketing-qualified ones whom sales accepted in time.
materialized: table
owner: revenue-operations
columns:
  period_key: {description: "Key of the period., data_tests: [not_null]"}
  grain: {description: "all, month or quarter."}
  period_start: {description: First day of the period; null for all.}
  dimension: {description: "What the segment is a member of., data_tests: [not_null]"}
  segment: {description: "Member of the dimension., data_tests: [not_null]"}
  is_complete: {description: False while the as-of date lies inside the period.}
  currency: {description: The project's currency.}
  is_restating: {description: True while ad platforms still change what they report for the period.}
  conversion_days: {description: Days that sales has to accept a lead.}
  mqls: {description: "People who became marketing-qualified., data_tests: [not_null]"}
  mqls_again: {description: "Times that one became it again., data_tests: [not_null]"}
  mqls_mature: {description: "Of the first ones, those who have had the days., data_tests: [not_null]"}
  mqls_accepted: {description: "Of those, those whom sales accepted in time., data_tests: [not_null]"}
  paid_mqls: {description: "Of the first ones, those from paid channels with a known spend., data_tests: [not_null]"}
  sqls: {description: "People whom sales accepted., data_tests: [not_null]"}
  sqls_again: {description: "Times that one was accepted again., data_tests: [not_null]"}
  paid_sqls: {description: "Of the first ones, those from paid channels with a known spend., data_tests: [not_null]"}
  paid_cost: {description: "Media spend and agency fees., data_tests: [not_null]"}
  missing: {description: Why leads cannot be spoken of; null when they can.}
  media_missing: {description: Why media cannot be stated; null when it can.}
data_tests:
  - unique_combination: {columns: [period_key, dimension, segment]}
--- */
with priced_channels as (
  select distinct channel from core.spend
),
accepted as (
  select person_id, min(entered_date) as accepted_date
  from core.lead_stages
  where stage = 'sql' and pass_no = 1
  group by person_id
),
entries as (
  select
    lead_stages.person_id,
    lead_stages.stage,
    lead_stages.pass_no,
    lead_stages.entered_date,
    people.is_paid_channel and priced_channels.channel is not null as is_priced_channel,
    as_of.as_of_date >= lead_stages.entered_date + assumptions.lead_conversion_days as is_mature,
    coalesce(
      accepted.accepted_date between lead_stages.entered_date and lead_stages.entered_date + assumptions.lead_conversion_days, false
    ) as is_accepted,
    people.channel,
    coalesce(accounts.region, '(unknown)') as region,
    coalesce(accounts.size_segment, '(unknown)') as size_segment,
    coalesce(accounts.industry, '(unknown)') as industry,
    coalesce(owners.name, '(unknown)') as owner
  from core.lead_stages
  inner join core.people on people.person_id = lead_stages.person_id
  cross join core.as_of
  cross join core.assumptions
  left join accepted on accepted.person_id = lead_stages.person_id
  left join core.accounts on accounts.account_id = people.account_id
  left join core.owners on owners.owner_id = people.owner_id
  left join priced_channels on priced_channels.channel = people.channel
),
placed as (
  select *, 'total' as dimension, 'all' as segment from entries
  union all
  select *, 'channel', channel from entries
  union all
  select *, 'region', region from entries
  union all
  select *, 'segment', size_segment from entries
  union all
  select *, 'industry', industry from entries
  union all
  select *, 'owner', owner from entries
),
counted as (
  select
    periods.period_key,
    placed.dimension,
    placed.segment,
    count(*) filter (where placed.stage = 'mql' and placed.pass_no = 1) as mqls,
    count(*) filter (where placed.stage = 'mql' and placed.pass_no > 1) as mqls_again,
    count(*) filter (where placed.stage = 'mql' and placed.pass_no = 1 and placed.is_mature) as mqls_mature,
    count(*) filter (where placed.stage = 'mql' and placed.pass_no = 1 and placed.is_mature and placed.is_accepted) as mqls_accepted,
    count(*) filter (where placed.stage = 'mql' and placed.pass_no = 1 and placed.is_priced_channel) as paid_mqls,
    count(*) filter (where placed.stage = 'sql' and placed.pass_no = 1) as sqls,
    count(*) filter (where placed.stage = 'sql' and placed.pass_no > 1) as sqls_again,
    count(*) filter (where placed.stage = 'sql' and placed.pass_no = 1 and placed.is_priced_channel) as paid_sqls
  from core.periods
  inner join placed on placed.entered_date between periods.range_start and periods.read_date
  group by all
)
select
  base.period_key,
  base.grain,
  base.period_start,
  base.dimension,
  base.segment,
  base.is_complete,
  base.currency,
  base.is_restating,
  assumptions.lead_conversion_days as conversion_days,
  coalesce(counted.mqls, 0) as mqls,
  coalesce(counted.mqls_again, 0) as mqls_again,
  coalesce(counted.mqls_mature, 0) as mqls_mature,
  coalesce(counted.mqls_accepted, 0) as mqls_accepted,
  coalesce(counted.paid_mqls, 0) as paid_mqls,
  coalesce(counted.sqls, 0) as sqls,
  coalesce(counted.sqls_again, 0) as sqls_again,
  coalesce(counted.paid_sqls, 0) as paid_sqls,
  (base.media_cost + base.agency_cost)::decimal(18, 4) as paid_cost,
  base.leads_missing as missing,
  base.media_missing
from metrics.acquisition as base
cross join core.assumptions
left join counted using (period_key, dimension, segment)

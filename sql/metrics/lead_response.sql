/* ---
description: >
  How long leads of each period and segment waited until sales spoke to them.
materialized: table
owner: revenue-operations
columns:
  period_key: {description: "Key of the period., data_tests: [not_null]"}
  grain: {description: "all, month or quarter."}
  period_start: {description: First day of the period; null for all.}
  dimension: {description: "What the segment is a member of., data_tests: [not_null]"}
  segment: {description: "Member of the dimension., data_tests: [not_null]"}
  is_complete: {description: False while the as-of date lies inside the period.}
  leads: {description: "People who became leads., data_tests: [not_null]"}
  answered: {description: "Those whom sales has spoken to., data_tests: [not_null]"}
  median_hours: {description: Median hours that they waited.}
  is_settled: {description: False while sales may still speak to leads of the period within lead_conversion_days., data_tests: [not_null]}
  missing: {description: Why leads cannot be spoken of; null when they can.}
data_tests:
  - unique_combination: {columns: [period_key, dimension, segment]}
--- */
with arrivals as (
  select membership.person_id, min(records.created_at) as lead_at
  from identity.person_membership as membership
  inner join identity.person_records as records on records.record_key = membership.record_key
  where records.object in ('form_submission', 'contact')
  group by membership.person_id
),
waits as (
  select
    people.person_id,
    people.lead_date,
    case when people.first_engaged_at >= arrivals.lead_at then date_diff('second', arrivals.lead_at, people.first_engaged_at) / 3600 end as hours,
    people.channel,
    coalesce(accounts.region, '(unknown)') as region,
    coalesce(accounts.size_segment, '(unknown)') as size_segment,
    coalesce(accounts.industry, '(unknown)') as industry,
    coalesce(owners.name, '(unknown)') as owner
  from core.people
  inner join arrivals on arrivals.person_id = people.person_id
  left join core.accounts on accounts.account_id = people.account_id
  left join core.owners on owners.owner_id = people.owner_id
  where not people.is_mailbox and people.crm_contact_id is not null
),
placed as (
  select *, 'total' as dimension, 'all' as segment from waits
  union all
  select *, 'channel', channel from waits
  union all
  select *, 'region', region from waits
  union all
  select *, 'segment', size_segment from waits
  union all
  select *, 'industry', industry from waits
  union all
  select *, 'owner', owner from waits
),
summed as (
  select
    periods.period_key,
    placed.dimension,
    placed.segment,
    count(*) as leads,
    count(placed.hours) as answered,
    quantile_cont(placed.hours, 0.5) as median_hours
  from core.periods
  inner join placed on placed.lead_date between periods.range_start and periods.read_date
  group by all
)
select
  grid.period_key,
  grid.grain,
  grid.period_start,
  grid.dimension,
  grid.segment,
  grid.is_complete,
  coalesce(summed.leads, 0) as leads,
  coalesce(summed.answered, 0) as answered,
  summed.median_hours::decimal(28, 8) as median_hours,
  coalesce(summed.answered = summed.leads, false) or as_of.as_of_date > grid.range_end + assumptions.lead_conversion_days as is_settled,
  coverage.people_missing as missing
from core.account_grid as grid
cross join core.as_of
cross join core.assumptions
left join core.coverage on true
left join summed using (period_key, dimension, segment)

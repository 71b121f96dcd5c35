/* ---
description: >
  How long each stream has been silent, beside the longest silence that was usual for it in the ninety days before its last
  record: a shop sells every day, a small company wins a deal a month.
materialized: table
owner: revenue-operations
columns:
  relation: {description: Relation., data_tests: [not_null]}
  source: {description: Source of the project., data_tests: [not_null]}
  last_date: {description: Day of the last record; days after the run's do not count.}
  silent_days: {description: Days from then to the day of the run.}
  usual_days: {description: Longest silence that was usual.}
  beyond_usual: {description: "Days of silence beyond the usual, at least zero."}
  records: {description: Records with a date., data_tests: [not_null]}
data_tests:
  - unique_combination: {columns: [relation, source]}
--- */
with dated as (
  select 'staging.hubspot_contacts' as relation, source, created_at::date as day from staging.hubspot_contacts
  union all
  select 'staging.hubspot_deals', source, greatest(created_at, updated_at)::date from staging.hubspot_deals
  union all
  select 'staging.hubspot_form_submissions', source, submitted_at::date from staging.hubspot_form_submissions
  union all
  select 'staging.ad_days', source, ad_date from staging.ad_days
  union all
  select 'staging.ga4_traffic', source, traffic_date from staging.ga4_traffic
  union all
  select 'staging.stripe_invoices', source, created_at::date from staging.stripe_invoices
  union all
  select relation, source, event_date from staging.event_deliveries
  union all
  select 'staging.product_usage', source, usage_date from staging.product_usage
  where source not in (select source from staging.event_deliveries)
),
days as (
  select dated.relation, dated.source, dated.day, count(*) as records
  from dated
  cross join core.as_of
  where dated.day <= as_of.as_of_date
  group by dated.relation, dated.source, dated.day
),
gaps as (
  select
    *,
    max(day) over (partition by relation, source) as last_date,
    day - lag(day) over (partition by relation, source order by day) as gap
  from days
)
select
  gaps.relation,
  gaps.source,
  gaps.last_date,
  as_of.as_of_date - gaps.last_date as silent_days,
  coalesce(max(gaps.gap) filter (where gaps.day > gaps.last_date - 90), 0)::bigint as usual_days,
  greatest(as_of.as_of_date - gaps.last_date - coalesce(max(gaps.gap) filter (where gaps.day > gaps.last_date - 90), 0), 0)::bigint as beyond_usual,
  sum(gaps.records)::bigint as records
from gaps
cross join core.as_of
group by gaps.relation, gaps.source, gaps.last_date, as_of.as_of_date

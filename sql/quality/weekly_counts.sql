/* ---
description: >
  Records of each stream per whole week, by source and kind of event: an average over forms or platforms would hide that one
  of them broke. Weeks without any record between the first and the last one count as zero.
materialized: table
owner: revenue-operations
columns:
  stream: {description: "Kind, source and kind of event, as people read it.", data_tests: [not_null]}
  kind: {description: What is counted., data_tests: [not_null]}
  source: {description: Source of the project., data_tests: [not_null]}
  event_type: {description: "Form, platform or event; null for the whole source."}
  relation: {description: Relation that the records are in., data_tests: [not_null]}
  week_start: {description: Monday of the week., data_tests: [not_null]}
  volume: {description: Records of the week., data_tests: [not_null]}
data_tests:
  - unique_combination: {columns: [stream, week_start]}
--- */
with occurrences as (
  select 'leads' as kind, source, null::varchar as event_type, 'staging.hubspot_contacts' as relation, created_at::date as event_date, 1 as amount
  from staging.hubspot_contacts
  where not is_archived
  union all
  select 'forms', source, null, 'staging.hubspot_form_submissions', submitted_at::date, 1
  from staging.hubspot_form_submissions
  union all
  select 'forms', source, form_name, 'staging.hubspot_form_submissions', submitted_at::date, 1
  from staging.hubspot_form_submissions
  where form_name is not null
  union all
  select 'opportunities', source, null, 'staging.hubspot_deals', created_at::date, 1
  from staging.hubspot_deals
  where not is_archived
  union all
  select 'invoices', source, null, 'staging.stripe_invoices', created_at::date, 1
  from staging.stripe_invoices
  union all
  select 'ad clicks', source, platform, 'staging.ad_days', ad_date, clicks
  from staging.ad_days
  union all
  select 'ad impressions', source, platform, 'staging.ad_days', ad_date, impressions
  from staging.ad_days
  union all
  select 'ad spend', source, platform, 'staging.ad_days', ad_date, round(cost, 0)::bigint
  from staging.ad_days
  union all
  select 'sessions', source, null, 'staging.ga4_traffic', traffic_date, sessions
  from staging.ga4_traffic
  union all
  select 'sessions', source, session_medium, 'staging.ga4_traffic', traffic_date, sessions
  from staging.ga4_traffic
  where session_medium is not null
  union all
  select 'events', source, event_type, relation, event_date, events
  from staging.event_deliveries
  union all
  select 'product use', source, null, 'staging.product_usage', usage_date, events
  from staging.product_usage
),
bounds as (
  select
    occurrences.kind,
    occurrences.source,
    occurrences.event_type,
    occurrences.relation,
    date_trunc('week', min(occurrences.event_date)) as first_week,
    least(date_trunc('week', max(as_of.as_of_date)) - interval 1 week, date_trunc('week', max(sources.last_date))) as last_week
  from occurrences
  cross join core.as_of
  inner join (select kind, source, max(event_date) as last_date from occurrences group by kind, source) as sources
    on sources.kind = occurrences.kind and sources.source = occurrences.source
  where occurrences.event_date <= as_of.as_of_date
  group by occurrences.kind, occurrences.source, occurrences.event_type, occurrences.relation
),
calendar as (
  select kind, source, event_type, relation, unnest(generate_series(first_week, last_week, interval 1 week))::date as week_start
  from bounds
),
counted as (
  select kind, source, event_type, date_trunc('week', event_date)::date as week_start, sum(amount)::bigint as volume
  from occurrences
  group by all
)
select
  calendar.kind || ' ' || calendar.source || coalesce(': ' || calendar.event_type, '') as stream,
  calendar.kind,
  calendar.source,
  calendar.event_type,
  calendar.relation,
  calendar.week_start,
  coalesce(counted.volume, 0) as volume
from calendar
left join counted
  on counted.kind = calendar.kind
  and counted.source = calendar.source
  and counted.event_type is not distinct from calendar.event_type
  and counted.week_start = calendar.week_start

/* ---
description: >
  Volume of each stream per whole week beside what the eight weeks before lead to expect: their median, and an interval of
  99 % from their median absolute deviation, never narrower than that of a count. A week is unexplained when it lies more than 10 % off and
  outside the interval; a plain change of 10 % from week to week would cry wolf in every second noisy week.
materialized: table
owner: revenue-operations
columns:
  stream: {description: What is counted., data_tests: [not_null]}
  week_start: {description: Monday of the week., data_tests: [not_null]}
  volume: {description: Records of the week., data_tests: [not_null]}
  weeks_before: {description: Weeks that the expectation rests on., data_tests: [not_null]}
  expected: {description: Median of the eight weeks before; null with fewer than four.}
  deviation: {description: abs(volume - expected) / expected.}
  tolerance: {description: Half width of the interval.}
  is_unexplained: {description: More than 10 % off and outside the interval., data_tests: [not_null]}
data_tests:
  - unique_combination: {columns: [stream, week_start]}
--- */
with events as (
  select 'leads' as stream, lead_date as event_date, 1 as amount from core.people where crm_contact_id is not null
  union all
  select 'forms', touch_date, 1 from core.touches where kind = 'form'
  union all
  select 'opportunities', created_date, 1 from core.opportunities
  union all
  select 'invoices', invoice_date, 1 from core.invoices
  union all
  select 'ad clicks', spend_date, clicks from core.spend
  union all
  select 'sessions', traffic_date, sessions from core.web_traffic
  union all
  select 'product events', usage_date, events from core.usage
),
bounds as (
  select
    events.stream,
    date_trunc('week', min(events.event_date)) as first_week,
    least(date_trunc('week', max(as_of.as_of_date)) - interval 1 week, date_trunc('week', max(events.event_date))) as last_week
  from events
  cross join core.as_of
  where events.event_date <= as_of.as_of_date
  group by events.stream
),
calendar as (
  select stream, unnest(generate_series(first_week, last_week, interval 1 week))::date as week_start
  from bounds
),
counted as (
  select stream, date_trunc('week', event_date)::date as week_start, sum(amount)::bigint as volume
  from events
  group by all
),
weekly as (
  select calendar.stream, calendar.week_start, coalesce(counted.volume, 0) as volume
  from calendar
  left join counted on counted.stream = calendar.stream and counted.week_start = calendar.week_start
),
expected as (
  select
    stream,
    week_start,
    volume,
    count(*) over before_it as weeks_before,
    median(volume) over before_it as expected,
    mad(volume) over before_it as spread
  from weekly
  window before_it as (partition by stream order by week_start rows between 8 preceding and 1 preceding)
),
judged as (
  select
    stream,
    week_start,
    volume,
    weeks_before,
    case when weeks_before >= 4 then expected end as expected,
    2.576 * greatest(1.4826 * spread, sqrt(greatest(expected, 1))) as tolerance
  from expected
)
select
  stream,
  week_start,
  volume,
  weeks_before,
  round(expected, 4)::decimal(18, 4) as expected,
  round(abs(volume - expected) / nullif(expected, 0), 8)::decimal(28, 8) as deviation,
  case when expected is not null then round(tolerance, 4) end::decimal(18, 4) as tolerance,
  coalesce(abs(volume - expected) > 0.10 * expected and abs(volume - expected) > tolerance, false) as is_unexplained
from judged

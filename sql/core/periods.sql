/* ---
description: >
  The periods that KPIs are stated for: everything (all), each month and each quarter from the first business event to
  the as-of date, and at most five years back; the first quarter counts from the first month on, so that months make it
  up. Days are business days of the project's time zone.
materialized: table
unique_key: [period_key]
owner: revenue-operations
columns:
  period_key: {description: "Key of the period, such as month:2025-03-01; all for everything.", data_tests: [not_null, unique]}
  grain: {description: "all, month or quarter.", data_tests: [not_null, {accepted_values: {values: [all, month, quarter]}}]}
  period_start: {description: First day of the period; null for all.}
  range_start: {description: First day that counts., data_tests: [not_null]}
  range_end: {description: Last day that counts., data_tests: [not_null]}
  window_start: {description: First day of the twelve months that end with the period; rates that need a longer view use it., data_tests: [not_null]}
  read_date: {description: "Day on which stocks, such as open opportunities, are read: the last day of the period or the as-of date, whichever is earlier.", data_tests: [not_null]}
  is_complete: {description: False while the as-of date lies inside the period., data_tests: [not_null]}
data_tests:
  - expression: "range_start <= range_end and window_start <= range_start and read_date <= range_end"
--- */
with bounds as (
  select
    as_of.as_of_date,
    coalesce(greatest(min(event_days.first_date), (as_of.as_of_date - interval 5 year)::date), as_of.as_of_date) as first_date
  from core.as_of
  left join core.event_days on event_days.first_date <= as_of.as_of_date
  group by as_of.as_of_date
),
starts as (
  select 'month' as grain, unnest(generate_series(date_trunc('month', first_date), date_trunc('month', as_of_date), interval 1 month))::date as period_start
  from bounds
  union all
  select 'quarter', unnest(generate_series(date_trunc('quarter', first_date), date_trunc('quarter', as_of_date), interval 3 month))::date
  from bounds
),
ranges as (
  select
    grain || ':' || period_start as period_key,
    grain,
    period_start,
    greatest(period_start, date_trunc('month', bounds.first_date)::date) as range_start,
    case grain
      when 'month' then (period_start + interval 1 month - interval 1 day)::date
      else (period_start + interval 3 month - interval 1 day)::date
    end as range_end
  from starts
  cross join bounds
  union all
  select 'all', 'all', null, least(first_date, as_of_date), as_of_date
  from bounds
)
select
  ranges.period_key,
  ranges.grain,
  ranges.period_start,
  ranges.range_start,
  ranges.range_end,
  case ranges.grain
    when 'all' then ranges.range_start
    else (ranges.range_end + interval 1 day - interval 1 year)::date
  end as window_start,
  least(ranges.range_end, bounds.as_of_date) as read_date,
  ranges.range_end <= bounds.as_of_date as is_complete
from ranges
cross join bounds

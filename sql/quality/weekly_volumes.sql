/* ---
description: >
  Volume of each stream per whole week beside what its level, the season and known causes lead to expect. In logarithms:
  the level is the median of the eight weeks before; the season is how far the same week and its neighbours lay from
  theirs in earlier years, as a median; growth is the median error of such expectations over half a year, and the interval
  of 99 % their median absolute distance from it, never narrower than that of a count. A week is unexplained when it lies more than 10 % off and
  outside the interval and nothing explains it; a plain change of 10 % from week to week would cry wolf in every second
  noisy week.
materialized: table
owner: revenue-operations
columns:
  stream: {description: "Kind, source and kind of event.", data_tests: [not_null]}
  source: {description: Source of the project., data_tests: [not_null]}
  relation: {description: Relation that the records are in., data_tests: [not_null]}
  week_start: {description: Monday of the week., data_tests: [not_null]}
  volume: {description: Records of the week., data_tests: [not_null]}
  weeks_before: {description: Weeks that the level rests on., data_tests: [not_null]}
  expected: {description: Volume to expect; null with fewer than four weeks before.}
  low: {description: Lower end of the interval of 99 %.}
  high: {description: Upper end of it.}
  season: {description: "Factor of the season: 1 when there is no earlier year."}
  deviation: {description: abs(volume - expected) / expected.}
  explained_by: {description: "What explains a week outside the interval: a known cause, a holiday, a change of ad spend."}
  is_unexplained: {description: "More than 10 % off, outside the interval, and nothing explains it.", data_tests: [not_null]}
data_tests:
  - unique_combination: {columns: [stream, week_start]}
--- */
with placed as (
  select *, ln(1 + volume) as log_volume
  from quality.weekly_counts
),
levelled as (
  select
    *,
    count(*) over before_it as weeks_before,
    median(log_volume) over before_it as level,
    mad(log_volume) over before_it as spread
  from placed
  window before_it as (partition by stream order by week_start rows between 8 preceding and 1 preceding)
),
seasons as (
  select weeks.stream, weeks.week_start, median(earlier.log_volume - earlier.level) * count(*) / (count(*) + 0.5) as season
  from levelled as weeks
  inner join levelled as earlier on earlier.stream = weeks.stream and earlier.weeks_before = 8
  inner join (values (51), (52), (52), (53), (103), (104), (104), (105), (156), (156)) as lags (weeks)
    on weeks.week_start - earlier.week_start = lags.weeks * 7
  group by weeks.stream, weeks.week_start
),
seasonal as (
  select levelled.*, coalesce(seasons.season, 0) as season
  from levelled
  left join seasons on seasons.stream = levelled.stream and seasons.week_start = levelled.week_start
),
errors as (
  select *, case when weeks_before >= 4 then log_volume - level - season end as error
  from seasonal
),
scaled as (
  select
    *,
    count(error) over half_year as errors_before,
    median(error) over half_year as drift,
    mad(error) over half_year as usual_error
  from errors
  window half_year as (partition by stream order by week_start rows between 26 preceding and 1 preceding)
),
drifting as (
  select *, level + season + case when errors_before >= 4 then drift else 0 end as log_expected
  from scaled
),
-- 2.576 is the normal quantile of 99 %; the larger factors make up for a scale that rests on few errors.
expectations as (
  select
    *,
    exp(log_expected) - 1 as expected_volume,
    greatest(
      case when errors_before >= 20 then 3.1 when errors_before >= 8 then 3.7 else 4.6 end
      * 1.4826 * case when errors_before >= 8 then usual_error when errors_before >= 4 then greatest(spread, usual_error) else spread end,
      2.576 * 1.1 / sqrt(greatest(exp(log_expected) - 1, 1))
    ) as half_width
  from drifting
),
spend_weeks as (
  select date_trunc('week', ad_date)::date as week_start, sum(cost) as cost
  from staging.ad_days
  group by all
),
spend_changes as (
  select
    week_start,
    ln(cost / median(cost) over (order by week_start rows between 8 preceding and 1 preceding)) as change
  from spend_weeks
  where cost > 0
),
holiday_weeks as (
  select date_trunc('week', holiday_date::date)::date as week_start, string_agg(name, ', ' order by holiday_date::date) as names
  from seeds.holidays
  group by all
),
judged as (
  select
    expectations.*,
    log_volume - log_expected as residual,
    weeks_before >= 4
    and abs(volume - expected_volume) > 0.10 * expected_volume
    and abs(log_volume - log_expected) > half_width as is_outside
  from expectations
),
caused as (
  select
    judged.stream,
    judged.week_start,
    string_agg(distinct known_causes.cause, ', ' order by known_causes.cause) as causes
  from judged
  inner join seeds.known_causes
    on (known_causes.stream in ('*', judged.kind, judged.stream))
    and known_causes.from_date::date < judged.week_start + 7
    and known_causes.to_date::date >= judged.week_start
  where judged.is_outside
  group by judged.stream, judged.week_start
)
select
  judged.stream,
  judged.source,
  judged.relation,
  judged.week_start,
  judged.volume,
  judged.weeks_before,
  case when judged.weeks_before >= 4 then round(judged.expected_volume, 2) end::decimal(18, 2) as expected,
  case when judged.weeks_before >= 4 then round(greatest(exp(judged.log_expected - judged.half_width) - 1, 0), 2) end::decimal(18, 2) as low,
  case when judged.weeks_before >= 4 then round(least(exp(judged.log_expected + judged.half_width) - 1, 1e15), 2) end::decimal(18, 2) as high,
  round(exp(judged.season), 4)::decimal(18, 4) as season,
  case when judged.weeks_before >= 4 then round(abs(judged.volume - judged.expected_volume) / nullif(judged.expected_volume, 0), 8) end::decimal(28, 8) as deviation,
  case
    when not coalesce(judged.is_outside, false) then null
    when caused.causes is not null then caused.causes
    when holiday_weeks.names is not null and judged.residual < 0 then 'holiday: ' || holiday_weeks.names
    when judged.kind in ('ad clicks', 'ad impressions', 'sessions', 'leads', 'forms')
      and sign(spend_changes.change) = sign(judged.residual)
      and abs(spend_changes.change) > ln(1.10)
      and abs(judged.residual) <= abs(spend_changes.change) + judged.half_width
      then 'ad spend ' || case when spend_changes.change > 0 then '+' else '' end || round(100 * (exp(spend_changes.change) - 1), 0)::bigint || ' %'
  end as explained_by,
  coalesce(judged.is_outside, false) and explained_by is null as is_unexplained
from judged
left join caused on caused.stream = judged.stream and caused.week_start = judged.week_start
left join holiday_weeks on holiday_weeks.week_start = judged.week_start
left join spend_changes on spend_changes.week_start = judged.week_start

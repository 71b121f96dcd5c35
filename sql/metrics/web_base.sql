/* ---
description: >
  Visits of the web site for each period, in total and by channel, with what they became. The KPIs about the web site
  are quotients of these.
materialized: table
owner: marketing
columns:
  period_key: {description: "Key of the period., data_tests: [not_null]"}
  grain: {description: "all, month or quarter."}
  period_start: {description: First day of the period; null for all.}
  dimension: {description: "What the segment is a member of., data_tests: [not_null]"}
  segment: {description: "Member of the dimension., data_tests: [not_null]"}
  is_complete: {description: False while the as-of date lies inside the period.}
  currency: {description: The project's currency.}
  sessions: {description: "Visits., data_tests: [not_null]"}
  new_visitors: {description: "Visitors seen for the first time., data_tests: [not_null]"}
  key_events: {description: "Conversions as the analytics tool defines them., data_tests: [not_null]"}
  won_amount: {description: "Value of new-business opportunities won; by channel of the accounts that the channel brought first., data_tests: [not_null]"}
  missing: {description: Why the web site cannot be spoken of; null when it can.}
data_tests:
  - unique_combination: {columns: [period_key, dimension, segment]}
--- */
with visits as (
  select
    periods.period_key,
    case when grouping(web_traffic.channel) = 1 then 'total' else 'channel' end as dimension,
    coalesce(web_traffic.channel, 'all') as segment,
    sum(web_traffic.sessions)::bigint as sessions,
    sum(web_traffic.new_users)::bigint as new_visitors,
    sum(web_traffic.key_events) as key_events
  from core.periods
  inner join core.web_traffic on web_traffic.traffic_date between periods.range_start and periods.read_date
  group by grouping sets ((periods.period_key), (periods.period_key, web_traffic.channel))
),
won as (
  select periods.period_key, opportunity_segments.dimension, opportunity_segments.segment, sum(opportunities.project_amount) as amount
  from core.periods
  inner join core.opportunities
    on opportunities.status = 'won' and opportunities.closed_date between periods.range_start and periods.read_date
  inner join core.opportunity_segments on opportunity_segments.opportunity_id = opportunities.opportunity_id
  where opportunities.is_new_business and opportunity_segments.dimension in ('total', 'channel')
  group by all
)
select
  grid.period_key,
  grid.grain,
  grid.period_start,
  grid.dimension,
  grid.segment,
  grid.is_complete,
  grid.currency,
  coalesce(visits.sessions, 0) as sessions,
  coalesce(visits.new_visitors, 0) as new_visitors,
  coalesce(visits.key_events, 0)::decimal(18, 4) as key_events,
  coalesce(won.amount, 0)::decimal(18, 4) as won_amount,
  case
    when coverage.web_missing is not null then coverage.web_missing
    when periods.read_date < coverage.web_from then 'no web traffic is known before ' || coverage.web_from
  end as missing
from core.account_grid as grid
inner join core.periods on periods.period_key = grid.period_key
left join core.coverage on true
left join visits on visits.period_key = grid.period_key and visits.dimension = grid.dimension and visits.segment = grid.segment
left join won on won.period_key = grid.period_key and won.dimension = grid.dimension and won.segment = grid.segment
where grid.dimension = 'total' or (grid.dimension = 'channel' and grid.segment in (select channel from core.web_traffic))

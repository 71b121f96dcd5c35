/* ---
description: >
  Events of the stream as they arrived, counted per kind and day, before those without an id or delivered twice are left
  out: what data quality judges the stream by.
materialized: table
owner: product
columns:
  source: {description: "Source of the project.", data_tests: [not_null]}
  event_type: {description: "page, identify, group, or track with the name of the event.", data_tests: [not_null]}
  relation: {description: "Relation that the events are made into; what reads it depends on them.", data_tests: [not_null]}
  event_date: {description: "Day (UTC).", data_tests: [not_null]}
  events: {description: "Events that arrived."}
  without_id: {description: "Of them without an id that says who did it: a user for what users do, a user or browser for pages, a user or address where somebody is named."}
  delivered_again: {description: "Of them with the id of an event that had arrived already."}
  repeated: {description: "Of them the same event by the same user or browser within a second of another one, under another id."}
data_tests:
  - unique_combination: {columns: [source, event_type, event_date]}
--- */
with described as (
  select
    _source as source,
    case when type = 'track' and event is not null then 'track ' || event else type end as event_type,
    case type when 'page' then 'staging.web_visits' when 'identify' then 'staging.product_users' else 'staging.product_usage' end as relation,
    timestamp as happened_at,
    nullif(trim(user_id), '') as user_key,
    nullif(trim(anonymous_id), '') as browser_key,
    type,
    nullif(trim(traits ->> '$.email'), '') as address,
    coalesce(event, name, '') || coalesce(properties ->> '$.path', '') as what,
    row_number() over (partition by _source, message_id order by timestamp, _row_id) > 1 as is_again,
    _row_id
  from raw_segment.events
  where type in ('page', 'identify', 'group', 'track', 'screen')
),
followed as (
  select
    *,
    not is_again
    and coalesce(user_key, browser_key) is not null
    and coalesce(
      happened_at - lag(happened_at) over (
        partition by source, event_type, coalesce(user_key, browser_key), what, is_again
        order by happened_at, _row_id
      ) <= interval 1 second,
      false
    ) as is_repeated
  from described
)
select
  source,
  event_type,
  min(relation) as relation,
  happened_at::date as event_date,
  count(*) as events,
  count(*) filter (
    where user_key is null and not (type in ('page', 'screen') and browser_key is not null) and not (type = 'identify' and address is not null)
  ) as without_id,
  count(*) filter (where is_again) as delivered_again,
  count(*) filter (where is_repeated) as repeated
from followed
group by source, event_type, happened_at::date

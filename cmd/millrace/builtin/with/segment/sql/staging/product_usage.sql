/* ---
description: >
  What each user did in the product on each day, from the track events of the stream; an event that was delivered
  twice counts once.
materialized: table
owner: product
columns:
  source: {description: "Source of the project.", data_tests: [not_null]}
  user_id: {description: "User.", data_tests: [not_null]}
  usage_date: {description: "Day in the time zone of the project.", data_tests: [not_null]}
  events: {description: "Actions: what the event counts or one."}
  minutes: {description: "Minutes of use."}
data_tests:
  - unique_combination: {columns: [source, user_id, usage_date]}
--- */
with tracked as (
  select *
  from raw_segment.events
  where type = 'track' and nullif(user_id, '') is not null
  qualify row_number() over (partition by _source, message_id order by timestamp, _row_id) = 1
)
select
  tracked._source as source,
  tracked.user_id,
  (tracked.timestamp at time zone 'UTC' at time zone run.time_zone)::date as usage_date,
  sum(coalesce(try_cast(tracked.properties ->> '$.actions' as bigint), 1))::bigint as events,
  sum(coalesce(try_cast(tracked.properties ->> '$.minutes' as bigint), 0))::bigint as minutes
from tracked
cross join meta.run
group by all

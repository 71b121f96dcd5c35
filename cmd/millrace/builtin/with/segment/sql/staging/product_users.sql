/* ---
description: >
  Users of the product, one row each, from the identify events of the stream: the latest one that names the user, else
  the latest one.
materialized: table
owner: product
unique_key: [record_key]
columns:
  record_key: {description: "Key of the record: source:user:id.", data_tests: [not_null, unique]}
  source: {description: "Source of the project.", data_tests: [not_null]}
  user_id: {description: "Id in the product.", data_tests: [not_null]}
  email: {description: "Address of the login.", pii: email}
  first_name: {description: "First name.", pii: name}
  last_name: {description: "Last name.", pii: name}
  created_at: {description: "First event (UTC)."}
--- */
with identified as (
  select
    _source,
    user_id,
    traits ->> '$.email' as email,
    coalesce(traits ->> '$.firstName', traits ->> '$.first_name') as first_name,
    coalesce(traits ->> '$.lastName', traits ->> '$.last_name') as last_name,
    min(timestamp) over (partition by _source, user_id) as created_at,
    row_number() over (
      partition by _source, user_id
      order by
        case when coalesce(traits ->> '$.firstName', traits ->> '$.first_name') is not null then 0 else 1 end,
        timestamp desc,
        message_id
    ) as place
  from raw_segment.events
  where type = 'identify' and nullif(user_id, '') is not null
)
select
  _source || ':user:' || user_id as record_key,
  _source as source,
  user_id,
  email,
  first_name,
  last_name,
  created_at
from identified
where place = 1

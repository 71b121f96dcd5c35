/* ---
description: >
  What a browser told about who uses it: the identify events of the stream that name a browser.
materialized: table
owner: marketing
columns:
  source: {description: "Source of the project.", data_tests: [not_null]}
  anonymous_id: {description: "Id of the browser.", data_tests: [not_null]}
  email: {description: "Address that was given.", pii: email}
  user_id: {description: "User of the product who logged in."}
  identified_at: {description: "When (UTC)."}
--- */
select
  _source as source,
  anonymous_id,
  nullif(lower(trim(traits ->> '$.email')), '') as email,
  nullif(user_id, '') as user_id,
  timestamp as identified_at
from raw_segment.events
where type = 'identify' and anonymous_id is not null
qualify row_number() over (partition by _source, message_id order by timestamp, _row_id) = 1

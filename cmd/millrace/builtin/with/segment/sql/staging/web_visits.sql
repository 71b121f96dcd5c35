/* ---
description: >
  Pages that browsers saw, one row per page event of the stream; an event that was delivered twice counts once.
materialized: table
owner: marketing
columns:
  source: {description: "Source of the project.", data_tests: [not_null]}
  visit_id: {description: "Id of the event.", data_tests: [not_null]}
  anonymous_id: {description: "Id of the browser."}
  user_id: {description: "User of the product who was logged in."}
  visited_at: {description: "When it happened (UTC)."}
  page_path: {description: "Path of the page."}
  utm_source: {description: "Source tag."}
  utm_medium: {description: "Medium tag."}
  utm_campaign: {description: "Campaign tag."}
data_tests:
  - unique_combination: {columns: [source, visit_id]}
--- */
select
  _source as source,
  message_id as visit_id,
  anonymous_id,
  nullif(user_id, '') as user_id,
  timestamp as visited_at,
  properties ->> '$.path' as page_path,
  context ->> '$.campaign.source' as utm_source,
  context ->> '$.campaign.medium' as utm_medium,
  context ->> '$.campaign.name' as utm_campaign
from raw_segment.events
where type = 'page'
qualify row_number() over (partition by _source, message_id order by timestamp, _row_id) = 1

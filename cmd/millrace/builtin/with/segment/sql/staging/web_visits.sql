/* ---
description: >
  Pages that browsers saw, one row per page event of the stream; an event that was delivered twice counts once. The
  address is the one that was given in this browser, if there was exactly one.
materialized: table
owner: marketing
columns:
  source: {description: "Source of the project.", data_tests: [not_null]}
  visit_id: {description: "Id of the event.", data_tests: [not_null]}
  anonymous_id: {description: "Id of the browser."}
  email: {description: "Address that was given in this browser.", pii: email}
  user_id: {description: "User of the product who was logged in."}
  visited_at: {description: "When it happened (UTC)."}
  page_path: {description: "Path of the page."}
  utm_source: {description: "Source tag."}
  utm_medium: {description: "Medium tag."}
  utm_campaign: {description: "Campaign tag."}
data_tests:
  - unique_combination: {columns: [source, visit_id]}
--- */
with browsers as (
  select _source, anonymous_id, min(lower(trim(traits ->> '$.email'))) as email
  from raw_segment.events
  where type = 'identify' and anonymous_id is not null and traits ->> '$.email' is not null
  group by _source, anonymous_id
  having count(distinct lower(trim(traits ->> '$.email'))) = 1
),
pages as (
  select *
  from raw_segment.events
  where type = 'page'
  qualify row_number() over (partition by _source, message_id order by timestamp, _row_id) = 1
)
select
  pages._source as source,
  pages.message_id as visit_id,
  pages.anonymous_id,
  browsers.email,
  nullif(pages.user_id, '') as user_id,
  pages.timestamp as visited_at,
  pages.properties ->> '$.path' as page_path,
  pages.context ->> '$.campaign.source' as utm_source,
  pages.context ->> '$.campaign.medium' as utm_medium,
  pages.context ->> '$.campaign.name' as utm_campaign
from pages
left join browsers on browsers._source = pages._source and browsers.anonymous_id = pages.anonymous_id

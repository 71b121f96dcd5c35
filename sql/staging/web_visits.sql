/* ---
description: >
  Pages that browsers saw. Empty until it is pointed at a table of your own: replace the statement by a select from
  your raw relation with these columns.
materialized: table
owner: marketing
columns:
  source: {description: "Source of the project.", data_tests: [not_null]}
  visit_id: {description: "Id of the visit.", data_tests: [not_null]}
  anonymous_id: {description: "Id of the browser."}
  user_id: {description: "User of the product who was logged in."}
  visited_at: {description: "When it began (UTC)."}
  page_path: {description: "Path of the page."}
  utm_source: {description: "Source tag."}
  utm_medium: {description: "Medium tag."}
  utm_campaign: {description: "Campaign tag."}
data_tests:
  - unique_combination: {columns: [source, visit_id]}
--- */
select
  null::varchar as source,
  null::varchar as visit_id,
  null::varchar as anonymous_id,
  null::varchar as user_id,
  null::timestamp as visited_at,
  null::varchar as page_path,
  null::varchar as utm_source,
  null::varchar as utm_medium,
  null::varchar as utm_campaign
where false

/* ---
description: >
  What each user did in the product on each day. Empty until it is pointed at a table of your own: replace the
  statement by a select from your raw relation with these columns.
materialized: table
owner: product
columns:
  source: {description: "Source of the project.", data_tests: [not_null]}
  user_id: {description: "User.", data_tests: [not_null]}
  usage_date: {description: "Day.", data_tests: [not_null]}
  events: {description: "Actions."}
  minutes: {description: "Minutes of use."}
data_tests:
  - unique_combination: {columns: [source, user_id, usage_date]}
--- */
select
  null::varchar as source,
  null::varchar as user_id,
  null::date as usage_date,
  null::bigint as events,
  null::bigint as minutes
where false

/* ---
description: >
  What a browser told about who uses it: an address that was given or a user who logged in. Empty until it is pointed
  at a table of your own: replace the statement by a select from your raw relation with these columns.
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
  null::varchar as source,
  null::varchar as anonymous_id,
  null::varchar as email,
  null::varchar as user_id,
  null::timestamp as identified_at
where false

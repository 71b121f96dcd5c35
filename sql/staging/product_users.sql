/* ---
description: >
  Users of the product. Empty until it is pointed at a table of your own: replace the statement by a select from your
  raw relation with these columns.
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
  created_at: {description: "Creation (UTC)."}
--- */
select
  null::varchar as record_key,
  null::varchar as source,
  null::varchar as user_id,
  null::varchar as email,
  null::varchar as first_name,
  null::varchar as last_name,
  null::timestamp as created_at
where false

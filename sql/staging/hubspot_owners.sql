/* ---
description: >
  Users of HubSpot who can own records.
materialized: table
owner: revenue-operations
columns:
  source: {description: "Source of the project.", data_tests: [not_null]}
  owner_id: {description: "Id in HubSpot.", data_tests: [not_null]}
  email: {description: "Address.", pii: email}
  first_name: {description: "First name.", pii: name}
  last_name: {description: "Last name.", pii: name}
  team: {description: "Primary team."}
  is_archived: {description: "Deactivated in HubSpot.", data_tests: [not_null]}
data_tests:
  - unique_combination: {columns: [source, owner_id]}
--- */
select
  _source as source,
  id as owner_id,
  lower(email) as email,
  first_name,
  last_name,
  teams ->> '$[0].name' as team,
  coalesce(archived, false) as is_archived
from raw_hubspot.owners
qualify row_number() over (partition by _source, id order by archived nulls first, updated_at desc nulls last, _row_id) = 1

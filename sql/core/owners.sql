/* ---
description: People of the team who own accounts, leads and opportunities.
materialized: table
owner: revenue-operations
unique_key: [owner_id]
columns:
  owner_id: {description: The CRM's id., data_tests: [not_null, unique]}
  name: {description: Full name., pii: name}
  email: {description: Address., pii: email}
  team: {description: Team; null when the CRM has none.}
  is_active: {description: False once the CRM has archived the owner., data_tests: [not_null]}
--- */
select
  owner_id,
  coalesce(nullif(concat_ws(' ', first_name, last_name), ''), email, owner_id) as name,
  email,
  team,
  not coalesce(is_archived, false) as is_active
from staging.hubspot_owners
qualify row_number() over (partition by owner_id order by source) = 1

/* ---
description: Sales agents, one row each, with their manager and region.
materialized: table
unique_key: [owner_id]
owner: revenue-operations
columns:
  owner_id: {description: Id of the agent (the name)., pii: name, data_tests: [not_null, unique]}
  name: {description: Name of the agent., pii: name}
  manager: {description: Name of the manager., pii: name}
  region: {description: Regional office.}
--- */
select
  owner_name as owner_id,
  owner_name as name,
  manager_name as manager,
  region
from staging.crm_sales_teams
where owner_name is not null
qualify row_number() over (partition by owner_name order by _row_id desc) = 1

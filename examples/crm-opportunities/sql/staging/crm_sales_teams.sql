/* ---
description: Sales agents of the CRM export with manager and region, one row per line of the file.
materialized: table
owner: revenue-operations
columns:
  owner_name: {description: Name of the agent., pii: name, data_tests: [{not_null: {severity: warn}}, {unique: {severity: warn}}]}
  manager_name: {description: Name of the agent's manager., pii: name}
  region: {description: Regional office.}
  _row_id: {description: Line of the file., data_tests: [not_null, unique]}
--- */
select
  nullif(trim(sales_agent), '') as owner_name,
  nullif(trim(manager), '') as manager_name,
  nullif(trim(regional_office), '') as region,
  _row_id
from raw_crm.sales_teams

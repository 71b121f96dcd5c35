/* ---
description: Accounts, one row each. The export has no ids, so the name is the id.
materialized: table
unique_key: [account_id]
owner: revenue-operations
columns:
  account_id: {description: Id of the account (its name)., data_tests: [not_null, unique]}
  name: {description: Name of the account., data_tests: [not_null]}
  sector: {description: Industry.}
  country: {description: Country of the head office.}
  year_established: {description: Year of foundation.}
  annual_revenue: {description: Annual revenue in the project's currency.}
  employees: {description: Number of employees.}
  parent_account_id: {description: Account that owns this one; null when it stands alone or its parent is not in the export., data_tests: [{relationships: {to: core.accounts, field: account_id}}]}
--- */
select
  child.account_name as account_id,
  child.account_name as name,
  child.sector,
  child.country,
  child.year_established,
  child.annual_revenue,
  child.employees,
  parent.account_name as parent_account_id
from staging.crm_accounts as child
left join staging.crm_accounts as parent
  on parent.account_name = child.parent_name and parent.account_name_rank = 1
where child.account_name is not null and child.account_name_rank = 1

/* ---
description: Accounts of the CRM export, one row per line of the file, with sectors and countries repaired through seeds.name_repairs.
materialized: table
owner: revenue-operations
columns:
  account_name: {description: Name of the account; null when the line has none.}
  account_name_rank: {description: 1 for the line that counts; more for lines that repeat its name., data_tests: [not_null]}
  sector: {description: Industry after repair.}
  sector_original: {description: Industry as it stands in the file.}
  country: {description: Country of the head office after repair.}
  country_original: {description: Country as it stands in the file.}
  year_established: {description: Year of foundation.}
  annual_revenue: {description: Annual revenue in the project's currency; the file has it in millions.}
  employees: {description: Number of employees.}
  parent_name: {description: Name of the parent account.}
  _row_id: {description: Line of the file., data_tests: [not_null, unique]}
--- */
with trimmed as (
  select
    nullif(trim(account), '') as account_name,
    nullif(trim(sector), '') as sector_original,
    nullif(trim(office_location), '') as country_original,
    year_established,
    (revenue * 1000000)::decimal(18, 4) as annual_revenue,
    employees,
    nullif(trim(subsidiary_of), '') as parent_name,
    _row_id
  from raw_crm.accounts
)
select
  trimmed.account_name,
  row_number() over (partition by trimmed.account_name order by trimmed._row_id desc) as account_name_rank,
  coalesce(sector_repairs.repaired, trimmed.sector_original) as sector,
  trimmed.sector_original,
  coalesce(country_repairs.repaired, trimmed.country_original) as country,
  trimmed.country_original,
  trimmed.year_established,
  trimmed.annual_revenue,
  trimmed.employees,
  trimmed.parent_name,
  trimmed._row_id
from trimmed
left join seeds.name_repairs as sector_repairs
  on sector_repairs.field = 'sector' and sector_repairs.original = trimmed.sector_original
left join seeds.name_repairs as country_repairs
  on country_repairs.field = 'country' and country_repairs.original = trimmed.country_original

/* ---
description: Products of the CRM export, one row per line of the file.
materialized: table
owner: revenue-operations
columns:
  product_name: {description: Name of the product., data_tests: [{not_null: {severity: warn}}, {unique: {severity: warn}}]}
  series: {description: Product family.}
  list_price: {description: List price in the project's currency., data_tests: [{accepted_range: {min: 0, severity: warn}}]}
  _row_id: {description: Line of the file., data_tests: [not_null, unique]}
--- */
select
  nullif(trim(product), '') as product_name,
  nullif(trim(series), '') as series,
  sales_price::decimal(18, 4) as list_price,
  _row_id
from raw_crm.products

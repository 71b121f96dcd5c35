/* ---
description: Products, one row each. The export has no ids, so the name is the id.
materialized: table
unique_key: [product_id]
owner: revenue-operations
columns:
  product_id: {description: Id of the product (its name)., data_tests: [not_null, unique]}
  name: {description: Name of the product.}
  series: {description: Product family.}
  list_price: {description: List price in the project's currency.}
--- */
select
  product_name as product_id,
  product_name as name,
  series,
  list_price
from staging.crm_products
where product_name is not null
qualify row_number() over (partition by product_name order by _row_id desc) = 1

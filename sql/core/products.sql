/* ---
description: Products, one row each.
materialized: table
owner: revenue-operations
unique_key: [product_id]
columns:
  product_id: {description: Id in the billing system., data_tests: [not_null, unique]}
  name: {description: Name of the product.}
  prices: {description: Number of its prices., data_tests: [not_null]}
--- */
select
  products.product_id,
  min(products.name) as name,
  count(distinct prices.price_id) as prices
from staging.stripe_products as products
left join staging.stripe_prices as prices on prices.product_id = products.product_id
group by products.product_id

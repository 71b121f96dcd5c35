/* ---
description: >
  Products of Stripe from Fivetran's table product, one row each.
materialized: table
owner: finance
columns:
  source: {description: "Source of the project.", data_tests: [not_null]}
  product_id: {description: "Id in Stripe.", data_tests: [not_null]}
  name: {description: "Name."}
data_tests:
  - unique_combination: {columns: [source, product_id]}
--- */
select
  _source as source,
  id as product_id,
  name
from raw_fivetran_stripe.product
where id is not null
qualify row_number() over (partition by _source, id order by _fivetran_synced desc nulls last, _row_id desc) = 1

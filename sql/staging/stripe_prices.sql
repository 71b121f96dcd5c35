/* ---
description: >
  Prices of Stripe, one row each, in major units. Prices that exist on subscription items only are taken from there.
materialized: table
owner: finance
columns:
  source: {description: "Source of the project.", data_tests: [not_null]}
  price_id: {description: "Id in Stripe.", data_tests: [not_null]}
  product_id: {description: "Product."}
  currency: {description: "Currency in upper case."}
  unit_amount: {description: "Price of one unit and interval in major units."}
  billing_interval: {description: "day, week, month or year; null for one-off prices."}
  interval_count: {description: "Number of intervals in a period."}
  usage_type: {description: "licensed or metered."}
data_tests:
  - unique_combination: {columns: [source, price_id]}
--- */
with listed as (
  select _source, id as price_id, product_id, currency, coalesce(unit_amount_decimal, unit_amount) as minor_amount, interval, interval_count, usage_type
  from raw_stripe.prices
  union all
  select items._source, items.price_id, min(items.product_id), min(items.currency), min(coalesce(items.unit_amount_decimal, items.unit_amount)), min(items.interval), min(items.interval_count), min(items.usage_type)
  from raw_stripe.subscription_items as items
  left join raw_stripe.prices on prices._source = items._source and prices.id = items.price_id
  where prices.id is null and items.price_id is not null
  group by items._source, items.price_id
)
select
  listed._source as source,
  listed.price_id,
  listed.product_id,
  upper(listed.currency) as currency,
  (listed.minor_amount / pow(10, coalesce(currency_units.minor_units, 2)))::decimal(18, 4) as unit_amount,
  listed.interval as billing_interval,
  coalesce(listed.interval_count, 1) as interval_count,
  coalesce(listed.usage_type, 'licensed') as usage_type
from listed
left join seeds.currency_units on currency_units.currency = upper(listed.currency)

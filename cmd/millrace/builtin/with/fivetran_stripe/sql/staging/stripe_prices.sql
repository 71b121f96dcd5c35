/* ---
description: >
  Prices of Stripe from Fivetran's tables price and plan, in major units. A plan is the older form of a price and has the
  same id.
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
  select
    _source, id as price_id, product_id, currency, coalesce(unit_amount_decimal, unit_amount) as minor_amount,
    recurring_interval as billing_interval, recurring_interval_count as interval_count, recurring_usage_type as usage_type
  from raw_fivetran_stripe.price
  where id is not null
  union all
  select plans._source, plans.id, plans.product_id, plans.currency, plans.amount, plans.interval, plans.interval_count, plans.usage_type
  from raw_fivetran_stripe.plan as plans
  left join raw_fivetran_stripe.price as prices on prices._source = plans._source and prices.id = plans.id
  where plans.id is not null and prices.id is null
)
select
  listed._source as source,
  listed.price_id,
  listed.product_id,
  upper(listed.currency) as currency,
  (listed.minor_amount / pow(10, coalesce(currency_units.minor_units, 2)))::decimal(18, 4) as unit_amount,
  listed.billing_interval,
  coalesce(listed.interval_count, 1) as interval_count,
  coalesce(listed.usage_type, 'licensed') as usage_type
from listed
left join seeds.currency_units on currency_units.currency = upper(listed.currency)

/* ---
description: >
  Refunds of Stripe from Fivetran's table refund, in major units.
materialized: table
owner: finance
columns:
  source: {description: "Source of the project.", data_tests: [not_null]}
  refund_id: {description: "Id in Stripe.", data_tests: [not_null]}
  charge_id: {description: "Charge that is paid back."}
  status: {description: "pending, requires_action, succeeded, failed or canceled."}
  currency: {description: "Currency in upper case."}
  amount: {description: "Amount."}
  reason: {description: "Reason given."}
  created_at: {description: "Creation (UTC)."}
data_tests:
  - unique_combination: {columns: [source, refund_id]}
--- */
select
  refunds._source as source,
  refunds.id as refund_id,
  refunds.charge_id,
  refunds.status,
  upper(refunds.currency) as currency,
  (refunds.amount / pow(10, coalesce(currency_units.minor_units, 2)))::decimal(18, 4) as amount,
  refunds.reason,
  refunds.created as created_at
from raw_fivetran_stripe.refund as refunds
left join seeds.currency_units on currency_units.currency = upper(refunds.currency)
where refunds.id is not null
qualify row_number() over (partition by refunds._source, refunds.id order by refunds._fivetran_synced desc nulls last, refunds._row_id desc) = 1

/* ---
description: >
  Attempts of Stripe to collect money from Fivetran's table charge, in major units.
materialized: table
owner: finance
columns:
  source: {description: "Source of the project.", data_tests: [not_null]}
  charge_id: {description: "Id in Stripe.", data_tests: [not_null]}
  customer_id: {description: "Customer.", pii: id}
  invoice_id: {description: "Invoice."}
  status: {description: "succeeded, pending or failed."}
  currency: {description: "Currency in upper case."}
  amount: {description: "Amount."}
  created_at: {description: "Creation (UTC)."}
data_tests:
  - unique_combination: {columns: [source, charge_id]}
--- */
select
  charges._source as source,
  charges.id as charge_id,
  charges.customer_id,
  charges.invoice_id,
  charges.status,
  upper(charges.currency) as currency,
  (charges.amount / pow(10, coalesce(currency_units.minor_units, 2)))::decimal(18, 4) as amount,
  charges.created as created_at
from raw_fivetran_stripe.charge as charges
left join seeds.currency_units on currency_units.currency = upper(charges.currency)
where charges.id is not null
qualify row_number() over (partition by charges._source, charges.id order by charges._fivetran_synced desc nulls last, charges._row_id desc) = 1

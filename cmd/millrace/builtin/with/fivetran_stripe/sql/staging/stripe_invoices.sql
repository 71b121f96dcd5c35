/* ---
description: >
  Invoices of Stripe from Fivetran's table invoice, in major units.
materialized: table
owner: finance
columns:
  source: {description: "Source of the project.", data_tests: [not_null]}
  invoice_id: {description: "Id in Stripe.", data_tests: [not_null]}
  customer_id: {description: "Customer.", pii: id}
  subscription_id: {description: "Subscription."}
  status: {description: "draft, open, paid, uncollectible or void."}
  currency: {description: "Currency in upper case."}
  subtotal: {description: "Before discounts and tax."}
  tax: {description: "Tax."}
  total: {description: "After discounts and with tax."}
  amount_paid: {description: "Paid so far."}
  created_at: {description: "Creation (UTC)."}
  paid_at: {description: "Payment (UTC)."}
  period_start: {description: "First instant of the period (UTC)."}
  period_end: {description: "End of the period (UTC)."}
data_tests:
  - unique_combination: {columns: [source, invoice_id]}
--- */
select
  invoices._source as source,
  invoices.id as invoice_id,
  invoices.customer_id,
  invoices.subscription_id,
  invoices.status,
  upper(invoices.currency) as currency,
  (invoices.subtotal / pow(10, coalesce(currency_units.minor_units, 2)))::decimal(18, 4) as subtotal,
  (coalesce(invoices.tax, 0) / pow(10, coalesce(currency_units.minor_units, 2)))::decimal(18, 4) as tax,
  (invoices.total / pow(10, coalesce(currency_units.minor_units, 2)))::decimal(18, 4) as total,
  (invoices.amount_paid / pow(10, coalesce(currency_units.minor_units, 2)))::decimal(18, 4) as amount_paid,
  coalesce(invoices.created, invoices.period_start) as created_at,
  invoices.status_transitions_paid_at as paid_at,
  invoices.period_start,
  invoices.period_end
from raw_fivetran_stripe.invoice as invoices
left join seeds.currency_units on currency_units.currency = upper(invoices.currency)
where invoices.id is not null and not coalesce(invoices.is_deleted, false)
qualify row_number() over (partition by invoices._source, invoices.id order by invoices._fivetran_synced desc nulls last, invoices._row_id desc) = 1

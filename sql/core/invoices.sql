/* ---
description: Invoices, one row each, in major units. Tax is apart; refunds are in core.refunds on the day they are given.
materialized: table
owner: finance
unique_key: [invoice_id]
columns:
  invoice_id: {description: Id in the billing system., data_tests: [not_null, unique]}
  account_id: {description: Account that is billed.}
  subscription_id: {description: Subscription; null for a single bill.}
  invoice_date: {description: Day of the invoice.}
  paid_date: {description: Day of the payment; null while unpaid.}
  status: {description: "draft, open, paid, void or uncollectible.", data_tests: [not_null]}
  currency: {description: Currency.}
  net_amount: {description: Amount without tax in its own currency.}
  tax: {description: Tax in its own currency.}
  total: {description: Amount with tax in its own currency.}
  project_net_amount: {description: Amount without tax in the project's currency at the rate of the invoice's day; null when there is no rate.}
--- */
select
  invoices.invoice_id,
  membership.account_id,
  invoices.subscription_id,
  (invoices.created_at at time zone 'UTC' at time zone run.time_zone)::date as invoice_date,
  (invoices.paid_at at time zone 'UTC' at time zone run.time_zone)::date as paid_date,
  coalesce(invoices.status, 'draft') as status,
  upper(invoices.currency) as currency,
  (invoices.total - coalesce(invoices.tax, 0))::decimal(18, 4) as net_amount,
  coalesce(invoices.tax, 0)::decimal(18, 4) as tax,
  invoices.total,
  round((invoices.total - coalesce(invoices.tax, 0)) * fx_rates.spot_rate, 4)::decimal(18, 4) as project_net_amount
from staging.stripe_invoices as invoices
cross join meta.run
left join identity.company_membership as membership on membership.record_key = invoices.source || ':customer:' || invoices.customer_id
left join core.fx_rates
  on fx_rates.currency = upper(invoices.currency)
  and (invoices.created_at at time zone 'UTC' at time zone run.time_zone)::date between fx_rates.from_date and fx_rates.to_date

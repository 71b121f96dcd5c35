/* ---
description: Refunds, one row each, on the day they were given. They reduce the revenue of that day and not of the sale's.
materialized: table
owner: finance
unique_key: [refund_id]
columns:
  refund_id: {description: Id in the billing system., data_tests: [not_null, unique]}
  account_id: {description: Account that is paid back.}
  invoice_id: {description: Invoice that was paid.}
  refund_date: {description: Day of the refund.}
  status: {description: Status in the billing system.}
  currency: {description: Currency.}
  amount: {description: Amount in its own currency with tax.}
  net_amount: {description: Amount without the invoice's share of tax in its own currency.}
  project_net_amount: {description: The same in the project's currency at the rate of the refund's day; null when there is no rate.}
--- */
with joined as (
  select
    refunds.refund_id,
    refunds.source,
    charges.customer_id,
    charges.invoice_id,
    (refunds.created_at at time zone 'UTC' at time zone run.time_zone)::date as refund_date,
    refunds.status,
    upper(refunds.currency) as currency,
    refunds.amount,
    round(refunds.amount * coalesce(1 - invoices.tax / nullif(invoices.total, 0), 1), 4)::decimal(18, 4) as net_amount
  from staging.stripe_refunds as refunds
  cross join meta.run
  left join staging.stripe_charges as charges on charges.source = refunds.source and charges.charge_id = refunds.charge_id
  left join staging.stripe_invoices as invoices on invoices.source = charges.source and invoices.invoice_id = charges.invoice_id
)
select
  joined.refund_id,
  membership.account_id,
  joined.invoice_id,
  joined.refund_date,
  joined.status,
  joined.currency,
  joined.amount,
  joined.net_amount,
  round(joined.net_amount * fx_rates.spot_rate, 4)::decimal(18, 4) as project_net_amount
from joined
left join identity.company_membership as membership on membership.record_key = joined.source || ':customer:' || joined.customer_id
left join core.fx_rates
  on fx_rates.currency = joined.currency and joined.refund_date between fx_rates.from_date and fx_rates.to_date

/* ---
description: >
  What was billed, paid and given back in each period and segment, without tax, at the rates of the days.
materialized: table
owner: finance
columns:
  period_key: {description: "Key of the period., data_tests: [not_null]"}
  grain: {description: "all, month or quarter."}
  period_start: {description: First day of the period; null for all.}
  dimension: {description: "What the segment is a member of., data_tests: [not_null]"}
  segment: {description: "Member of the dimension., data_tests: [not_null]"}
  is_complete: {description: False while the as-of date lies inside the period.}
  currency: {description: The project's currency.}
  invoiced: {description: "Invoices by their day, drafts and void ones left out., data_tests: [not_null]"}
  invoices: {description: "Number of them., data_tests: [not_null]"}
  paid: {description: "Payments by their day., data_tests: [not_null]"}
  paid_invoices: {description: "Number of invoices paid that were not for nothing., data_tests: [not_null]"}
  refunded: {description: "Refunds by the day on which they were given., data_tests: [not_null]"}
  refunds: {description: "Number of them., data_tests: [not_null]"}
  refunded_of_payments: {description: "Refunds of the payments of the period, whenever they were given., data_tests: [not_null]"}
  refunded_later: {description: "The part of those that was given after the period., data_tests: [not_null]"}
  missing: {description: Why billing cannot be spoken of; null when it can.}
data_tests:
  - unique_combination: {columns: [period_key, dimension, segment]}
--- */
with billed as (
  select account_id, invoice_date as booked_date, 'invoiced' as kind, project_net_amount as amount, 1 as records, null::date as given_date
  from core.invoices
  where status in ('open', 'paid', 'uncollectible')
  union all
  select account_id, paid_date, 'paid', project_net_amount, case when project_net_amount > 0 then 1 else 0 end, null
  from core.invoices
  where status = 'paid'
  union all
  select account_id, refund_date, 'refunded', project_net_amount, 1, null
  from core.refunds
  where status = 'succeeded'
  union all
  select refunds.account_id, coalesce(invoices.paid_date, refunds.refund_date), 'refunded of payments', refunds.project_net_amount, 1, refunds.refund_date
  from core.refunds
  left join core.invoices on invoices.invoice_id = refunds.invoice_id
  where refunds.status = 'succeeded'
),
summed as (
  select
    periods.period_key,
    account_segments.dimension,
    account_segments.segment,
    sum(billed.amount) filter (where billed.kind = 'invoiced') as invoiced,
    count(*) filter (where billed.kind = 'invoiced') as invoices,
    sum(billed.amount) filter (where billed.kind = 'paid') as paid,
    (sum(billed.records) filter (where billed.kind = 'paid'))::bigint as paid_invoices,
    sum(billed.amount) filter (where billed.kind = 'refunded') as refunded,
    count(*) filter (where billed.kind = 'refunded') as refunds,
    sum(billed.amount) filter (where billed.kind = 'refunded of payments') as refunded_of_payments,
    sum(billed.amount) filter (where billed.kind = 'refunded of payments' and billed.given_date > periods.range_end) as refunded_later
  from core.periods
  inner join billed on billed.booked_date between periods.range_start and periods.read_date
  inner join core.account_segments on account_segments.account_id = billed.account_id
  group by all
)
select
  grid.period_key,
  grid.grain,
  grid.period_start,
  grid.dimension,
  grid.segment,
  grid.is_complete,
  grid.currency,
  coalesce(summed.invoiced, 0)::decimal(18, 4) as invoiced,
  coalesce(summed.invoices, 0) as invoices,
  coalesce(summed.paid, 0)::decimal(18, 4) as paid,
  coalesce(summed.paid_invoices, 0) as paid_invoices,
  coalesce(summed.refunded, 0)::decimal(18, 4) as refunded,
  coalesce(summed.refunds, 0) as refunds,
  coalesce(summed.refunded_of_payments, 0)::decimal(18, 4) as refunded_of_payments,
  coalesce(summed.refunded_later, 0)::decimal(18, 4) as refunded_later,
  coverage.invoices_missing as missing
from core.account_grid as grid
left join core.coverage on true
left join summed using (period_key, dimension, segment)

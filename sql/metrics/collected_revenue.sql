/* ---
description: >
  Money collected without tax, by the day of payment, less refunds on the day on which they were given, at the rates
  of those days.
materialized: table
owner: revenue-operations
tags: [kpi]
unique_key: [kpi, grain, period_start, dimension, segment]
columns:
  kpi: {description: Name of the KPI., data_tests: [not_null, {accepted_values: {values: [collected_revenue]}}]}
  grain: {description: "all, month or quarter.", data_tests: [not_null, {accepted_values: {values: [all, month, quarter]}}]}
  period_start: {description: First day of the period; null for all.}
  dimension: {description: What the segment is a member of; total for everything., data_tests: [not_null]}
  segment: {description: Member of the dimension; all for the total., data_tests: [not_null]}
  numerator: {description: "Payments less refunds without tax."}
  denominator: {description: "Null; a sum is not a ratio."}
  value: {description: "The numerator."}
  n: {description: "Invoices paid.", data_tests: [not_null]}
  unit: {description: "Unit of the value: money.", data_tests: [not_null]}
  currency: {description: Currency of the value; null when it is not money.}
  status: {description: "ok, na (the value cannot be stated) or provisional (it may still change).", data_tests: [not_null, {accepted_values: {values: [ok, na, provisional]}}]}
  reason: {description: Why the value is na or provisional; or a remark on it.}
data_tests:
  - unique_combination: {columns: [kpi, grain, period_start, dimension, segment]}
  - expression: "(value is null) = (status = 'na')"
  - expression: "status = 'ok' or reason is not null"
--- */
with cash as (
  select account_id, paid_date as cash_date, project_net_amount as amount, 1 as payments
  from core.invoices
  where status = 'paid'
  union all
  select account_id, refund_date, -project_net_amount, 0
  from core.refunds
  where status = 'succeeded'
),
collected as (
  select
    periods.period_key,
    account_segments.dimension,
    account_segments.segment,
    sum(cash.amount) as amount,
    sum(cash.payments)::bigint as payments
  from cash
  inner join core.periods on cash.cash_date between periods.range_start and periods.read_date
  inner join core.account_segments on account_segments.account_id = cash.account_id
  group by all
)
select
  'collected_revenue' as kpi,
  grid.grain,
  grid.period_start,
  grid.dimension,
  grid.segment,
  case when coverage.invoices_missing is null then coalesce(collected.amount, 0) end::decimal(18, 4) as numerator,
  null::decimal(18, 4) as denominator,
  case when coverage.invoices_missing is null then coalesce(collected.amount, 0) end::decimal(28, 8) as value,
  coalesce(collected.payments, 0) as n,
  'money' as unit,
  grid.currency,
  case
    when coverage.invoices_missing is not null then 'na'
    when grid.is_complete then 'ok'
    else 'provisional'
  end as status,
  case
    when coverage.invoices_missing is not null then coverage.invoices_missing
    when not grid.is_complete then 'the period is not over'
  end as reason
from core.account_grid as grid
left join core.coverage on true
left join collected using (period_key, dimension, segment)

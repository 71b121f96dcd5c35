/* ---
description: >
  Collected revenue over everything is the invoices paid less the refunds, and the same by month of sale: a refund moves between
  months and never changes the whole.
--- */
with paid as (
  select coalesce(sum(invoices.project_net_amount), 0) as amount
  from core.invoices
  inner join core.periods on periods.grain = 'all' and invoices.paid_date between periods.range_start and periods.read_date
  where invoices.status = 'paid' and invoices.account_id is not null
),
refunded as (
  select coalesce(sum(refunds.project_net_amount), 0) as amount
  from core.refunds
  inner join core.periods on periods.grain = 'all' and refunds.refund_date between periods.range_start and periods.read_date
  where refunds.status = 'succeeded' and refunds.account_id is not null
)
select kpi.kpi, kpi.value, paid.amount - refunded.amount as expected
from metrics.kpi
cross join paid
cross join refunded
where kpi.kpi in ('collected_revenue', 'collected_revenue_cohort')
  and kpi.grain = 'all' and kpi.dimension = 'total' and kpi.value != paid.amount - refunded.amount

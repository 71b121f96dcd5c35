/* ---
description: The closing MRR of all accounts is the MRR of the month.
--- */
with of_accounts as (
  select month, sum(close_mrr) as close_mrr
  from metrics.mrr_movements
  group by month
)
select mrr.period_start, mrr.value, of_accounts.close_mrr
from metrics.mrr
left join of_accounts on of_accounts.month = mrr.period_start
where mrr.grain = 'month' and mrr.dimension = 'total' and mrr.value != coalesce(of_accounts.close_mrr, 0)

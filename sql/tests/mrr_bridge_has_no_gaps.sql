/* ---
description: >
  What an account began a month with is what it ended the month before with. Together with the test on metrics.mrr_movements that
  opening and movements make the closing, the bridge closes for every account and month.
--- */
with paired as (
  select
    present.account_id,
    present.month,
    present.open_mrr,
    coalesce(earlier.close_mrr, 0) as closed_before
  from metrics.mrr_movements as present
  left join metrics.mrr_movements as earlier
    on earlier.account_id = present.account_id and earlier.month = (present.month - interval 1 month)::date
)
select account_id, month, open_mrr, closed_before
from paired
where open_mrr != closed_before and month > (select min(period_start) from core.periods where grain = 'month')
union all
select earlier.account_id, earlier.month, 0, earlier.close_mrr
from metrics.mrr_movements as earlier
left join metrics.mrr_movements as later
  on later.account_id = earlier.account_id and later.month = (earlier.month + interval 1 month)::date
where later.account_id is null
  and earlier.close_mrr != 0
  and earlier.month < (select max(period_start) from core.periods where grain = 'month')

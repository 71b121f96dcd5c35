/* ---
description: MRR at the rates of each day, put together from movements and rates, is what the contracts of the last day are worth at its rate.
--- */
with contracts as (
  select intervals.account_id, intervals.currency, sum(intervals.counted_amount) as amount
  from core.subscription_intervals as intervals
  cross join core.as_of
  where intervals.from_date <= as_of.as_of_date and coalesce(intervals.to_date > as_of.as_of_date, true)
  group by all
),
worth as (
  select contracts.account_id, sum(round(contracts.amount * fx_rates.spot_rate, 4)::decimal(18, 4)) as mrr
  from contracts
  cross join core.as_of
  inner join core.fx_rates
    on fx_rates.currency = contracts.currency and as_of.as_of_date between fx_rates.from_date and fx_rates.to_date
  group by contracts.account_id
),
bridged as (
  select account_id, sum(amount) as mrr
  from core.account_mrr_spot
  group by account_id
)
select coalesce(worth.account_id, bridged.account_id) as account_id, worth.mrr as of_contracts, bridged.mrr as of_movements
from worth
full join bridged on bridged.account_id = worth.account_id
where coalesce(worth.mrr, 0) != coalesce(bridged.mrr, 0)

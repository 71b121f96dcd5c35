/* ---
description: >
  Recurring revenue of each account and month at the rates of each day: what it began with, each kind of movement, what
  exchange rates did to it, and what it ended with. Opening plus movements is closing for every account and month, to the
  last digit. metrics.mrr_movements has the same at constant rates, where no currency moves anything.
materialized: table
owner: finance
unique_key: [account_id, month]
columns:
  account_id: {description: Account., data_tests: [not_null]}
  month: {description: First day of the month., data_tests: [not_null]}
  open_mrr: {description: MRR before the month., data_tests: [not_null]}
  new_mrr: {description: MRR of an account that never had any., data_tests: [not_null]}
  expansion_mrr: {description: Increases., data_tests: [not_null]}
  reactivation_mrr: {description: MRR of an account that had left., data_tests: [not_null]}
  contraction_mrr: {description: Decreases as a positive number., data_tests: [not_null]}
  churned_mrr: {description: MRR of an account that left as a positive number., data_tests: [not_null]}
  fx_mrr: {description: What exchange rates changed., data_tests: [not_null]}
  close_mrr: {description: MRR at the end of the month or on the as-of date., data_tests: [not_null]}
  currency: {description: The project's currency.}
data_tests:
  - unique_combination: {columns: [account_id, month]}
  - expression: open_mrr + new_mrr + expansion_mrr + reactivation_mrr - contraction_mrr - churned_mrr + fx_mrr = close_mrr
--- */
with levels as (
  select
    account_id,
    from_date,
    lead(from_date) over (partition by account_id order by from_date, place) as to_date,
    mrr
  from core.account_mrr_spot
  qualify row_number() over (partition by account_id, from_date order by place desc) = 1
),
months as (
  select period_start as month, range_start, read_date
  from core.periods
  where grain = 'month'
),
opening as (
  select months.month, levels.account_id, levels.mrr as open_mrr
  from months
  inner join levels
    on levels.from_date < months.range_start and coalesce(levels.to_date >= months.range_start, true)
  where levels.mrr > 0
),
closing as (
  select months.month, levels.account_id, levels.mrr as close_mrr
  from months
  inner join levels
    on levels.from_date <= months.read_date and coalesce(levels.to_date > months.read_date, true)
  where levels.mrr > 0
),
moved as (
  select
    months.month,
    spot.account_id,
    sum(spot.amount) filter (where spot.movement = 'new') as new_mrr,
    sum(spot.amount) filter (where spot.movement = 'expansion') as expansion_mrr,
    sum(spot.amount) filter (where spot.movement = 'reactivation') as reactivation_mrr,
    -sum(spot.amount) filter (where spot.movement = 'contraction') as contraction_mrr,
    -sum(spot.amount) filter (where spot.movement = 'churn') as churned_mrr,
    sum(spot.amount) filter (where spot.movement = 'fx') as fx_mrr
  from months
  inner join core.account_mrr_spot as spot on spot.from_date between months.range_start and months.read_date
  group by months.month, spot.account_id
),
present as (
  select month, account_id from opening
  union
  select month, account_id from closing
  union
  select month, account_id from moved
)
select
  present.account_id,
  present.month,
  coalesce(opening.open_mrr, 0)::decimal(18, 4) as open_mrr,
  coalesce(moved.new_mrr, 0)::decimal(18, 4) as new_mrr,
  coalesce(moved.expansion_mrr, 0)::decimal(18, 4) as expansion_mrr,
  coalesce(moved.reactivation_mrr, 0)::decimal(18, 4) as reactivation_mrr,
  coalesce(moved.contraction_mrr, 0)::decimal(18, 4) as contraction_mrr,
  coalesce(moved.churned_mrr, 0)::decimal(18, 4) as churned_mrr,
  coalesce(moved.fx_mrr, 0)::decimal(18, 4) as fx_mrr,
  coalesce(closing.close_mrr, 0)::decimal(18, 4) as close_mrr,
  run.currency
from present
cross join meta.run
left join opening on opening.month = present.month and opening.account_id = present.account_id
left join closing on closing.month = present.month and closing.account_id = present.account_id
left join moved on moved.month = present.month and moved.account_id = present.account_id

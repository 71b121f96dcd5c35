/* ---
description: >
  Monthly recurring revenue of each account at the rates of each day, one row per change: what the customer changed, at the
  rate of that day, and what a rate changed (fx), as movements apart. What was before plus all movements is what is now, to
  the last digit. Beside it core.account_mrr holds the same at constant rates, where no currency moves anything.
materialized: table
owner: finance
unique_key: [account_id, from_date, place]
columns:
  account_id: {description: Account., data_tests: [not_null]}
  from_date: {description: Day of the change., data_tests: [not_null]}
  place: {description: "1 for what the rate changed, 2 for what the customer changed on the same day.", data_tests: [not_null]}
  mrr_before: {description: MRR before the change., data_tests: [not_null]}
  mrr: {description: MRR after it., data_tests: [not_null, {accepted_range: {min: 0}}]}
  movement: {description: "fx, new, expansion, contraction, churn or reactivation.", data_tests: [not_null, {accepted_values: {values: [fx, new, expansion, contraction, churn, reactivation]}}]}
  amount: {description: mrr - mrr_before., data_tests: [not_null]}
data_tests:
  - unique_combination: {columns: [account_id, from_date, place]}
  - expression: mrr_before + amount = mrr
--- */
with steps as (
  select account_id, currency, from_date as step_date, counted_amount as step from core.subscription_intervals where counted_amount > 0
  union all
  select account_id, currency, to_date, -counted_amount from core.subscription_intervals where counted_amount > 0 and to_date is not null
),
daily as (
  select steps.account_id, steps.currency, steps.step_date, sum(steps.step) as step
  from steps
  cross join core.as_of
  where steps.step_date <= as_of.as_of_date
  group by all
),
levels as (
  select
    account_id,
    currency,
    step_date,
    sum(step) over (partition by account_id, currency order by step_date) as level,
    sum(step) over (partition by account_id, currency order by step_date) - step as level_before,
    lead(step_date) over (partition by account_id, currency order by step_date) as next_date
  from daily
),
valued as (
  select
    levels.account_id,
    levels.step_date as from_date,
    2 as place,
    round(levels.level * fx_rates.spot_rate, 4)::decimal(18, 4) - round(levels.level_before * fx_rates.spot_rate, 4)::decimal(18, 4) as amount
  from levels
  inner join core.fx_rates
    on fx_rates.currency = levels.currency and levels.step_date between fx_rates.from_date and fx_rates.to_date
  union all
  select
    levels.account_id,
    rates.from_date,
    1,
    round(levels.level * rates.spot_rate, 4)::decimal(18, 4) - round(levels.level * earlier.spot_rate, 4)::decimal(18, 4)
  from levels
  cross join core.as_of
  inner join core.fx_rates as rates
    on rates.currency = levels.currency
    and rates.from_date > levels.step_date
    and rates.from_date <= as_of.as_of_date
    and coalesce(rates.from_date <= levels.next_date, true)
  inner join core.fx_rates as earlier on earlier.currency = rates.currency and earlier.to_date = rates.from_date - 1
),
changes as (
  select account_id, from_date, place, sum(amount) as amount
  from valued
  group by account_id, from_date, place
  having sum(amount) != 0
),
running as (
  select
    *,
    sum(amount) over (partition by account_id order by from_date, place) as mrr,
    sum(case when place = 2 then 1 else 0 end) over (partition by account_id order by from_date, place) as customer_changes
  from changes
)
select
  account_id,
  from_date,
  place,
  (mrr - amount)::decimal(18, 4) as mrr_before,
  mrr::decimal(18, 4) as mrr,
  case
    when place = 1 then 'fx'
    when customer_changes = 1 then 'new'
    when mrr - amount = 0 then 'reactivation'
    when mrr = 0 then 'churn'
    when amount > 0 then 'expansion'
    else 'contraction'
  end as movement,
  amount::decimal(18, 4) as amount
from running

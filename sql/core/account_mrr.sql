/* ---
description: >
  Monthly recurring revenue of each account over time: one row per change, with the movement that it is. Days on which
  several items change are one movement. What was before plus all movements is what is now, to the last digit.
materialized: table
owner: finance
unique_key: [account_id, from_date]
columns:
  account_id: {description: Account., data_tests: [not_null, {relationships: {to: core.accounts, field: account_id}}]}
  from_date: {description: First day with this MRR., data_tests: [not_null]}
  to_date: {description: Day before which it ended; null while it holds.}
  mrr_before: {description: MRR on the day before., data_tests: [not_null]}
  mrr: {description: MRR from this day on., data_tests: [not_null, {accepted_range: {min: 0}}]}
  movement: {description: "new, expansion, contraction, churn or reactivation.", data_tests: [not_null, {accepted_values: {values: [new, expansion, contraction, churn, reactivation]}}]}
  amount: {description: mrr - mrr_before., data_tests: [not_null]}
data_tests:
  - unique_combination: {columns: [account_id, from_date]}
  - expression: mrr_before + amount = mrr
--- */
with steps as (
  select account_id, from_date as step_date, mrr as step from core.subscription_intervals where mrr > 0
  union all
  select account_id, to_date, -mrr from core.subscription_intervals where mrr > 0 and to_date is not null
),
daily as (
  select steps.account_id, steps.step_date, sum(steps.step) as step
  from steps
  cross join core.as_of
  where steps.step_date <= as_of.as_of_date
  group by steps.account_id, steps.step_date
  having sum(steps.step) != 0
),
levels as (
  select
    account_id,
    step_date,
    sum(step) over (partition by account_id order by step_date) as mrr,
    step,
    lead(step_date) over (partition by account_id order by step_date) as next_date,
    row_number() over (partition by account_id order by step_date) as place
  from daily
)
select
  account_id,
  step_date as from_date,
  next_date as to_date,
  (mrr - step)::decimal(18, 4) as mrr_before,
  mrr::decimal(18, 4) as mrr,
  case
    when place = 1 then 'new'
    when mrr - step = 0 then 'reactivation'
    when mrr = 0 then 'churn'
    when step > 0 then 'expansion'
    else 'contraction'
  end as movement,
  step::decimal(18, 4) as amount
from levels

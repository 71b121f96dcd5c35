/* ---
description: >
  The life of each customer so far, in one row: when it began, how many months it has lasted, whether it ended, what it has
  earned. A customer who left and came back is still there; the months in between count as life and earn nothing.
materialized: table
owner: finance
unique_key: [account_id]
columns:
  account_id: {description: Account., data_tests: [not_null, unique]}
  first_date: {description: First day with recurring revenue., data_tests: [not_null]}
  end_date: {description: Day on which it left; null while it is there.}
  months: {description: Months completed until it left or until the as-of date., data_tests: [not_null, {accepted_range: {min: 0}}]}
  is_churned: {description: True when it has left., data_tests: [not_null]}
  mrr: {description: MRR on the as-of date., data_tests: [not_null]}
  earned_revenue: {description: "Recurring revenue of its days so far: MRR x 12 / 365 a day.", data_tests: [not_null]}
--- */
select
  account_mrr.account_id,
  min(account_mrr.from_date) as first_date,
  case when max_by(account_mrr.mrr, (account_mrr.from_date, account_mrr.mrr)) = 0 then max(account_mrr.from_date) end as end_date,
  date_sub(
    'month',
    min(account_mrr.from_date),
    case when max_by(account_mrr.mrr, (account_mrr.from_date, account_mrr.mrr)) = 0 then max(account_mrr.from_date) else as_of.as_of_date end
  ) as months,
  max_by(account_mrr.mrr, (account_mrr.from_date, account_mrr.mrr)) = 0 as is_churned,
  max_by(account_mrr.mrr, (account_mrr.from_date, account_mrr.mrr))::decimal(18, 4) as mrr,
  round(
    sum(account_mrr.mrr * (coalesce(account_mrr.to_date, as_of.as_of_date) - account_mrr.from_date))::decimal(28, 4) * 12 / 365, 4
  )::decimal(18, 4) as earned_revenue
from core.account_mrr
cross join core.as_of
group by account_mrr.account_id, as_of.as_of_date

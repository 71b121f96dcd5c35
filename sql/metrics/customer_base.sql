/* ---
description: >
  Customers and their recurring revenue for each period and segment: at its start, what moved, at its end, and what became
  in twelve months of those who were there at the start of them. The KPIs about recurring revenue are quotients of these.
materialized: table
owner: finance
columns:
  period_key: {description: Key of the period., data_tests: [not_null]}
  grain: {description: "all, month or quarter."}
  period_start: {description: First day of the period; null for all.}
  dimension: {description: What the segment is a member of., data_tests: [not_null]}
  segment: {description: Member of the dimension., data_tests: [not_null]}
  is_complete: {description: False while the as-of date lies inside the period.}
  currency: {description: The project's currency.}
  customers_open: {description: Accounts with MRR before the period., data_tests: [not_null]}
  customers_new: {description: Accounts that had MRR for the first time., data_tests: [not_null]}
  customers_reactivated: {description: Times that an account came back., data_tests: [not_null]}
  customers_churned: {description: Times that an account left., data_tests: [not_null]}
  customers_close: {description: Accounts with MRR on the last day., data_tests: [not_null]}
  mrr_open: {description: MRR before the period., data_tests: [not_null]}
  mrr_new: {description: MRR of accounts that never had any., data_tests: [not_null]}
  mrr_expansion: {description: Increases., data_tests: [not_null]}
  mrr_reactivation: {description: MRR of accounts that had left., data_tests: [not_null]}
  mrr_contraction: {description: Decreases as a positive number., data_tests: [not_null]}
  mrr_churned: {description: MRR of accounts that left as a positive number., data_tests: [not_null]}
  mrr_close: {description: MRR on the last day., data_tests: [not_null]}
  window_churned: {description: Times that an account left within the twelve months that end with the period., data_tests: [not_null]}
  window_customer_months: {description: Sum over the months of that window of the customers at each month's start., data_tests: [not_null]}
  cohort_customers: {description: Accounts with MRR twelve months before the last day., data_tests: [not_null]}
  cohort_mrr_open: {description: Their MRR then., data_tests: [not_null]}
  cohort_mrr_kept: {description: The lower of their MRR then and now; nothing for those who have left in between., data_tests: [not_null]}
  cohort_mrr_close: {description: Their MRR now; nothing for those who have left in between., data_tests: [not_null]}
  missing: {description: Why recurring revenue cannot be stated; null when it can.}
data_tests:
  - unique_combination: {columns: [period_key, dimension, segment]}
  - expression: mrr_open + mrr_new + mrr_expansion + mrr_reactivation - mrr_contraction - mrr_churned = mrr_close
  - expression: customers_open + customers_new + customers_reactivated - customers_churned = customers_close
--- */
with opening as (
  select periods.period_key, account_segments.dimension, account_segments.segment, count(*) as customers, sum(account_mrr.mrr) as mrr
  from core.periods
  inner join core.account_mrr
    on account_mrr.from_date < periods.range_start and coalesce(account_mrr.to_date >= periods.range_start, true)
  inner join core.account_segments on account_segments.account_id = account_mrr.account_id
  where account_mrr.mrr > 0
  group by all
),
closing as (
  select periods.period_key, account_segments.dimension, account_segments.segment, count(*) as customers, sum(account_mrr.mrr) as mrr
  from core.periods
  inner join core.account_mrr
    on account_mrr.from_date <= periods.read_date and coalesce(account_mrr.to_date > periods.read_date, true)
  inner join core.account_segments on account_segments.account_id = account_mrr.account_id
  where account_mrr.mrr > 0
  group by all
),
moved as (
  select
    periods.period_key,
    account_segments.dimension,
    account_segments.segment,
    count(*) filter (where account_mrr.movement = 'new') as customers_new,
    count(*) filter (where account_mrr.movement = 'reactivation') as customers_reactivated,
    count(*) filter (where account_mrr.movement = 'churn') as customers_churned,
    sum(account_mrr.amount) filter (where account_mrr.movement = 'new') as mrr_new,
    sum(account_mrr.amount) filter (where account_mrr.movement = 'expansion') as mrr_expansion,
    sum(account_mrr.amount) filter (where account_mrr.movement = 'reactivation') as mrr_reactivation,
    -sum(account_mrr.amount) filter (where account_mrr.movement = 'contraction') as mrr_contraction,
    -sum(account_mrr.amount) filter (where account_mrr.movement = 'churn') as mrr_churned
  from core.periods
  inner join core.account_mrr on account_mrr.from_date between periods.range_start and periods.read_date
  inner join core.account_segments on account_segments.account_id = account_mrr.account_id
  group by all
),
monthly_counts as (
  select months.range_start as month_start, account_segments.dimension, account_segments.segment, count(*) as customers
  from core.periods as months
  inner join core.account_mrr
    on account_mrr.from_date < months.range_start and coalesce(account_mrr.to_date >= months.range_start, true)
  inner join core.account_segments on account_segments.account_id = account_mrr.account_id
  where months.grain = 'month' and account_mrr.mrr > 0
  group by all
),
window_months as (
  select periods.period_key, monthly_counts.dimension, monthly_counts.segment, sum(monthly_counts.customers)::bigint as customer_months
  from core.periods
  inner join monthly_counts on monthly_counts.month_start between periods.window_start and periods.read_date
  group by all
),
window_churn as (
  select periods.period_key, account_segments.dimension, account_segments.segment, count(*) as churned
  from core.periods
  inner join core.account_mrr
    on account_mrr.movement = 'churn' and account_mrr.from_date between periods.window_start and periods.read_date
  inner join core.account_segments on account_segments.account_id = account_mrr.account_id
  group by all
),
cohort as (
  select
    periods.period_key,
    earlier.account_id,
    earlier.mrr as open_mrr,
    case
      when bool_or(later.movement = 'churn') then 0
      else coalesce(max_by(later.mrr, (later.from_date, later.mrr)), earlier.mrr)
    end as close_mrr
  from core.periods
  inner join core.account_mrr as earlier
    on earlier.from_date <= (periods.read_date - interval 1 year)::date
    and coalesce(earlier.to_date > (periods.read_date - interval 1 year)::date, true)
  left join core.account_mrr as later
    on later.account_id = earlier.account_id
    and later.from_date > (periods.read_date - interval 1 year)::date
    and later.from_date <= periods.read_date
  where earlier.mrr > 0
  group by periods.period_key, earlier.account_id, earlier.mrr
),
cohorts as (
  select
    cohort.period_key,
    account_segments.dimension,
    account_segments.segment,
    count(*) as customers,
    sum(cohort.open_mrr) as mrr_open,
    sum(least(cohort.open_mrr, cohort.close_mrr)) as mrr_kept,
    sum(cohort.close_mrr) as mrr_close
  from cohort
  inner join core.account_segments on account_segments.account_id = cohort.account_id
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
  coalesce(opening.customers, 0) as customers_open,
  coalesce(moved.customers_new, 0) as customers_new,
  coalesce(moved.customers_reactivated, 0) as customers_reactivated,
  coalesce(moved.customers_churned, 0) as customers_churned,
  coalesce(closing.customers, 0) as customers_close,
  coalesce(opening.mrr, 0)::decimal(18, 4) as mrr_open,
  coalesce(moved.mrr_new, 0)::decimal(18, 4) as mrr_new,
  coalesce(moved.mrr_expansion, 0)::decimal(18, 4) as mrr_expansion,
  coalesce(moved.mrr_reactivation, 0)::decimal(18, 4) as mrr_reactivation,
  coalesce(moved.mrr_contraction, 0)::decimal(18, 4) as mrr_contraction,
  coalesce(moved.mrr_churned, 0)::decimal(18, 4) as mrr_churned,
  coalesce(closing.mrr, 0)::decimal(18, 4) as mrr_close,
  coalesce(window_churn.churned, 0) as window_churned,
  coalesce(window_months.customer_months, 0) as window_customer_months,
  coalesce(cohorts.customers, 0) as cohort_customers,
  coalesce(cohorts.mrr_open, 0)::decimal(18, 4) as cohort_mrr_open,
  coalesce(cohorts.mrr_kept, 0)::decimal(18, 4) as cohort_mrr_kept,
  coalesce(cohorts.mrr_close, 0)::decimal(18, 4) as cohort_mrr_close,
  coverage.billing_missing as missing
from core.account_grid as grid
left join core.coverage on true
left join opening using (period_key, dimension, segment)
left join closing using (period_key, dimension, segment)
left join moved using (period_key, dimension, segment)
left join window_months using (period_key, dimension, segment)
left join window_churn using (period_key, dimension, segment)
left join cohorts using (period_key, dimension, segment)

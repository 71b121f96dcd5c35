/* ---
description: >
  Sales and marketing costs beside media, per day: pay, commissions, tools, agencies, overhead, from
  seeds/sales_marketing_costs.csv. A month's cost is spread evenly over its days, which add up to it to the last digit.
materialized: table
owner: finance
columns:
  cost_date: {description: Day., data_tests: [not_null]}
  category: {description: Kind of cost; agency counts as paid acquisition., data_tests: [not_null]}
  project_cost: {description: Cost of the day in the project's currency; null when there is no rate.}
data_tests:
  - unique_combination: {columns: [cost_date, category]}
--- */
with monthly as (
  select
    date_trunc('month', month::date)::date as month_start,
    coalesce(lower(trim(category::varchar)), 'other') as category,
    coalesce(upper(trim(sales_marketing_costs.currency::varchar)), run.currency) as currency,
    sum(amount::decimal(18, 4)) as amount
  from seeds.sales_marketing_costs
  cross join meta.run
  group by all
),
days as (
  select
    month_start,
    category,
    currency,
    amount,
    extract(day from last_day(month_start)) as month_days,
    unnest(generate_series(month_start, month_start + interval 1 month - interval 1 day, interval 1 day))::date as cost_date
  from monthly
),
daily as (
  select
    cost_date,
    category,
    currency,
    round(amount * extract(day from cost_date) / month_days, 4)::decimal(18, 4)
      - round(amount * (extract(day from cost_date) - 1) / month_days, 4)::decimal(18, 4) as cost
  from days
)
select
  daily.cost_date,
  daily.category,
  sum(round(daily.cost * fx_rates.spot_rate, 4)::decimal(18, 4))::decimal(18, 4) as project_cost
from daily
left join core.fx_rates
  on fx_rates.currency = daily.currency and daily.cost_date between fx_rates.from_date and fx_rates.to_date
group by daily.cost_date, daily.category

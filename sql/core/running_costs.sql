/* ---
description: What running the system costs, a month and item at a time, from seeds/running_costs.csv.
materialized: table
owner: finance
columns:
  month: {description: First day of the month., data_tests: [not_null]}
  item: {description: What was paid for., data_tests: [not_null]}
  project_cost: {description: Cost in the project's currency at the rate of the month's first day; null when there is no rate.}
  requests: {description: Requests that the item answered., data_tests: [not_null]}
data_tests:
  - unique_combination: {columns: [month, item]}
--- */
with monthly as (
  select
    date_trunc('month', running_costs.month::date)::date as month,
    coalesce(lower(trim(running_costs.item::varchar)), 'other') as item,
    coalesce(upper(trim(running_costs.currency::varchar)), run.currency) as currency,
    running_costs.amount::decimal(18, 4) as amount,
    coalesce(running_costs.requests::bigint, 0) as requests
  from seeds.running_costs
  cross join meta.run
)
select
  monthly.month,
  monthly.item,
  sum(round(monthly.amount * fx_rates.spot_rate, 4)::decimal(18, 4))::decimal(18, 4) as project_cost,
  sum(monthly.requests)::bigint as requests
from monthly
left join core.fx_rates on fx_rates.currency = monthly.currency and monthly.month between fx_rates.from_date and fx_rates.to_date
group by monthly.month, monthly.item

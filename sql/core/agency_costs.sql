/* ---
description: >
  Agency fees by channel and day: each month's fees are shared among the paid channels by their media spend of that month, to
  the last digit. Fees of a month without media belong to no channel and are not here.
materialized: table
owner: finance
columns:
  cost_date: {description: Day., data_tests: [not_null]}
  channel: {description: Channel that the part is given to., data_tests: [not_null]}
  project_cost: {description: Part of the day's agency fees in the project's currency., data_tests: [not_null]}
data_tests:
  - unique_combination: {columns: [cost_date, channel]}
--- */
with monthly_media as (
  select date_trunc('month', spend_date)::date as month, channel, sum(project_cost) as cost
  from core.spend
  group by all
  having sum(project_cost) > 0
),
shares as (
  select
    month,
    channel,
    cost,
    sum(cost) over (partition by month order by channel) as cost_so_far,
    sum(cost) over (partition by month) as cost_of_all
  from monthly_media
)
select
  costs.cost_date,
  shares.channel,
  (
    round(costs.project_cost * shares.cost_so_far / shares.cost_of_all, 4)::decimal(18, 4)
    - round(costs.project_cost * (shares.cost_so_far - shares.cost) / shares.cost_of_all, 4)::decimal(18, 4)
  )::decimal(18, 4) as project_cost
from core.sales_marketing_costs as costs
inner join shares on shares.month = date_trunc('month', costs.cost_date)::date
where costs.category = 'agency' and costs.project_cost is not null

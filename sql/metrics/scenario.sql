/* ---
description: >
  What a lift of a conversion rate brings in a month, from seeds/scenarios.csv: orders and revenue before and after, what is
  incremental, the return on what it costs and the months until that is paid back.
materialized: table
owner: revenue-operations
unique_key: [scenario]
columns:
  scenario: {description: Name., data_tests: [not_null, unique]}
  orders: {description: Visitors x conversion rate., data_tests: [not_null]}
  revenue: {description: Orders x order value., data_tests: [not_null]}
  cost_per_order: {description: Media cost / orders; null without orders.}
  lift: {description: "(Test - control) / control, or the lift that is assumed."}
  lifted_rate: {description: Conversion rate with the lift.}
  lifted_orders: {description: Orders with the lift.}
  lifted_revenue: {description: Revenue with the lift.}
  incremental_revenue: {description: Revenue with the lift less revenue without.}
  return: {description: (Incremental revenue - added cost) / added cost; null where it costs nothing.}
  payback_months: {description: Added cost / incremental revenue of a month; null where nothing is incremental.}
--- */
with given as (
  select
    scenario::varchar as scenario,
    visitors::decimal(18, 4) as visitors,
    conversion_rate::decimal(18, 8) as control_rate,
    coalesce(
      (test_rate::decimal(18, 8) - conversion_rate::decimal(18, 8)) / nullif(conversion_rate::decimal(18, 8), 0), lift::decimal(18, 8)
    )::decimal(18, 8) as lift,
    order_value::decimal(18, 4) as order_value,
    media_cost::decimal(18, 4) as media_cost,
    added_cost::decimal(18, 4) as added_cost
  from seeds.scenarios
),
lifted as (
  select
    *,
    round(visitors * control_rate, 4)::decimal(18, 4) as orders,
    round(control_rate * (1 + lift), 8)::decimal(18, 8) as lifted_rate
  from given
),
valued as (
  select
    *,
    round(orders * order_value, 4)::decimal(18, 4) as revenue,
    round(visitors * lifted_rate, 4)::decimal(18, 4) as lifted_orders,
    round(round(visitors * lifted_rate, 4)::decimal(18, 4) * order_value, 4)::decimal(18, 4) as lifted_revenue
  from lifted
)
select
  scenario,
  orders,
  revenue,
  round(media_cost / nullif(orders, 0), 8)::decimal(28, 8) as cost_per_order,
  lift,
  lifted_rate,
  lifted_orders,
  lifted_revenue,
  (lifted_revenue - revenue)::decimal(18, 4) as incremental_revenue,
  round((lifted_revenue - revenue - added_cost) / nullif(added_cost, 0), 8)::decimal(28, 8) as return,
  case when lifted_revenue > revenue then round(added_cost / (lifted_revenue - revenue), 8) end::decimal(28, 8) as payback_months
from valued

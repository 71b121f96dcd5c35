/* ---
description: >
  Blended cost of acquiring a customer with costs moved by the median sales cycle: what was spent that many days
  earlier / accounts that became customers in the period. Shown beside cac_blended, because money is spent before it
  wins.
materialized: table
owner: revenue-operations
tags: [kpi]
unique_key: [kpi, grain, period_start, dimension, segment]
columns:
  kpi: {description: Name of the KPI., data_tests: [not_null, {accepted_values: {values: [cac_lagged]}}]}
  grain: {description: "all, month or quarter.", data_tests: [not_null, {accepted_values: {values: [all, month, quarter]}}]}
  period_start: {description: First day of the period; null for all.}
  dimension: {description: What the segment is a member of; total for everything., data_tests: [not_null]}
  segment: {description: Member of the dimension; all for the total., data_tests: [not_null]}
  numerator: {description: "Sales and marketing costs one median sales cycle earlier."}
  denominator: {description: "New customers."}
  value: {description: "Numerator / denominator; null without new customers or a sales cycle."}
  n: {description: "New customers.", data_tests: [not_null]}
  unit: {description: "Unit of the value: money.", data_tests: [not_null]}
  currency: {description: Currency of the value; null when it is not money.}
  status: {description: "ok, na (the value cannot be stated) or provisional (it may still change).", data_tests: [not_null, {accepted_values: {values: [ok, na, provisional]}}]}
  reason: {description: Why the value is na or provisional; or a remark on it.}
data_tests:
  - unique_combination: {columns: [kpi, grain, period_start, dimension, segment]}
  - expression: "(value is null) = (status = 'na')"
  - expression: "status = 'ok' or reason is not null"
--- */
with cycle as (
  select round(quantile_cont(cycle_days, 0.5))::integer as lag_days
  from core.opportunities
  where status = 'won'
),
daily_costs as (
  select spend_date as cost_date, project_cost from core.spend
  union all
  select cost_date, project_cost from core.sales_marketing_costs
),
lagged as (
  select base.period_key, sum(daily_costs.project_cost) as cost
  from metrics.acquisition as base
  cross join cycle
  inner join daily_costs
    on daily_costs.cost_date between base.range_start - cycle.lag_days and base.read_date - cycle.lag_days
  where base.dimension = 'total'
  group by base.period_key
),
arrivals as (
  select base.period_key, count(*) as customers
  from metrics.acquisition as base
  cross join cycle
  left join core.coverage on true
  inner join core.account_mrr
    on account_mrr.movement = 'new'
    and account_mrr.from_date between base.range_start and base.read_date
    and coalesce(account_mrr.from_date - cycle.lag_days >= coverage.costs_from, true)
  where base.dimension = 'total'
  group by base.period_key
)
select
  'cac_lagged' as kpi,
  base.grain,
  base.period_start,
  base.dimension,
  base.segment,
  coalesce(lagged.cost, 0)::decimal(18, 4) as numerator,
  coalesce(arrivals.customers, 0)::decimal(18, 4) as denominator,
  case when base.costs_missing is null and cycle.lag_days is not null then round(lagged.cost / nullif(arrivals.customers, 0), 8) end::decimal(28, 8) as value,
  coalesce(arrivals.customers, 0) as n,
  'money' as unit,
  base.currency,
  case
    when base.costs_missing is not null or base.customers_missing is not null or coalesce(arrivals.customers, 0) = 0 or cycle.lag_days is null or lagged.cost is null then 'na'
    when not base.is_complete then 'provisional'
    else 'ok'
  end as status,
  case
    when base.costs_missing is not null then base.costs_missing
    when base.customers_missing is not null then base.customers_missing
    when base.new_customers = 0 then 'no new customers in this period'
    when cycle.lag_days is null then 'no won opportunity with both dates, so there is no sales cycle'
    when lagged.cost is null or coalesce(arrivals.customers, 0) = 0 then 'no costs are known for the time one sales cycle earlier'
    when not base.is_complete then 'the period is not over'
    else 'costs of ' || cycle.lag_days || ' days earlier'
  end as reason
from metrics.acquisition as base
cross join cycle
left join lagged on lagged.period_key = base.period_key
left join arrivals on arrivals.period_key = base.period_key
where base.dimension = 'total'

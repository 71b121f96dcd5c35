/* ---
description: >
  Simple lifetime value of a customer: ARPA x gross margin / monthly logo churn. Churn is what left in the twelve
  months that end with the period, per customer and month. Lifetime (one over churn) is capped at the months that
  core.assumptions gives, also where nobody left, and the remark says so: few months of history promise no decades.
materialized: table
owner: revenue-operations
tags: [kpi]
unique_key: [kpi, grain, period_start, dimension, segment]
columns:
  kpi: {description: Name of the KPI., data_tests: [not_null, {accepted_values: {values: [ltv]}}]}
  grain: {description: "all, month or quarter.", data_tests: [not_null, {accepted_values: {values: [all, month, quarter]}}]}
  period_start: {description: First day of the period; null for all.}
  dimension: {description: What the segment is a member of; total for everything., data_tests: [not_null]}
  segment: {description: Member of the dimension; all for the total., data_tests: [not_null]}
  numerator: {description: "MRR x gross margin x customer-months of the window; where lifetime is capped MRR x gross margin x the cap."}
  denominator: {description: "Customers on the last day x customers lost in the window; where lifetime is capped customers alone."}
  value: {description: "Numerator / denominator; null without customers."}
  n: {description: "Accounts with MRR on the last day.", data_tests: [not_null]}
  unit: {description: "Unit of the value: money.", data_tests: [not_null]}
  currency: {description: Currency of the value; null when it is not money.}
  status: {description: "ok, na (the value cannot be stated) or provisional (it may still change).", data_tests: [not_null, {accepted_values: {values: [ok, na, provisional]}}]}
  reason: {description: Why the value is na or provisional; or a remark on it.}
data_tests:
  - unique_combination: {columns: [kpi, grain, period_start, dimension, segment]}
  - expression: "(value is null) = (status = 'na')"
  - expression: "status = 'ok' or reason is not null"
--- */
with lifetimes as (
  select
    base.*,
    assumptions.gross_margin,
    assumptions.ltv_cap_months,
    base.window_churned > 0 and base.window_customer_months = 0 as is_churn_unknown,
    base.window_customer_months > base.window_churned * assumptions.ltv_cap_months or base.window_churned = 0 as is_capped
  from metrics.customer_base as base
  cross join core.assumptions
),
parts as (
  select
    *,
    mrr_close::double * gross_margin * case when is_capped then ltv_cap_months else window_customer_months end as top,
    customers_close * case when is_capped then 1 else window_churned end as bottom
  from lifetimes
)
select
  'ltv' as kpi,
  grain,
  period_start,
  dimension,
  segment,
  top::decimal(18, 4) as numerator,
  bottom::decimal(18, 4) as denominator,
  case when customers_close > 0 and not is_churn_unknown then round(top / nullif(bottom, 0), 8) end::decimal(28, 8) as value,
  customers_close as n,
  'money' as unit,
  currency,
  case
    when missing is not null then 'na'
    when customers_close = 0 or is_churn_unknown then 'na'
    when not is_complete then 'provisional'
    else 'ok'
  end as status,
  case
    when missing is not null then missing
    when customers_close = 0 then 'no customers on the last day'
    when is_churn_unknown then 'nobody was a customer at the start of a month of the window, so churn cannot be stated'
    when not is_complete then 'the period is not over'
    when window_churned = 0 then 'nobody left in the window: lifetime is capped at ' || ltv_cap_months || ' months'
    when is_capped then 'churn is so low that lifetime is capped at ' || ltv_cap_months || ' months'
  end as reason
from parts

/* ---
description: >
  Simple lifetime value of a customer: ARPA x gross margin / monthly logo churn. Churn is what left in the twelve
  months that end with the period, per customer and month. Where nobody left, lifetime is capped at the months that
  core.assumptions gives, and the remark says so.
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
  numerator: {description: "MRR x gross margin x customer-months of the window; where nobody left MRR x gross margin x the cap."}
  denominator: {description: "Customers on the last day x customers lost in the window; where nobody left customers alone."}
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
select
  'ltv' as kpi,
  base.grain,
  base.period_start,
  base.dimension,
  base.segment,
  (case
    when base.window_churned = 0 then base.mrr_close::double * assumptions.gross_margin * assumptions.ltv_cap_months
    else base.mrr_close::double * assumptions.gross_margin * base.window_customer_months
  end)::decimal(18, 4) as numerator,
  (base.customers_close * greatest(base.window_churned, 1))::decimal(18, 4) as denominator,
  case
    when not (base.customers_close = 0 or (base.window_churned > 0 and base.window_customer_months = 0))
      then round(
        case
          when base.window_churned = 0 then base.mrr_close::double * assumptions.gross_margin * assumptions.ltv_cap_months
          else base.mrr_close::double * assumptions.gross_margin * base.window_customer_months
        end / nullif(base.customers_close * greatest(base.window_churned, 1), 0),
        8
      )
  end::decimal(28, 8) as value,
  base.customers_close as n,
  'money' as unit,
  base.currency,
  case
    when base.customers_close = 0 then 'na'
    when base.window_churned > 0 and base.window_customer_months = 0 then 'na'
    when not base.is_complete then 'provisional'
    else 'ok'
  end as status,
  case
    when base.customers_close = 0 then 'no customers on the last day'
    when base.window_churned > 0 and base.window_customer_months = 0 then 'nobody was a customer at the start of a month of the window, so churn cannot be stated'
    when not base.is_complete then 'the period is not over'
    when base.window_churned = 0 then 'nobody left in the window: lifetime is capped at ' || assumptions.ltv_cap_months || ' months'
  end as reason
from metrics.customer_base as base
cross join core.assumptions

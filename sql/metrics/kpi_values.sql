/* ---
description: Every KPI as today's data give it, before it is known what was stated earlier. One KPI is one file of this folder; a new one is added to this union.
materialized: table
owner: revenue-operations
tags: [kpi]
unique_key: [kpi, grain, period_start, dimension, segment]
columns:
  kpi: {description: Name of the KPI., data_tests: [not_null, {relationships: {to: metrics.kpi_definition, field: kpi}}]}
  grain: {description: "all, month or quarter.", data_tests: [not_null, {accepted_values: {values: [all, month, quarter]}}]}
  period_start: {description: First day of the period; null for all.}
  dimension: {description: What the segment is a member of; total for everything., data_tests: [not_null]}
  segment: {description: Member of the dimension; all for the total., data_tests: [not_null]}
  numerator: {description: Numerator; null for a median.}
  denominator: {description: "Denominator; null for a sum, a count and a median."}
  value: {description: The value; null with a reason when it cannot be stated and never zero or infinity instead.}
  n: {description: Records behind the value., data_tests: [not_null]}
  unit: {description: "Unit of the value.", data_tests: [not_null, {accepted_values: {values: [ratio, money, days, months, count, money_per_day, times, hours]}}]}
  currency: {description: Currency of the value; null when it is not money.}
  status: {description: "ok, na (the value cannot be stated) or provisional (it may still change) or restated (it was another one when its period closed).", data_tests: [not_null, {accepted_values: {values: [ok, na, provisional, restated]}}]}
  reason: {description: Why the value is na or provisional; or a remark on it.}
data_tests:
  - unique_combination: {columns: [kpi, grain, period_start, dimension, segment]}
  - expression: "(value is null) = (status = 'na')"
--- */
select * from metrics.mrr
union all by name
select * from metrics.customers
union all by name
select * from metrics.new_mrr
union all by name
select * from metrics.expansion_mrr
union all by name
select * from metrics.reactivation_mrr
union all by name
select * from metrics.contraction_mrr
union all by name
select * from metrics.churned_mrr
union all by name
select * from metrics.new_customers
union all by name
select * from metrics.arpa
union all by name
select * from metrics.nrr
union all by name
select * from metrics.grr
union all by name
select * from metrics.logo_churn
union all by name
select * from metrics.fx_mrr
union all by name
select * from metrics.mrr_spot
union all by name
select * from metrics.cac_blended
union all by name
select * from metrics.cac_lagged
union all by name
select * from metrics.payback_months
union all by name
select * from metrics.cac_paid
union all by name
select * from metrics.ltv
union all by name
select * from metrics.ltv_cac
union all by name
select * from metrics.ltv_cohort
union all by name
select * from metrics.revenue
union all by name
select * from metrics.deals_won
union all by name
select * from metrics.mean_deal
union all by name
select * from metrics.win_rate
union all by name
select * from metrics.win_rate_cohort
union all by name
select * from metrics.sales_cycle
union all by name
select * from metrics.open_pipeline
union all by name
select * from metrics.pipeline_velocity
union all by name
select * from metrics.funnel_conversion
union all by name
select * from metrics.assisted_conversions
union all by name
select * from metrics.assisted_pipeline
union all by name
select * from metrics.leads
union all by name
select * from metrics.lead_conversion
union all by name
select * from metrics.cpl
union all by name
select * from metrics.mqls
union all by name
select * from metrics.sqls
union all by name
select * from metrics.mql_conversion
union all by name
select * from metrics.cost_per_mql
union all by name
select * from metrics.cost_per_sql
union all by name
select * from metrics.lead_response_time
union all by name
select * from metrics.media_spend
union all by name
select * from metrics.ctr
union all by name
select * from metrics.cpc
union all by name
select * from metrics.cpm
union all by name
select * from metrics.cpa
union all by name
select * from metrics.roas
union all by name
select * from metrics.roas_platform
union all by name
select * from metrics.conversion_rate
union all by name
select * from metrics.revenue_per_visitor
union all by name
select * from metrics.open_rate
union all by name
select * from metrics.email_click_rate
union all by name
select * from metrics.invoiced_revenue
union all by name
select * from metrics.collected_revenue
union all by name
select * from metrics.collected_revenue_cohort
union all by name
select * from metrics.refunds
union all by name
select * from metrics.order_value
union all by name
select * from metrics.cost_per_request

/* ---
description: Every KPI in one relation. One KPI is one file of this folder; a new one is added to this union.
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
  unit: {description: "Unit of the value.", data_tests: [not_null, {accepted_values: {values: [ratio, money, days, months, count, money_per_day, times]}}]}
  currency: {description: Currency of the value; null when it is not money.}
  status: {description: "ok, na (the value cannot be stated) or provisional (it may still change).", data_tests: [not_null, {accepted_values: {values: [ok, na, provisional]}}]}
  reason: {description: Why the value is na or provisional; or a remark on it.}
data_tests:
  - unique_combination: {columns: [kpi, grain, period_start, dimension, segment]}
  - expression: "(value is null) = (status = 'na')"
--- */
select * from metrics.win_rate
union all by name
select * from metrics.win_rate_cohort
union all by name
select * from metrics.sales_cycle
union all by name
select * from metrics.revenue
union all by name
select * from metrics.deals_won
union all by name
select * from metrics.mean_deal
union all by name
select * from metrics.open_pipeline
union all by name
select * from metrics.pipeline_velocity

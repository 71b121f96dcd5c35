/* ---
description: The numbers that KPIs take as given, in one row, from seeds/assumptions.csv; a missing one has its default.
materialized: table
owner: finance
columns:
  gross_margin: {description: Share of recurring revenue left after the cost of serving it., data_tests: [not_null, {accepted_range: {min: 0, max: 1}}]}
  ltv_cap_months: {description: Lifetime in months where nobody has left., data_tests: [not_null]}
  ads_restatement_days: {description: Days for which ad platforms still change what they report., data_tests: [not_null]}
  lead_conversion_days: {description: Days within which a lead must become an opportunity to count as converted., data_tests: [not_null]}
  funnel_days: {description: Days within which an opportunity must be won to count in the conversion of its cohort., data_tests: [not_null]}
  journey_days: {description: Days before an opportunity in which a touch counts as on the way to it., data_tests: [not_null]}
  ltv_horizon_months: {description: Months of a customer's life that the cohort LTV looks at., data_tests: [not_null]}
  discount_rate: {description: What money of a year from now is worth less., data_tests: [not_null, {accepted_range: {min: 0, max: 1}}]}
--- */
select
  coalesce(max(value) filter (where name = 'gross_margin'), 0.80)::decimal(9, 8) as gross_margin,
  coalesce(max(value) filter (where name = 'ltv_cap_months'), 60)::integer as ltv_cap_months,
  coalesce(max(value) filter (where name = 'ads_restatement_days'), 14)::integer as ads_restatement_days,
  coalesce(max(value) filter (where name = 'lead_conversion_days'), 90)::integer as lead_conversion_days,
  coalesce(max(value) filter (where name = 'funnel_days'), 90)::integer as funnel_days,
  coalesce(max(value) filter (where name = 'journey_days'), 90)::integer as journey_days,
  coalesce(max(value) filter (where name = 'ltv_horizon_months'), 60)::integer as ltv_horizon_months,
  coalesce(max(value) filter (where name = 'discount_rate'), 0.10)::decimal(9, 8) as discount_rate
from seeds.assumptions

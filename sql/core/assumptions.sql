/* ---
description: The numbers that KPIs take as given, in one row, from seeds/assumptions.csv; a missing one has its default.
materialized: table
owner: finance
columns:
  gross_margin: {description: Share of recurring revenue left after the cost of serving it., data_tests: [not_null, {accepted_range: {min: 0, max: 1}}]}
  ltv_cap_months: {description: Lifetime in months where nobody has left., data_tests: [not_null]}
  ads_restatement_days: {description: Days for which ad platforms still change what they report., data_tests: [not_null]}
  lead_conversion_days: {description: Days within which a lead must become an opportunity to count as converted., data_tests: [not_null]}
--- */
select
  coalesce(max(value) filter (where name = 'gross_margin'), 0.80)::decimal(9, 8) as gross_margin,
  coalesce(max(value) filter (where name = 'ltv_cap_months'), 60)::integer as ltv_cap_months,
  coalesce(max(value) filter (where name = 'ads_restatement_days'), 14)::integer as ads_restatement_days,
  coalesce(max(value) filter (where name = 'lead_conversion_days'), 90)::integer as lead_conversion_days
from seeds.assumptions

/* ---
description: What each KPI means, in words, one row per KPI, from seeds/kpi_definitions.csv.
materialized: table
owner: revenue-operations
tags: [kpi]
columns:
  kpi: {description: Name of the KPI and of its relation in metrics., data_tests: [not_null, unique]}
  label: {description: Name for people., data_tests: [not_null]}
  unit: {description: "ratio, money, days, months, count or money_per_day.", data_tests: [not_null]}
  better: {description: "up when more is better, down when less is better, neutral otherwise.", data_tests: [not_null, {accepted_values: {values: [up, down, neutral]}}]}
  formula: {description: How it is computed., data_tests: [not_null]}
  remark: {description: What to know before comparing it.}
--- */
select
  kpi::varchar as kpi,
  label::varchar as label,
  unit::varchar as unit,
  better::varchar as better,
  formula::varchar as formula,
  remark::varchar as remark
from seeds.kpi_definitions

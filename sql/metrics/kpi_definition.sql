/* ---
description: What each KPI means, in words, one row per KPI, from seeds/kpi_definitions.csv.
materialized: table
owner: revenue-operations
tags: [kpi]
columns:
  kpi: {description: Name of the KPI and of its relation in metrics., data_tests: [not_null, unique]}
  label: {description: Name for people., data_tests: [not_null]}
  topic: {description: Heading under which it stands in lists., data_tests: [not_null]}
  unit: {description: "ratio, money, days, hours, months, count, times or money_per_day.", data_tests: [not_null]}
  better: {description: "up when more is better, down when less is better, neutral otherwise.", data_tests: [not_null, {accepted_values: {values: [up, down, neutral]}}]}
  formula: {description: How it is computed., data_tests: [not_null]}
  remark: {description: What to know before comparing it.}
  rollup: {description: "How values make up a larger one: sum (they add up), ratio (numerators and denominators add up), stock and stock_ratio (the same over segments; the last period stands for several), segments and periods (they add up over one of them only), none (they do not).", data_tests: [not_null, {accepted_values: {values: [sum, ratio, stock, stock_ratio, segments, periods, none]}}]}
  no_slices: {description: Why it is not stated for other dimensions; null when nothing stands against them.}
  benchmark_low: {description: Lower end of a public band; a direction and no goal.}
  benchmark_high: {description: Upper end of the public band.}
--- */
select
  kpi::varchar as kpi,
  label::varchar as label,
  topic::varchar as topic,
  unit::varchar as unit,
  better::varchar as better,
  formula::varchar as formula,
  remark::varchar as remark,
  rollup::varchar as rollup,
  no_slices::varchar as no_slices,
  benchmark_low::varchar::decimal(18, 8) as benchmark_low,
  benchmark_high::varchar::decimal(18, 8) as benchmark_high
from seeds.kpi_definitions

/* ---
description: >
  What each KPI was stated as in total, from when until when: one row per value and stretch of time; one that was replaced at
  the same logical time held for none. What a report could say on a day is: valid_from <= day and coalesce(valid_to > day, true).
materialized: snapshot
owner: revenue-operations
tags: [kpi]
unique_key: [kpi, grain, period_start, dimension, segment]
columns:
  kpi: {description: Name of the KPI., data_tests: [not_null]}
  grain: {description: month or quarter., data_tests: [not_null]}
  period_start: {description: First day of the period., data_tests: [not_null]}
  dimension: {description: total., data_tests: [not_null]}
  segment: {description: all., data_tests: [not_null]}
  value: {description: Value as it was stated.}
  numerator: {description: Its numerator.}
  denominator: {description: Its denominator.}
  unit: {description: Unit of the value.}
  currency: {description: Currency of the value; null when it is not money.}
  status: {description: Status as it was stated.}
  valid_from: {description: "When it was first stated (logical time of the run, UTC)."}
  valid_to: {description: When something else was; null while it holds.}
data_tests:
  - unique_combination: {columns: [kpi, grain, period_start, dimension, segment], where: valid_to is null}
  - unique_combination: {columns: [kpi, grain, period_start, dimension, segment, valid_from], where: valid_to is distinct from valid_from}
--- */
select kpi, grain, period_start, dimension, segment, value, numerator, denominator, unit, currency, status
from metrics.kpi_values
where grain in ('month', 'quarter') and dimension = 'total'

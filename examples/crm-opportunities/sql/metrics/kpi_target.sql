/* ---
description: Targets of the team, one row each, from seeds/targets.csv. A KPI without a row there has no target.
materialized: table
owner: revenue-operations
tags: [kpi]
columns:
  kpi: {description: Name of the KPI., data_tests: [not_null, {relationships: {to: metrics.kpi_definition, field: kpi}}]}
  dimension: {description: What the segment is a member of., data_tests: [not_null]}
  segment: {description: Member of the dimension., data_tests: [not_null]}
  grain: {description: "Period that the target is for: all, month or quarter.", data_tests: [not_null, {accepted_values: {values: [all, month, quarter]}}]}
  target: {description: The value to reach., data_tests: [not_null]}
  direction: {description: "up when more is better, down when less is better.", data_tests: [not_null, {accepted_values: {values: [up, down]}}]}
  note: {description: Where the target comes from.}
data_tests:
  - unique_combination: {columns: [kpi, dimension, segment, grain]}
--- */
select
  kpi::varchar as kpi,
  dimension::varchar as dimension,
  segment::varchar as segment,
  grain::varchar as grain,
  target::decimal(28, 8) as target,
  direction::varchar as direction,
  note::varchar as note
from seeds.targets

/* ---
description: >
  Every period crossed with every segment that has ever had an opportunity. KPIs about opportunities give one row for
  each, so that a month in which nothing happened says so instead of being absent.
materialized: table
owner: revenue-operations
columns:
  period_key: {description: Key of the period., data_tests: [not_null, {relationships: {to: core.periods, field: period_key}}]}
  grain: {description: "all, month or quarter.", data_tests: [not_null]}
  period_start: {description: First day of the period; null for all.}
  range_start: {description: First day that counts.}
  range_end: {description: Last day that counts.}
  window_start: {description: First day of the twelve months that end with the period.}
  read_date: {description: Day on which stocks are read.}
  is_complete: {description: False while the as-of date lies inside the period.}
  dimension: {description: What the segment is a member of., data_tests: [not_null]}
  segment: {description: Member of the dimension., data_tests: [not_null]}
  currency: {description: The project's currency., data_tests: [not_null]}
  missing: {description: Why nothing can be stated about opportunities; null when it can.}
data_tests:
  - unique_combination: {columns: [period_key, dimension, segment]}
--- */
with segments as (
  select dimension, segment from core.opportunity_segments
  union
  select 'total', 'all'
)
select
  periods.period_key,
  periods.grain,
  periods.period_start,
  periods.range_start,
  periods.range_end,
  periods.window_start,
  periods.read_date,
  periods.is_complete,
  segments.dimension,
  segments.segment,
  run.currency,
  case when not exists (select 1 from core.opportunities) then 'no opportunity is known: connect a CRM' end as missing
from core.periods
cross join segments
cross join meta.run

/* ---
description: Findings of quality.repairs counted per rule and stream, with their share of the stream's rows.
materialized: table
owner: revenue-operations
columns:
  source: {description: Source., data_tests: [not_null]}
  stream: {description: Stream of the source., data_tests: [not_null]}
  repair_rule: {description: Rule., data_tests: [not_null]}
  column_name: {description: Column of the file., data_tests: [not_null]}
  effect: {description: repaired or unusable., data_tests: [not_null]}
  findings: {description: Rows found., data_tests: [not_null]}
  stream_rows: {description: Rows of the stream., data_tests: [not_null]}
  share: {description: findings / stream_rows., data_tests: [{accepted_range: {min: 0, max: 1}}]}
  consequence: {description: What it means for the numbers and what to do.}
data_tests:
  - unique_combination: {columns: [source, stream, repair_rule]}
--- */
with stream_sizes as (
  select 'opportunities' as stream, count(*) as stream_rows from staging.crm_opportunities
  union all
  select 'accounts', count(*) from staging.crm_accounts
),
counted as (
  select source, stream, repair_rule, column_name, effect, consequence, count(*) as findings
  from quality.repairs
  group by all
)
select
  counted.source,
  counted.stream,
  counted.repair_rule,
  counted.column_name,
  counted.effect,
  counted.findings,
  stream_sizes.stream_rows,
  round(counted.findings / stream_sizes.stream_rows, 8)::decimal(18, 8) as share,
  counted.consequence
from counted
inner join stream_sizes on stream_sizes.stream = counted.stream

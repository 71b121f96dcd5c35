/* ---
description: Findings of quality.repairs counted per rule, source and stream, with their share of the stream's records.
materialized: table
owner: revenue-operations
columns:
  source: {description: Source., data_tests: [not_null]}
  stream: {description: Stream of the source., data_tests: [not_null]}
  repair_rule: {description: Rule., data_tests: [not_null]}
  column_name: {description: Column., data_tests: [not_null]}
  effect: {description: repaired or unusable., data_tests: [not_null]}
  findings: {description: Records found., data_tests: [not_null]}
  stream_rows: {description: Records of the stream.}
  share: {description: findings / stream_rows.}
  consequence: {description: What it means for the numbers and what to do.}
data_tests:
  - unique_combination: {columns: [source, stream, repair_rule, column_name, effect]}
--- */
with stream_sizes as (
  select source, 'contacts' as stream, count(*) as stream_rows from staging.hubspot_contacts group by source
  union all
  select source, 'companies', count(*) from staging.hubspot_companies group by source
  union all
  select source, 'deals', count(*) from core.opportunities group by source
  union all
  select 'billing', 'invoices', count(*) from core.invoices
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
  round(counted.findings / nullif(stream_sizes.stream_rows, 0), 8)::decimal(18, 8) as share,
  counted.consequence
from counted
left join stream_sizes on stream_sizes.source = counted.source and stream_sizes.stream = counted.stream

/* ---
description: What each blocking rule proposed. A rule that skips nodes may miss pairs which no other rule finds.
materialized: table
owner: revenue-operations
unique_key: [entity, rule]
columns:
  entity: {description: person or company., data_tests: [not_null]}
  rule: {description: Blocking rule., data_tests: [not_null]}
  blocks: {description: Blocks of two nodes and more., data_tests: [not_null]}
  biggest: {description: Nodes of the biggest block., data_tests: [not_null]}
  skipped: {description: Nodes left out because their block was too big., data_tests: [not_null]}
  pairs: {description: Pairs that it proposed., data_tests: [not_null]}
data_tests:
  - unique_combination: {columns: [entity, rule]}
--- */
select 'person' as entity, rule, blocks, biggest, skipped, pairs
from identity.person_links
where item = 'block'
union all
select 'company', rule, blocks, biggest, skipped, pairs
from identity.company_links
where item = 'block'

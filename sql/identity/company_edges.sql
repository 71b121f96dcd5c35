/* ---
description: >
  Evidence that two records are the same company: both hold the same identifier of its own. An identifier on many records
  ties each of them to the first, which keeps the number of edges linear.
materialized: table
owner: revenue-operations
columns:
  left_key: {description: First record by key., data_tests: [not_null]}
  right_key: {description: The other record., data_tests: [not_null]}
  match_rule: {description: Identifier type that they share., data_tests: [not_null]}
  identifier_value: {description: The value that they share., data_tests: [not_null]}
  weight: {description: "What the evidence is worth in thousandths of a bit, from seeds.identity_rules.", data_tests: [not_null]}
data_tests:
  - unique_combination: {columns: [left_key, right_key, match_rule]}
  - expression: left_key < right_key
--- */
with own as (
  select
    record_key,
    identifier_type,
    identifier_value,
    records,
    min(record_key) over (partition by identifier_type, identifier_value) as anchor_key
  from identity.company_identifiers
  where identifier_class = 'own'
),
shared as (
  select
    left_side.record_key as left_key,
    right_side.record_key as right_key,
    left_side.identifier_type as match_rule,
    min(left_side.identifier_value) as identifier_value
  from own as left_side
  inner join own as right_side
    on right_side.identifier_type = left_side.identifier_type
    and right_side.identifier_value = left_side.identifier_value
    and right_side.record_key > left_side.record_key
  where left_side.records <= 12 or left_side.record_key = left_side.anchor_key
  group by left_side.record_key, right_side.record_key, left_side.identifier_type
)
select
  shared.left_key,
  shared.right_key,
  shared.match_rule,
  shared.identifier_value,
  rules.weight
from shared
inner join seeds.identity_rules as rules on rules.entity = 'company' and rules.match_rule = shared.match_rule

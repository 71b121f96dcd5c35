/* ---
description: >
  Evidence that two records are the same company: both hold the same identifier of its own. Each record is joined to the
  first record of its identifier.
materialized: table
owner: revenue-operations
columns:
  left_key: {description: First record by key., data_tests: [not_null]}
  right_key: {description: The other record., data_tests: [not_null]}
  match_rule: {description: Identifier type that they share., data_tests: [not_null]}
  identifier_value: {description: The value that they share., data_tests: [not_null]}
data_tests:
  - unique_combination: {columns: [left_key, right_key, match_rule]}
  - expression: left_key < right_key
--- */
with anchored as (
  select
    record_key,
    identifier_type,
    identifier_value,
    min(record_key) over (partition by identifier_type, identifier_value) as anchor_key
  from identity.company_identifiers
  where identifier_class = 'own'
)
select
  anchor_key as left_key,
  record_key as right_key,
  identifier_type as match_rule,
  min(identifier_value) as identifier_value
from anchored
where record_key != anchor_key
group by anchor_key, record_key, identifier_type

/* ---
description: >
  Evidence that two records are the same person: both hold the same personal identifier. Records that have nothing but a
  role inbox are tied by its address; they make a mailbox, not a person. An identifier on many records ties each of them to
  the first, which keeps the number of edges linear.
materialized: table
owner: revenue-operations
columns:
  left_key: {description: First record by key., data_tests: [not_null]}
  right_key: {description: The other record., data_tests: [not_null]}
  match_rule: {description: "Identifier type that they share, or role_inbox.", data_tests: [not_null]}
  identifier_value: {description: The value that they share., pii: id, data_tests: [not_null]}
  weight: {description: "What the evidence is worth in thousandths of a bit, from seeds.identity_rules.", data_tests: [not_null]}
data_tests:
  - unique_combination: {columns: [left_key, right_key, match_rule]}
  - expression: left_key < right_key
--- */
with personal as (
  select
    record_key,
    identifier_type,
    identifier_value,
    records,
    min(record_key) over (partition by identifier_type, identifier_value) as anchor_key
  from identity.person_identifiers
  where identifier_class = 'personal'
),
shared as (
  select
    left_side.record_key as left_key,
    right_side.record_key as right_key,
    left_side.identifier_type as match_rule,
    min(left_side.identifier_value) as identifier_value
  from personal as left_side
  inner join personal as right_side
    on right_side.identifier_type = left_side.identifier_type
    and right_side.identifier_value = left_side.identifier_value
    and right_side.record_key > left_side.record_key
  where left_side.records <= 12 or left_side.record_key = left_side.anchor_key
  group by left_side.record_key, right_side.record_key, left_side.identifier_type
),
tied as (
  select left_key as record_key from shared
  union
  select right_key from shared
),
lone_inboxes as (
  select records.record_key, records.email, min(records.record_key) over (partition by records.email) as anchor_key
  from identity.person_records as records
  anti join tied on tied.record_key = records.record_key
  where records.is_role_inbox and records.object != 'customer'
),
evidence as (
  select left_key, right_key, match_rule, identifier_value from shared
  union all
  select anchor_key, record_key, 'role_inbox', email from lone_inboxes where record_key != anchor_key
)
select
  evidence.left_key,
  evidence.right_key,
  evidence.match_rule,
  evidence.identifier_value,
  rules.weight
from evidence
inner join seeds.identity_rules as rules on rules.entity = 'person' and rules.match_rule = evidence.match_rule

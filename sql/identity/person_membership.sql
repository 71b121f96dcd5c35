/* ---
description: >
  Which person each record belongs to. The clusters are those of identity.person_clusters; the ids are carried over from
  the build before by the greatest overlap (identity.person_history), so that records which come, go or move change no id
  but their own. Records that have nothing but a role inbox make a mailbox and not a person.
materialized: table
owner: revenue-operations
unique_key: [record_key]
columns:
  record_key: {description: Record., data_tests: [not_null, unique]}
  person_id: {description: "Person or mailbox: p_ and 16 hexadecimal digits, given once and never to somebody else.", data_tests: [not_null]}
  entity_kind: {description: person or mailbox., data_tests: [not_null, {accepted_values: {values: [person, mailbox]}}]}
  anchor_key: {description: Earliest record of the person., data_tests: [not_null]}
  match_rules: {description: "Rules that tie the record to others, comma separated; null when it stands alone."}
  records: {description: Records of the person., data_tests: [not_null]}
--- */
with explained as (
  select record_key, string_agg(distinct match_rule, ', ' order by match_rule) as match_rules
  from (
    select left_key as record_key, match_rule from identity.person_edges
    union all
    select right_key, match_rule from identity.person_edges
  )
  group by record_key
),
placed as (
  select
    history.record_key,
    history.entity_id as person_id,
    records.created_at,
    explained.match_rules,
    records.is_role_inbox and records.object != 'customer' and coalesce(explained.match_rules, 'role_inbox') = 'role_inbox' as is_lone_inbox
  from identity.person_history as history
  inner join identity.person_records as records on records.record_key = history.record_key
  left join explained on explained.record_key = history.record_key
  where history.item = 'member' and history.status = 'present'
)
select
  record_key,
  person_id,
  case when bool_and(is_lone_inbox) over (partition by person_id) then 'mailbox' else 'person' end as entity_kind,
  first_value(record_key) over (partition by person_id order by created_at nulls last, record_key) as anchor_key,
  match_rules,
  count(*) over (partition by person_id) as records
from placed

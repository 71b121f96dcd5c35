/* ---
description: >
  Which person each record belongs to: the connected components of identity.person_edges. Records that have nothing but
  a role inbox are kept together per address as a mailbox and not as a person. The id is made from the component's
  earliest record (by creation, then key), so that a record which is added later does not change it.
materialized: table
owner: revenue-operations
unique_key: [record_key]
columns:
  record_key: {description: Record., data_tests: [not_null, unique]}
  person_id: {description: "Person or mailbox: p_ and the first 16 digits of the MD5 of the anchor's key.", data_tests: [not_null]}
  entity_kind: {description: person or mailbox., data_tests: [not_null, {accepted_values: {values: [person, mailbox]}}]}
  anchor_key: {description: Record that the id is made from., data_tests: [not_null]}
  match_rules: {description: "Rules that tie the record to others, comma separated; null when it stands alone."}
  records: {description: Records of the person., data_tests: [not_null]}
--- */
with recursive links as (
  select left_key as from_key, right_key as to_key from identity.person_edges
  union
  select right_key, left_key from identity.person_edges
),
reached as (
  select record_key, record_key as member_key from identity.person_records
  union
  select reached.record_key, links.to_key
  from reached
  inner join links on links.from_key = reached.member_key
),
components as (
  select record_key, min(member_key) as component_key
  from reached
  group by record_key
),
mailboxes as (
  select records.record_key, min(records.email) as address
  from identity.person_records as records
  left join identity.person_edges as edges
    on edges.left_key = records.record_key or edges.right_key = records.record_key
  where records.is_role_inbox and edges.left_key is null and records.object != 'customer'
  group by records.record_key
),
grouped as (
  select
    components.record_key,
    coalesce('mailbox:' || mailboxes.address, components.component_key) as group_key,
    case when mailboxes.address is null then 'person' else 'mailbox' end as entity_kind
  from components
  left join mailboxes on mailboxes.record_key = components.record_key
),
anchored as (
  select
    grouped.*,
    first_value(grouped.record_key) over (
      partition by grouped.group_key
      order by records.created_at nulls last, grouped.record_key
    ) as anchor_key,
    count(*) over (partition by grouped.group_key) as records
  from grouped
  inner join identity.person_records as records on records.record_key = grouped.record_key
),
explained as (
  select record_key, string_agg(distinct match_rule, ', ' order by match_rule) as match_rules
  from (
    select left_key as record_key, match_rule from identity.person_edges
    union all
    select right_key, match_rule from identity.person_edges
  )
  group by record_key
)
select
  anchored.record_key,
  'p_' || left(md5(anchored.anchor_key), 16) as person_id,
  anchored.entity_kind,
  anchored.anchor_key,
  explained.match_rules,
  anchored.records
from anchored
left join explained on explained.record_key = anchored.record_key

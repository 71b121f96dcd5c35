/* ---
description: >
  What identity resolution remembers about people from build to build, in three kinds of rows: member (which entity a
  record belongs to), entity (every id that was ever given) and event (every change). One relation, so that none can be
  published without the others. It is carried from build to build, survives --full-refresh, and is exported as Parquet.
materialized: operator
operator: identity_stable_ids
options: {prefix: p_}
stateful: true
owner: revenue-operations
columns:
  item: {description: "member, entity or event.", type: VARCHAR, data_tests: [not_null, {accepted_values: {values: [member, entity, event]}}]}
  seq: {description: "Event: its number. Entity: the number of the event that made it.", type: BIGINT}
  record_key: {description: "Member: the record.", type: VARCHAR, pii: id}
  entity_id: {description: "Entity that the row is about.", type: VARCHAR, data_tests: [not_null]}
  other_id: {description: "Member: entity that the record came from. Entity: the one that took its records. Event: the other entity.", type: VARCHAR}
  status: {description: "Member: present or absent. Entity: active, merged, ended or erased. Event: its kind.", type: VARCHAR, data_tests: [not_null]}
  record_keys: {description: "Event: the records that changed sides, as a JSON list.", type: VARCHAR, pii: id}
  records: {description: "Entity and event: number of records.", type: BIGINT}
  cause: {description: "Event: records, override or erasure.", type: VARCHAR}
  on_day: {description: "Event: logical day of the build.", type: DATE, tags: [operational]}
--- */
with strong as (
  select distinct identifiers.record_key
  from identity.person_identifiers as identifiers
  inner join seeds.identity_rules as rules
    on rules.entity = 'person' and rules.match_rule = identifiers.identifier_type and rules.is_strong
),
placed as (
  select
    clusters.record_key,
    clusters.cluster_key,
    1 + case when strong.record_key is null then 0 else 5 end + case when records.object = 'contact' then 20 else 0 end as weight,
    row_number() over (order by records.created_at nulls last, clusters.record_key) as rank
  from identity.person_clusters as clusters
  inner join identity.person_records as records on records.record_key = clusters.record_key
  left join strong on strong.record_key = clusters.record_key
),
touched as (
  select distinct unnest(from_json(records, '["VARCHAR"]')) as record_key
  from identity.override_status
  where status = 'applied' and records is not null
)
select
  'record' as item, rank as seq, record_key, cluster_key as entity_id, null::varchar as other_id, null::varchar as status,
  null::varchar as record_keys, weight::bigint as records, null::varchar as cause, null::date as on_day
from placed
union all
select 'erased', null, record_key, null, null, null, null, null, null, null
from identity.erased_records
union all
select 'touched', null, record_key, null, null, null, null, null, null, null
from touched
union all
select 'day', null, null, null, null, null, null, null, null, today
from meta.run
union all
select item, seq, record_key, entity_id, other_id, status, record_keys, records, cause, on_day
from identity.person_history

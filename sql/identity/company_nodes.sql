/* ---
description: >
  Which records rules and people make one, before anything is weighed: merges that people recorded first, then shared
  identifiers by their weight, and never across a split or into a locked entity. identity.company_links compares these nodes.
materialized: operator
operator: identity_cluster
owner: revenue-operations
unique_key: [record_key]
columns:
  record_key: {description: Record., data_tests: [not_null, unique]}
  cluster_key: {description: Record that the node is named by., data_tests: [not_null]}
--- */
select
  'record' as item, record_key as left_key, null::varchar as right_key, null::bigint as weight,
  null::bigint as number, null::varchar as kind, null::varchar as left_keys, null::varchar as right_keys
from identity.company_records
union all
select 'edge', left_key, right_key, weight, null, null, null, null
from identity.company_edges
union all
select 'override', null, null, null, override_id, kind, left_keys, right_keys
from identity.overrides
where entity = 'company' and revoked_at is null

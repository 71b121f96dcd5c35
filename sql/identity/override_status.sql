/* ---
description: >
  What became of each merge, split, lock, block and preference in this build. One that contradicts another is set aside
  and named here and by the build's warning: nothing is merged by accident.
materialized: operator
operator: identity_verdicts
owner: revenue-operations
unique_key: [override_id]
columns:
  override_id: {description: Number of the override., data_tests: [not_null, unique]}
  status:
    description: "applied, waiting (its records are not delivered) or contradicted."
    data_tests:
      - not_null
      - accepted_values: {values: [applied, waiting, contradicted]}
      - expression:
          name: no_override_is_contradicted
          expression: status != 'contradicted'
          severity: warn
          description: Two overrides say the opposite; the merge was set aside. See column why, and take one back with millrace identity undo.
  contradicts: {description: Number of the override that says the opposite.}
  why: {description: "The chain that contradicts it, in words.", pii: id}
  records: {description: "Records that it names, as a JSON list.", pii: id}
--- */
select
  'record' as item, record_key as left_key, null::varchar as right_key, null::bigint as weight,
  null::bigint as number, null::varchar as kind, null::varchar as left_keys, null::varchar as right_keys
from identity.person_records
union all
select 'record', record_key, null, null, null, null, null, null
from identity.company_records
union all
select 'override', null, entity, null, override_id, kind, left_keys, right_keys
from identity.overrides
where revoked_at is null

/* ---
description: >
  Where ids that no longer stand for anybody lead, in one step however many merges later. Look an old id up here before
  concluding that it is unknown; one that was erased leads nowhere and whoever holds it deletes.
materialized: table
owner: revenue-operations
unique_key: [old_id]
columns:
  old_id: {description: Id that was given once., data_tests: [not_null, unique]}
  entity: {description: person or company., data_tests: [not_null]}
  current_id: {description: Id that stands for it now; null when nobody does.}
  status: {description: "merged, ended (its records are no longer delivered) or erased.", data_tests: [not_null, {accepted_values: {values: [merged, ended, erased]}}]}
--- */
with ids as (
  select 'person' as entity, entity_id, other_id, status from identity.person_history where item = 'entity'
  union all
  select 'company', entity_id, other_id, status from identity.company_history where item = 'entity'
)
select
  old.entity_id as old_id,
  old.entity,
  case when current.status = 'active' then current.entity_id end as current_id,
  case when old.status = 'merged' and current.status != 'active' then current.status else old.status end as status
from ids as old
left join ids as current on current.entity = old.entity and current.entity_id = old.other_id
where old.status != 'active'

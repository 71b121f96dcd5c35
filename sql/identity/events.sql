/* ---
description: >
  Every change of identity, numbered per kind of entity: what was created, merged, split, moved, ended, came back or was
  erased. Only added to, so that a reader which remembers the last number it saw misses nothing; erasure takes the erased
  records out of earlier events.
materialized: table
owner: revenue-operations
unique_key: [entity, event_no]
columns:
  entity: {description: person or company., data_tests: [not_null]}
  event_no: {description: "Number of the event, from 1 without gaps.", data_tests: [not_null]}
  event: {description: "create, merge, split, move, end, return or erase.", data_tests: [not_null, {accepted_values: {values: [create, merge, split, move, end, return, erase]}}]}
  entity_id: {description: "Entity that the event is about: the survivor of a merge, the new one of a split, where records moved to.", data_tests: [not_null]}
  other_id: {description: "The other entity: merged away, split or moved from."}
  records: {description: Records concerned., data_tests: [not_null]}
  record_keys: {description: "Records that changed sides, as a JSON list.", pii: id}
  cause: {description: "records (new evidence or other rules), override or erasure.", data_tests: [not_null]}
  on_day: {description: Logical day of the build., tags: [operational]}
data_tests:
  - unique_combination: {columns: [entity, event_no]}
--- */
select 'person' as entity, seq as event_no, status as event, entity_id, other_id, records, record_keys, cause, on_day
from identity.person_history
where item = 'event'
union all
select 'company', seq, status, entity_id, other_id, records, record_keys, cause, on_day
from identity.company_history
where item = 'event'

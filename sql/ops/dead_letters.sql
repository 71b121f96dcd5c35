/* ---
description: >
  Rows that did not arrive and will not by themselves, the newest word about each: refused by the destination, given up, or
  not known. millrace activate retry plans them again; a sync over this relation is the fallback, such as a task or a message
  to the person who looks after it.
materialized: table
owner: revenue-operations
tags: [ops]
unique_key: [sync, key_id]
columns:
  sync: {description: File in activate/., data_tests: [not_null]}
  destination: {description: System that was written to.}
  key_id: {description: Keyed hash of the row's key., tags: [operational], data_tests: [not_null]}
  outbox_id: {description: Row., tags: [operational], data_tests: [not_null]}
  plan_id: {description: Plan that it belongs to., tags: [operational]}
  subject: {description: "Person or account, where the sync names one.", tags: [pii_id]}
  operation: {description: What was asked for.}
  state: {description: "rejected, dead or unknown.", data_tests: [not_null, {accepted_values: {values: [rejected, dead, unknown]}}]}
  class: {description: Kind of refusal.}
  message: {description: What was said.}
  attempts: {description: How often it was sent., tags: [operational]}
  failed_at: {description: Since when (UTC)., tags: [operational], data_tests: [not_null]}
data_tests:
  - unique_combination: {columns: [sync, key_id]}
--- */
with newest as (
  select *
  from ops.rows
  where undoes is null and state <> 'superseded'
  qualify row_number() over (partition by sync, key_id order by created_at desc, updated_at desc, outbox_id desc) = 1
)
select
  newest.sync,
  syncs.destination,
  newest.key_id,
  newest.outbox_id,
  newest.plan_id,
  newest.subject,
  newest.operation,
  newest.state,
  newest.class,
  newest.message,
  newest.attempts,
  newest.updated_at as failed_at
from newest
left join ops.syncs as syncs on syncs.plan_id = newest.plan_id
where newest.state in ('rejected', 'dead', 'unknown')

/* ---
description: >
  What the system decided and what it sent, by day. Of decisions the latest one about each subject counts on the day when it
  was made; of syncs every plan counts, also one that was never sent.
materialized: table
owner: revenue-operations
tags: [ops]
unique_key: [action_date, kind, name, action, state]
columns:
  action_date: {description: Day in the project's time zone., data_tests: [not_null]}
  kind: {description: "decision or sync.", data_tests: [not_null, {accepted_values: {values: [decision, sync]}}]}
  name: {description: Policy or sync., data_tests: [not_null]}
  action: {description: "Action that was chosen; for a sync where it wrote to, and undo when it took something back.", data_tests: [not_null]}
  state: {description: "Of decisions shadow, live or control group; of plans where they stand: waiting, blocked, approved, applying, applied, refused, void.", data_tests: [not_null]}
  subjects: {description: "People or accounts decided on; rows of the plans.", data_tests: [not_null]}
  acknowledged: {description: Rows that the other system said yes to; null for decisions.}
  rejected: {description: Rows that it refused for good; null for decisions.}
  unknown: {description: Rows of which it is not known whether they arrived; null for decisions.}
  waiting: {description: Rows that wait to be sent; null for decisions.}
  not_sent: {description: "Rows that will not be sent: replaced by a newer plan, stopped before sending, or of a plan that lapsed or was refused; null for decisions."}
  last_at: {description: Latest decision or plan (UTC)., data_tests: [not_null]}
data_tests:
  - unique_combination: {columns: [action_date, kind, name, action, state]}
  - expression: "kind = 'decision' or acknowledged + rejected + unknown + waiting + not_sent = subjects"
--- */
with decided as (
  select
    (decisions.decided_at at time zone 'UTC' at time zone run.time_zone)::date as action_date,
    'decision' as kind,
    decisions.policy as name,
    decisions.choice as action,
    case when coalesce(decisions.held_out, false) then 'control group' else decisions.mode end as state,
    count(*) as subjects,
    null::bigint as acknowledged,
    null::bigint as rejected,
    null::bigint as unknown,
    null::bigint as waiting,
    null::bigint as not_sent,
    max(decisions.decided_at) as last_at
  from decisions.current as decisions
  cross join meta.run
  group by all
),
sent as (
  select
    (syncs.created_at at time zone 'UTC' at time zone run.time_zone)::date as action_date,
    'sync' as kind,
    syncs.sync as name,
    concat(syncs.destination, ' ', syncs.object, case when syncs.kind = 'undo' then ' (undo)' end) as action,
    syncs.state,
    sum(syncs.planned)::bigint as subjects,
    sum(syncs.acked)::bigint as acknowledged,
    sum(syncs.rejected)::bigint as rejected,
    sum(syncs.unknown)::bigint as unknown,
    sum(syncs.waiting)::bigint as waiting,
    sum(syncs.not_sent)::bigint as not_sent,
    max(syncs.created_at) as last_at
  from ops.syncs
  cross join meta.run
  group by all
)
select * from decided
union all
select * from sent

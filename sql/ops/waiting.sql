/* ---
description: >
  What waits for a person, in that person's words, the most pressing first: plans that a limit has stopped or that need an
  approval, rows whose fate is not known, and rows that another system refused.
materialized: table
owner: revenue-operations
tags: [ops]
unique_key: [place]
columns:
  place: {description: "1 is the most pressing.", data_tests: [not_null, unique]}
  kind: {description: "blocked, approval, unknown or rejected.", data_tests: [not_null, {accepted_values: {values: [blocked, approval, unknown, rejected]}}]}
  name: {description: Sync., data_tests: [not_null]}
  line: {description: What waits and what to do about it. It names the plan., tags: [operational], data_tests: [not_null]}
  since: {description: Since when (UTC)., data_tests: [not_null]}
--- */
with latest as (
  select *
  from ops.syncs
  where state not in ('void', 'refused')
  qualify row_number() over (partition by sync, kind order by created_at desc, plan_id desc) = 1
),
found as (
  select
    'blocked' as kind,
    1 as urgency,
    sync,
    plan_id,
    concat('Sync ', sync, ' was stopped by its limits before it sent any of ', planned, ' rows to ', destination, ': see millrace plan ', sync, '.') as line,
    created_at as since
  from latest
  where state = 'blocked'
  union all
  select
    'approval',
    2,
    sync,
    plan_id,
    concat('Approve or refuse ', case when kind = 'undo' then 'the undo of ' end, sync, ': ', planned, ' rows for ', destination, ' (millrace approve ', plan_id, ').'),
    created_at
  from latest
  where state = 'waiting'
  union all
  select
    'unknown',
    3,
    sync,
    plan_id,
    concat('Of ', unknown, ' rows of ', sync, ' it is not known whether ', destination, ' took them: the next run asks.'),
    created_at
  from latest
  where state in ('applying', 'applied') and unknown > 0
  union all
  select
    'rejected',
    4,
    sync,
    plan_id,
    concat(destination, ' refused ', rejected, ' of ', planned, ' rows of ', sync, ': see millrace plan ', sync, '.'),
    created_at
  from latest
  where state in ('applying', 'applied') and rejected > 0
)
select
  row_number() over (order by urgency, since desc, sync, plan_id) as place,
  kind,
  sync as name,
  line,
  since
from found

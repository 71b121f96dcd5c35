/* ---
description: >
  What became of the e-mails of each period.
materialized: table
owner: marketing
columns:
  period_key: {description: "Key of the period., data_tests: [not_null]"}
  grain: {description: "all, month or quarter."}
  period_start: {description: First day of the period; null for all.}
  dimension: {description: "What the segment is a member of., data_tests: [not_null]"}
  segment: {description: "Member of the dimension., data_tests: [not_null]"}
  is_complete: {description: False while the as-of date lies inside the period.}
  delivered: {description: "E-mails that arrived., data_tests: [not_null]"}
  opens: {description: "E-mails opened at least once., data_tests: [not_null]"}
  clicks: {description: "E-mails with at least one click., data_tests: [not_null]"}
  missing: {description: Why e-mail cannot be spoken of; null when it can.}
data_tests:
  - unique_combination: {columns: [period_key, dimension, segment]}
--- */
with sent as (
  select
    periods.period_key,
    sum(email_sends.delivered)::bigint as delivered,
    sum(email_sends.opens)::bigint as opens,
    sum(email_sends.clicks)::bigint as clicks
  from core.periods
  inner join core.email_sends on email_sends.sent_date between periods.range_start and periods.read_date
  group by periods.period_key
)
select
  grid.period_key,
  grid.grain,
  grid.period_start,
  grid.dimension,
  grid.segment,
  grid.is_complete,
  coalesce(sent.delivered, 0) as delivered,
  coalesce(sent.opens, 0) as opens,
  coalesce(sent.clicks, 0) as clicks,
  coverage.email_missing as missing
from core.account_grid as grid
left join core.coverage on true
left join sent on sent.period_key = grid.period_key
where grid.dimension = 'total'

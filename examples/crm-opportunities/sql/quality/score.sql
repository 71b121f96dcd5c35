/* ---
description: >
  Data quality in one number, in one row: the share of the checks that pass, where a warning counts half and a check
  without anything to check does not count. Checks of one name weigh together as one: thirty streams without a duplicate
  key do not outvote a form that lost its addresses.
materialized: table
owner: revenue-operations
columns:
  as_of_date: {description: Day that the score is for., data_tests: [not_null, unique]}
  score: {description: "0 to 100; null when nothing could be checked.", data_tests: [{accepted_range: {min: 0, max: 100}}]}
  passed: {description: Checks that pass., data_tests: [not_null]}
  warned: {description: Checks that warn., data_tests: [not_null]}
  failed: {description: Checks that fail., data_tests: [not_null]}
  not_applicable: {description: Checks without anything to check., data_tests: [not_null]}
--- */
with counted as (
  select
    count(*) filter (where status = 'pass') as passed,
    count(*) filter (where status = 'warn') as warned,
    count(*) filter (where status = 'fail') as failed,
    count(*) filter (where status = 'na') as not_applicable
  from quality.checks
),
named as (
  select check_name, avg(case status when 'pass' then 1.0 when 'warn' then 0.5 else 0.0 end) as share
  from quality.checks
  where status != 'na'
  group by check_name
),
scored as (
  select round(100 * sum(round(share, 8)::decimal(18, 8)) / nullif(count(*), 0), 1)::decimal(5, 1) as score
  from named
)
select
  as_of.as_of_date,
  scored.score,
  counted.passed,
  counted.warned,
  counted.failed,
  counted.not_applicable
from counted
cross join scored
cross join core.as_of

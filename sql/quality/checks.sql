/* ---
description: >
  Every check of sources and of the picture made from them, judged by seeds/quality_thresholds.csv. A check fails above
  fail_above and warns above warn_above; above hold_above it holds whatever is made from its relation: no sync sends and no
  policy decides on it until it is repaired or a person approves. A share holds only where it lies above the limit by more
  than chance does in nine of ten cases, so that three of thirty records stop nobody. A check is na while there is nothing
  to check.
materialized: table
owner: revenue-operations
columns:
  check_name: {description: Name of the check., data_tests: [not_null]}
  object: {description: "Source, kind of record or event, or relation that is checked.", data_tests: [not_null]}
  category: {description: "completeness, duplicates, reference, freshness, volume, range or consent.", data_tests: [not_null, {accepted_values: {values: [completeness, duplicates, reference, freshness, volume, range, consent]}}]}
  value: {description: "Share of records that break the rule; for freshness days; for a week its distance from what was expected, as a share."}
  warn_above: {description: Threshold of the warning., data_tests: [not_null]}
  fail_above: {description: Threshold of the failure., data_tests: [not_null]}
  hold_above: {description: "Threshold above which it holds; null when it never does."}
  broken: {description: Records that break the rule.}
  checked_rows: {description: Records that were checked., data_tests: [not_null]}
  status: {description: "pass, warn, fail or na.", data_tests: [not_null, {accepted_values: {values: [pass, warn, fail, na]}}]}
  effect: {description: "hold, or none.", data_tests: [not_null, {accepted_values: {values: [hold, none]}}]}
  relation: {description: Relation that the check is about; what is made from it is held., data_tests: [not_null]}
  source: {description: Source; null when the records come from several.}
  detail: {description: What was found in words., data_tests: [not_null]}
  remedy: {description: What to do about it., data_tests: [not_null]}
data_tests:
  - unique_combination: {columns: [check_name, object]}
  - expression: "effect != 'hold' or status = 'fail'"
--- */
with latest_weeks as (
  select *
  from quality.weekly_volumes
  qualify row_number() over (partition by stream order by week_start desc) = 1
),
measured as (
  select
    check_name, object, relation, source, category, broken / nullif(checked_rows, 0) as value, broken, checked_rows,
    check_name || ': ' || broken || ' of ' || checked_rows || ' records of ' || object as detail,
    remedy
  from quality.counted_checks
  union all
  select
    'unexplained week', stream, relation, source, 'volume', case when is_unexplained then deviation else 0 end, null, weeks_before,
    stream || ' in the week of ' || week_start || ': ' || volume
    || coalesce(', expected ' || round(expected, 0)::bigint || ' (' || floor(low)::bigint || ' to ' || ceil(high)::bigint || ')', ', too few weeks to expect anything')
    || coalesce(', explained by ' || explained_by, ''),
    'find out what happened to it; when there is a reason, add a line to seeds/known_causes.csv, otherwise read the source again'
  from latest_weeks
  union all
  select
    'days without news', source || '.' || regexp_replace(split_part(relation, '.', 2), '^(hubspot|stripe|ga4)_', ''), relation, source, 'freshness', beyond_usual, null, records,
    source || '.' || regexp_replace(split_part(relation, '.', 2), '^(hubspot|stripe|ga4)_', '') || ': last on ' || last_date || ', ' || silent_days || ' days ago; up to ' || usual_days || ' are usual',
    'look whether the source is still read (millrace doctor) and still written to'
  from quality.silences
),
limited as (
  select
    measured.*,
    coalesce(own.warn_above, common.warn_above, 0) as warn_above,
    coalesce(own.fail_above, common.fail_above, 0) as fail_above,
    case when own.check_name is not null then own.hold_above else common.hold_above end as hold_above,
    coalesce(own.min_broken, common.min_broken, 1) as min_broken
  from measured
  left join seeds.quality_thresholds as own on own.check_name = measured.check_name and own.object = measured.object
  left join seeds.quality_thresholds as common on common.check_name = measured.check_name and common.object = '*'
),
judged as (
  select
    *,
    case
      when checked_rows = 0 or value is null then 'na'
      when value > fail_above and coalesce(broken >= min_broken, true) then 'fail'
      when value > warn_above then 'warn'
      else 'pass'
    end as status
  from limited
)
select
  check_name,
  object,
  category,
  round(value, 8)::decimal(28, 8) as value,
  warn_above::decimal(18, 8) as warn_above,
  fail_above::decimal(18, 8) as fail_above,
  hold_above::decimal(18, 8) as hold_above,
  broken,
  checked_rows,
  status,
  case
    when status != 'fail' or not coalesce(value > hold_above, false) then 'none'
    when broken - hold_above * checked_rows <= 1.282 * sqrt(greatest(checked_rows * hold_above * (1 - hold_above), 0)) then 'none'
    else 'hold'
  end as effect,
  relation,
  source,
  detail,
  remedy
from judged

/* ---
description: >
  Checks of sources and of the picture made from them against thresholds. A check fails above fail_above and warns above
  warn_above; it is na while there is nothing to check.
materialized: table
owner: revenue-operations
columns:
  check_name: {description: Name of the check., data_tests: [not_null]}
  object: {description: Relation or stream that is checked., data_tests: [not_null]}
  category: {description: "completeness, duplicates, reference, freshness, volume or consent.", data_tests: [not_null, {accepted_values: {values: [completeness, duplicates, reference, freshness, volume, consent]}}]}
  value: {description: "Share of records that break the rule; for freshness, days."}
  warn_above: {description: Threshold of the warning., data_tests: [not_null]}
  fail_above: {description: Threshold of the failure., data_tests: [not_null]}
  checked_rows: {description: Records that were checked., data_tests: [not_null]}
  status: {description: "pass, warn, fail or na.", data_tests: [not_null, {accepted_values: {values: [pass, warn, fail, na]}}]}
  detail: {description: What was found in words., data_tests: [not_null]}
data_tests:
  - unique_combination: {columns: [check_name, object]}
--- */
with identifier_counts as (
  select
    source || '.' || object as object,
    count(*) as checked_rows,
    count(*) filter (where email is null and product_user_id is null and phone is null) as broken
  from identity.person_records
  group by source, object
),
person_duplicates as (
  select
    records.source || '.' || records.object as object,
    count(*) as checked_rows,
    count(*) - count(distinct membership.person_id) as broken
  from identity.person_records as records
  inner join identity.person_membership as membership on membership.record_key = records.record_key
  where records.object in ('contact', 'user') and membership.entity_kind = 'person'
  group by records.source, records.object
),
company_duplicates as (
  select
    records.source || '.' || records.object as object,
    count(*) as checked_rows,
    count(*) - count(distinct membership.account_id) as broken
  from identity.company_records as records
  inner join identity.company_membership as membership on membership.record_key = records.record_key
  where records.object = 'company'
  group by records.source, records.object
),
shares as (
  select 'missing ids' as check_name, object, 'completeness' as category, broken, checked_rows, 0.03 as warn_above, 0.05 as fail_above
  from identifier_counts
  union all
  select 'duplicates', object, 'duplicates', broken, checked_rows, 0.01, 0.02
  from person_duplicates
  union all
  select 'duplicates', object, 'duplicates', broken, checked_rows, 0.01, 0.02
  from company_duplicates
  union all
  select 'no account', 'core.opportunities', 'reference', count(*) filter (where account_id is null), count(*), 0.05, 0.25
  from core.opportunities
  union all
  select 'no amount', 'core.opportunities', 'completeness', count(*) filter (where amount is null and status != 'lost'), count(*), 0.10, 0.30
  from core.opportunities
  union all
  select 'no rate', 'core.opportunities', 'reference', count(*) filter (where amount is not null and project_amount is null), count(*), 0, 0.01
  from core.opportunities
  union all
  select 'no account', 'core.invoices', 'reference', count(*) filter (where account_id is null), count(*), 0.01, 0.05
  from core.invoices
  union all
  select 'no rate', 'core.invoices', 'reference', count(*) filter (where net_amount is not null and project_net_amount is null), count(*), 0, 0.01
  from core.invoices
  union all
  select 'no rate', 'core.spend', 'reference', count(*) filter (where project_cost is null), count(*), 0, 0.01
  from core.spend
  union all
  select 'no person', 'core.usage', 'reference', count(*) filter (where person_id is null), count(*), 0.05, 0.20
  from core.usage
  union all
  select 'no consent status', 'core.people', 'consent', count(*) filter (where consents.status = 'unknown'), count(*), 0.25, 0.50
  from core.people
  inner join core.consents on consents.person_id = people.person_id and consents.purpose = 'marketing_email'
  where people.crm_contact_id is not null
),
latest_weeks as (
  select *
  from quality.weekly_volumes
  qualify row_number() over (partition by stream order by week_start desc) = 1
),
activity as (
  select 'core.people' as object, max(lead_date) as last_date, count(*) as checked_rows from core.people
  union all
  select 'core.opportunities', max(greatest(created_date, closed_date)), count(*) from core.opportunities
  union all
  select 'core.spend', max(spend_date), count(*) from core.spend
  union all
  select 'core.web_traffic', max(traffic_date), count(*) from core.web_traffic
  union all
  select 'core.invoices', max(invoice_date), count(*) from core.invoices
  union all
  select 'core.usage', max(usage_date), count(*) from core.usage
),
valued as (
  select
    check_name,
    object,
    category,
    broken / nullif(checked_rows, 0) as value,
    warn_above,
    fail_above,
    checked_rows,
    check_name || ': ' || broken || ' of ' || checked_rows || ' records of ' || object as detail
  from shares
  union all
  select
    'unexplained week',
    stream,
    'volume',
    case when is_unexplained then deviation else 0 end,
    0.10,
    0.50,
    weeks_before,
    stream || ' in the week of ' || week_start || ': ' || volume || coalesce(', expected ' || round(expected, 0)::bigint, ', too few weeks to expect anything')
  from latest_weeks
  union all
  select
    'days without news',
    activity.object,
    'freshness',
    as_of.as_of_date - activity.last_date,
    3,
    7,
    activity.checked_rows,
    activity.object || coalesce(': last on ' || activity.last_date, ': nothing yet')
  from activity
  cross join core.as_of
)
select
  check_name,
  object,
  category,
  round(value, 8)::decimal(18, 8) as value,
  warn_above::decimal(18, 8) as warn_above,
  fail_above::decimal(18, 8) as fail_above,
  checked_rows,
  case
    when checked_rows = 0 or value is null then 'na'
    when value > fail_above then 'fail'
    when value > warn_above then 'warn'
    else 'pass'
  end as status,
  detail
from valued

/* ---
description: >
  When people became marketing-qualified (mql) and sales-qualified (sql), in days of the project's time zone. A person is
  marketing-qualified from the day that the CRM gives or on which a lead was first made in the CRM, and sales-qualified from
  the day that the CRM gives or on which an opportunity became qualified. The first entry is pass 1; each later lead or
  opportunity is one pass more. Who is sales-qualified without having been marketing-qualified counts as both from that
  day, and is marked as imputed.
materialized: table
owner: revenue-operations
unique_key: [person_id, stage, pass_no]
columns:
  person_id: {description: Person., data_tests: [not_null, {relationships: {to: core.people, field: person_id}}]}
  stage: {description: mql or sql., data_tests: [not_null, {accepted_values: {values: [mql, sql]}}]}
  pass_no: {description: "1, and one more each time that the person came back.", data_tests: [not_null]}
  entered_date: {description: Day of the entry., data_tests: [not_null]}
  is_imputed: {description: True where nothing but the later stage says so., data_tests: [not_null]}
data_tests:
  - unique_combination: {columns: [person_id, stage, pass_no]}
--- */
with told as (
  select
    membership.person_id,
    (min(contacts.became_mql_at) at time zone 'UTC' at time zone run.time_zone)::date as mql_date,
    (min(contacts.became_sql_at) at time zone 'UTC' at time zone run.time_zone)::date as sql_date
  from staging.hubspot_contacts as contacts
  cross join meta.run
  inner join identity.person_membership as membership on membership.record_key = contacts.record_key
  group by membership.person_id, run.time_zone
),
seen as (
  select person_id, 'mql' as stage, created_date as seen_date from core.leads where person_id is not null
  union
  select person_id, 'mql', mql_date from told
  union
  select person_id, 'sql', qualified_date from core.opportunities where person_id is not null
  union
  select person_id, 'sql', sql_date from told
),
entries as (
  select seen.person_id, seen.stage, seen.seen_date as entered_date, false as is_imputed
  from seen
  inner join core.people on people.person_id = seen.person_id and not people.is_mailbox
  where seen.seen_date is not null
),
firsts as (
  select
    person_id,
    min(entered_date) filter (where stage = 'mql') as mql_date,
    min(entered_date) filter (where stage = 'sql') as sql_date
  from entries
  group by person_id
),
complete as (
  select person_id, stage, entered_date, is_imputed from entries
  union all
  select person_id, 'mql', sql_date, true from firsts where mql_date is null or mql_date > sql_date
)
select
  person_id,
  stage,
  row_number() over (partition by person_id, stage order by entered_date) as pass_no,
  entered_date,
  is_imputed
from complete

/* ---
description: >
  Whose browser it is: the person who gave an address or logged in there, if there was exactly one. A browser links what
  was done in it to a person; it never links two people, because people share browsers.
materialized: table
owner: revenue-operations
unique_key: [source, anonymous_id]
columns:
  source: {description: Source of the visits., data_tests: [not_null]}
  anonymous_id: {description: Id of the browser., pii: id, data_tests: [not_null]}
  person_id: {description: Person., data_tests: [not_null]}
  evidence: {description: "email, login or both.", data_tests: [not_null]}
data_tests:
  - unique_combination: {columns: [source, anonymous_id]}
--- */
with people_by_email as (
  select records.email, min(membership.person_id) as person_id
  from identity.person_records as records
  inner join identity.person_membership as membership on membership.record_key = records.record_key
  where records.email is not null and not records.is_role_inbox
  group by records.email
  having count(distinct membership.person_id) = 1
),
people_by_login as (
  select records.product_user_id, min(membership.person_id) as person_id
  from identity.person_records as records
  inner join identity.person_membership as membership on membership.record_key = records.record_key
  where records.product_user_id is not null
  group by records.product_user_id
  having count(distinct membership.person_id) = 1
),
seen as (
  select source, anonymous_id, norm_email(email) as email, user_id
  from staging.web_identities
  union
  select source, anonymous_id, null, user_id
  from staging.web_visits
  where anonymous_id is not null and user_id is not null
),
claims as (
  select seen.source, seen.anonymous_id, people_by_email.person_id, 'email' as evidence
  from seen
  inner join people_by_email on people_by_email.email = seen.email
  union
  select seen.source, seen.anonymous_id, people_by_login.person_id, 'login'
  from seen
  inner join people_by_login on people_by_login.product_user_id = seen.user_id
)
select
  source,
  anonymous_id,
  min(person_id) as person_id,
  case when count(distinct evidence) = 2 then 'both' else min(evidence) end as evidence
from claims
group by source, anonymous_id
having count(distinct person_id) = 1

/* ---
description: >
  What is compared of each person record. An address that too many records hold or that a person blocked says nothing about
  anybody and is left out; so are records with a role inbox, since nobody knows who wrote them, whatever name they give.
materialized: table
owner: revenue-operations
unique_key: [record_key]
columns:
  record_key: {description: Record., data_tests: [not_null, unique]}
  email: {description: Address that may tell people apart., pii: email}
  phone: {description: Phone number as it stands., pii: phone}
  first_name: {description: First name., pii: name}
  last_name: {description: Last name., pii: name}
  company_name: {description: Employer.}
  country_code: {description: ISO 3166 code.}
--- */
with telling as (
  select record_key, min(identifier_value) as email
  from identity.person_identifiers
  where identifier_type = 'email' and identifier_class in ('personal', 'shared')
  group by record_key
),
blocked as (
  select distinct value
  from identity.overrides
  where entity = 'person' and kind = 'block' and attribute = 'phone' and revoked_at is null
)
select
  records.record_key,
  telling.email,
  case when blocked.value is null then records.phone end as phone,
  records.first_name,
  records.last_name,
  records.company_name,
  records.country_code
from identity.person_records as records
left join telling on telling.record_key = records.record_key
left join blocked on blocked.value = records.phone
where not records.is_role_inbox and (telling.email is not null or records.phone is not null or records.last_name is not null)

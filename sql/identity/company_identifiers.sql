/* ---
description: >
  The identifiers of each company record with their class. Only a company's own identifier may join records: a domain that
  many differently named companies use is shared, a name in a country joins only where it does not contradict the domains,
  and a person's name or a value that a person blocked never does.
materialized: table
owner: revenue-operations
unique_key: [record_key, identifier_type, identifier_value]
columns:
  record_key: {description: Record., data_tests: [not_null, {relationships: {to: identity.company_records, field: record_key}}]}
  identifier_type: {description: "domain, crm_company, stripe_customer or name_country.", data_tests: [not_null]}
  identifier_value: {description: Normalised value., data_tests: [not_null]}
  records: {description: Records that hold the value., data_tests: [not_null]}
  names: {description: Different names among them., data_tests: [not_null]}
  domains: {description: Different domains among them., data_tests: [not_null]}
  identifier_class: {description: "own, shared, ambiguous or blocked.", data_tests: [not_null, {accepted_values: {values: [own, shared, ambiguous, blocked]}}]}
data_tests:
  - unique_combination: {columns: [record_key, identifier_type, identifier_value]}
--- */
with held as (
  select record_key, 'domain' as identifier_type, domain as identifier_value, name_key, domain from identity.company_records
  union all
  select record_key, 'crm_company', crm_company_key, name_key, domain from identity.company_records
  union all
  select record_key, 'stripe_customer', stripe_customer_key, name_key, domain from identity.company_records
  union all
  select record_key, 'name_country', name_key || '|' || country_code, name_key, domain
  from identity.company_records
  where length(name_key) >= 4 and not is_person_name
),
counted as (
  select
    identifier_type,
    identifier_value,
    count(*) as records,
    count(distinct name_key) as names,
    count(distinct domain) as domains
  from held
  where identifier_value is not null
  group by identifier_type, identifier_value
),
blocked as (
  select distinct attribute, value
  from identity.overrides
  where entity = 'company' and kind = 'block' and revoked_at is null
)
select
  held.record_key,
  held.identifier_type,
  held.identifier_value,
  counted.records,
  counted.names,
  counted.domains,
  case
    when blocked.value is not null then 'blocked'
    when held.identifier_type = 'domain' and counted.names > 6 then 'shared'
    when held.identifier_type = 'name_country' and counted.domains > 1 then 'ambiguous'
    else 'own'
  end as identifier_class
from held
inner join counted
  on counted.identifier_type = held.identifier_type and counted.identifier_value = held.identifier_value
left join blocked on blocked.attribute = held.identifier_type and blocked.value = held.identifier_value

/* ---
description: >
  What is compared of each company record. A domain that many differently named companies use or that a person blocked is
  left out, and so is a name that is a person's. Records without a name have nothing to be compared by.
materialized: table
owner: revenue-operations
unique_key: [record_key]
columns:
  record_key: {description: Record., data_tests: [not_null, unique]}
  name: {description: Name as it stands in the source., data_tests: [not_null]}
  domain: {description: Web domain of its own.}
  phone: {description: Phone number as it stands., pii: phone}
  country_code: {description: ISO 3166 code.}
--- */
with own as (
  select record_key, min(identifier_value) as domain
  from identity.company_identifiers
  where identifier_type = 'domain' and identifier_class = 'own'
  group by record_key
)
select
  records.record_key,
  records.name,
  own.domain,
  companies.phone,
  records.country_code
from identity.company_records as records
left join own on own.record_key = records.record_key
left join staging.hubspot_companies as companies on companies.record_key = records.record_key
where records.name is not null and not records.is_person_name

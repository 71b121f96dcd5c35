/* ---
description: >
  The value that holds for each attribute of a person, and why: one row per person and attribute with the record it comes
  from. The CRM wins over billing, billing over the product, the product over forms; within a source the latest change
  wins. A value is never put together from two records.
materialized: table
owner: revenue-operations
unique_key: [person_id, attribute]
columns:
  person_id: {description: Person., data_tests: [not_null]}
  attribute: {description: Name of the attribute., data_tests: [not_null]}
  value: {description: Value that holds., pii: free_text, data_tests: [not_null]}
  source: {description: Source that it comes from., data_tests: [not_null]}
  record_key: {description: Record that it comes from., data_tests: [not_null]}
  agreeing: {description: Records of the person with the same value., data_tests: [not_null]}
  conflicting: {description: Records of the person with another value., data_tests: [not_null]}
data_tests:
  - unique_combination: {columns: [person_id, attribute]}
--- */
with offered as (
  select record_key, 'email' as attribute, email as value from identity.person_records
  union all
  select record_key, 'first_name', first_name from identity.person_records
  union all
  select record_key, 'last_name', last_name from identity.person_records
  union all
  select record_key, 'phone', phone from identity.person_records
  union all
  select record_key, 'job_title', job_title from identity.person_records
  union all
  select record_key, 'country_code', country_code from identity.person_records
  union all
  select record_key, 'product_user_id', product_user_id from identity.person_records
),
ranked as (
  select
    membership.person_id,
    offered.attribute,
    offered.value,
    records.source,
    offered.record_key,
    count(*) over (partition by membership.person_id, offered.attribute, lower(offered.value)) as agreeing,
    count(*) over (partition by membership.person_id, offered.attribute) as offers,
    row_number() over (
      partition by membership.person_id, offered.attribute
      order by
        case when offered.attribute = 'email' and (records.is_role_inbox or domains.domain_class != 'company') then 1 else 0 end,
        case records.object when 'contact' then 1 when 'customer' then 2 when 'user' then 3 else 4 end,
        records.updated_at desc nulls last,
        offered.record_key
    ) as place
  from offered
  inner join identity.person_records as records on records.record_key = offered.record_key
  inner join identity.person_membership as membership on membership.record_key = offered.record_key
  left join identity.domains on domains.domain = records.email_domain
  where offered.value is not null
)
select
  person_id,
  attribute,
  value,
  source,
  record_key,
  agreeing,
  offers - agreeing as conflicting
from ranked
where place = 1

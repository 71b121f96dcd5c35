/* ---
description: >
  The identifiers of each person record with their class. Only a personal identifier may join records. A role inbox, a
  value that too many names share, or one that too many records hold, never does: it says where a message goes, not who
  wrote it. So does one that a person blocked.
materialized: table
owner: revenue-operations
unique_key: [record_key, identifier_type, identifier_value]
columns:
  record_key: {description: Record., data_tests: [not_null, {relationships: {to: identity.person_records, field: record_key}}]}
  identifier_type: {description: "email, mailbox, crm_contact, product_user or stripe_customer.", data_tests: [not_null]}
  identifier_value: {description: Normalised value., pii: id, data_tests: [not_null]}
  records: {description: Records that hold the value., data_tests: [not_null]}
  last_names: {description: Different last names among them., data_tests: [not_null]}
  identifier_class: {description: "personal, role, shared, generic or blocked.", data_tests: [not_null, {accepted_values: {values: [personal, role, shared, generic, blocked]}}]}
  class_reason: {description: Why it is not personal; null when it is.}
data_tests:
  - unique_combination: {columns: [record_key, identifier_type, identifier_value]}
--- */
with held as (
  select record_key, 'email' as identifier_type, email as identifier_value, last_name_key, is_role_inbox from identity.person_records
  union all
  select record_key, 'mailbox', mailbox_key, last_name_key, is_role_inbox from identity.person_records
  union all
  select record_key, 'crm_contact', crm_contact_key, last_name_key, false from identity.person_records
  union all
  select record_key, 'product_user', product_user_id, last_name_key, false from identity.person_records
  union all
  select record_key, 'stripe_customer', stripe_customer_key, last_name_key, false from identity.person_records
),
counted as (
  select
    identifier_type,
    identifier_value,
    count(*) as records,
    count(distinct last_name_key) as last_names,
    bool_or(is_role_inbox) as is_role_inbox
  from held
  where identifier_value is not null
  group by identifier_type, identifier_value
),
blocked as (
  select attribute, value, min(override_id) as override_id
  from identity.overrides
  where entity = 'person' and kind = 'block' and revoked_at is null
  group by attribute, value
)
select
  held.record_key,
  held.identifier_type,
  held.identifier_value,
  counted.records,
  counted.last_names,
  case
    when blocked.override_id is not null then 'blocked'
    when counted.is_role_inbox then 'role'
    when counted.records > 50 then 'generic'
    when counted.last_names > 2 then 'shared'
    else 'personal'
  end as identifier_class,
  case
    when blocked.override_id is not null then 'blocked by override ' || blocked.override_id
    when counted.is_role_inbox then 'the part before the at sign is in seeds.role_inboxes'
    when counted.records > 50 then counted.records || ' records hold it'
    when counted.last_names > 2 then counted.last_names || ' different last names use it'
  end as class_reason
from held
inner join counted
  on counted.identifier_type = held.identifier_type and counted.identifier_value = held.identifier_value
left join blocked on blocked.attribute = held.identifier_type and blocked.value = held.identifier_value

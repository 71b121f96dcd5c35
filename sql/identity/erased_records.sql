/* ---
description: >
  Records of people who were erased and whose source still delivers them. They are left out of identity and so of
  everything that is made from it. Tombstones are keyed hashes: this relation says which records they meet, not whose.
materialized: operator
operator: identity_tombstones
owner: privacy
unique_key: [record_key]
columns:
  record_key: {description: Record that is left out., pii: id, data_tests: [not_null, unique]}
  kind: {description: "Kind of identifier that met a tombstone: record, email, phone, product_user or stripe_customer.", data_tests: [not_null]}
--- */
with delivered as (
  select record_key, email, phone, product_user_id, stripe_customer_id from staging.hubspot_contacts
  union all
  select record_key, email, null, null, null from staging.hubspot_form_submissions
  union all
  select record_key, email, phone, null, customer_id from staging.stripe_customers
  union all
  select record_key, email, null, user_id, null from staging.product_users
),
identifiers as (
  select record_key, 'record' as kind, record_key as value from delivered
  union all
  select record_key, 'email', norm_email(email) from delivered
  union all
  select record_key, 'phone', regexp_replace(phone, '[^0-9+]', '', 'g') from delivered
  union all
  select record_key, 'product_user', product_user_id from delivered
  union all
  select record_key, 'stripe_customer', stripe_customer_id from delivered
)
select 'tombstone' as item, null::varchar as record_key, kind, key_id as value
from identity.tombstones
union all
select 'identifier', record_key, kind, value
from identifiers
where value != '' and exists (select 1 from identity.tombstones)

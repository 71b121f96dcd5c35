/* ---
description: >
  Every record that describes a person, one row per record of a source, with the normalised values that matching uses.
  A record is never merged away: membership says whom it belongs to. Records of people who were erased are left out.
materialized: table
owner: revenue-operations
unique_key: [record_key]
columns:
  record_key: {description: "Key of the record: source:object:id.", data_tests: [not_null, unique]}
  source: {description: Source of the project., data_tests: [not_null]}
  object: {description: "Kind of record: contact, form_submission, customer or user.", data_tests: [not_null]}
  source_id: {description: The source's own id., data_tests: [not_null]}
  email: {description: "Address in one spelling (norm_email); null when it is none.", pii: email}
  email_local: {description: Part before the at sign without a +tag., pii: email}
  email_domain: {description: Part after the at sign.}
  mailbox_key: {description: "Address without what its provider ignores (dots at Gmail, +tags); only for providers known to ignore it.", pii: email}
  is_role_inbox: {description: True for addresses such as info@ or billing@ that several people read., data_tests: [not_null]}
  is_free_mail: {description: True for mailboxes of providers that anybody can have., data_tests: [not_null]}
  first_name: {description: First name as it stands in the source., pii: name}
  last_name: {description: Last name as it stands in the source., pii: name}
  last_name_key: {description: "Last name in lower case without accents, blanks and signs.", pii: name}
  phone: {description: Phone number as it stands in the source., pii: phone}
  job_title: {description: Job title.}
  company_name: {description: Employer as it stands in the source.}
  country_code: {description: ISO 3166 code; null when the source's country is not in seeds.countries.}
  consent_region: {description: "Region whose consent rules hold: EU, UK, US, CA or OTHER; null when unknown."}
  product_user_id: {description: Id in the product., pii: id}
  crm_contact_key: {description: Record key of the CRM contact that the record names or is., pii: id}
  stripe_customer_key: {description: Record key of the Stripe customer that the record names or is., pii: id}
  created_at: {description: When the source made the record (UTC).}
  updated_at: {description: When the source last changed the record (UTC).}
--- */
with contact_keys as (
  select contact_id, min(record_key) as record_key
  from staging.hubspot_contacts
  group by contact_id
),
customer_keys as (
  select customer_id, min(record_key) as record_key
  from staging.stripe_customers
  group by customer_id
),
described as (
  select
    contacts.record_key, contacts.source, 'contact' as object, contacts.contact_id as source_id, contacts.email,
    contacts.first_name, contacts.last_name, contacts.phone, contacts.job_title, contacts.company_name, contacts.country,
    contacts.consent_region, contacts.product_user_id, contacts.record_key as crm_contact_key,
    customer_keys.record_key as stripe_customer_key, contacts.created_at, contacts.updated_at
  from staging.hubspot_contacts as contacts
  left join customer_keys on customer_keys.customer_id = contacts.stripe_customer_id
  where not contacts.is_archived
  union all
  select
    record_key, source, 'form_submission', submission_id, email, first_name, last_name, null, job_title,
    company_name, null, null, null, null, null, submitted_at, submitted_at
  from staging.hubspot_form_submissions
  union all
  select
    customers.record_key, customers.source, 'customer', customers.customer_id, customers.email, null, null, customers.phone, null,
    customers.name, customers.country, null, null, contact_keys.record_key, customers.record_key, customers.created_at,
    customers.created_at
  from staging.stripe_customers as customers
  left join contact_keys on contact_keys.contact_id = customers.hubspot_contact_id
  where not customers.is_deleted
  union all
  select
    record_key, source, 'user', user_id, email, first_name, last_name, null, null,
    null, null, null, user_id, null, null, created_at, created_at
  from staging.product_users
),
addressed as (
  select
    *,
    norm_email(email) as address
  from described
),
parted as (
  select
    *,
    split_part(split_part(address, '@', 1), '+', 1) as local_part,
    split_part(address, '@', 2) as domain_part
  from addressed
)
select
  parted.record_key,
  parted.source,
  parted.object,
  parted.source_id,
  parted.address as email,
  nullif(parted.local_part, '') as email_local,
  nullif(parted.domain_part, '') as email_domain,
  case free_mail_domains.mailbox_rule
    when 'gmail' then replace(parted.local_part, '.', '') || '@gmail.com'
    when 'plus' then parted.local_part || '@' || parted.domain_part
  end as mailbox_key,
  role_inboxes.local_part is not null as is_role_inbox,
  free_mail_domains.domain is not null as is_free_mail,
  nullif(trim(parted.first_name), '') as first_name,
  nullif(trim(parted.last_name), '') as last_name,
  nullif(regexp_replace(strip_accents(lower(parted.last_name)), '[^a-z0-9]', '', 'g'), '') as last_name_key,
  nullif(trim(parted.phone), '') as phone,
  nullif(trim(parted.job_title), '') as job_title,
  nullif(trim(parted.company_name), '') as company_name,
  countries.country_code,
  coalesce(nullif(trim(parted.consent_region), ''), countries.region) as consent_region,
  parted.product_user_id,
  parted.crm_contact_key,
  parted.stripe_customer_key,
  parted.created_at,
  parted.updated_at
from parted
left join seeds.role_inboxes on role_inboxes.local_part = parted.local_part
left join seeds.free_mail_domains on free_mail_domains.domain = parted.domain_part
left join seeds.countries on countries.name = lower(trim(parted.country))
anti join identity.erased_records on erased_records.record_key = parted.record_key

/* ---
description: >
  Contacts of HubSpot, one row each, with the company that they are associated with.
materialized: table
owner: revenue-operations
unique_key: [record_key]
columns:
  record_key: {description: "Key of the record: source:contact:id.", data_tests: [not_null, unique]}
  source: {description: "Source of the project.", data_tests: [not_null]}
  contact_id: {description: "Id in HubSpot.", pii: id, data_tests: [not_null]}
  email: {description: "Primary address as it stands.", pii: email}
  first_name: {description: "First name.", pii: name}
  last_name: {description: "Last name.", pii: name}
  phone: {description: "Phone, or else mobile phone.", pii: phone}
  job_title: {description: "Job title."}
  company_name: {description: "Employer as typed on the contact."}
  country: {description: "Country as typed."}
  lifecycle_stage: {description: "Lifecycle stage."}
  lead_status: {description: "Lead status."}
  lead_route: {description: "Where a representative sent the lead."}
  owner_id: {description: "Owner."}
  company_id: {description: "Primary company, or else the first associated one."}
  channel: {description: "HubSpot's word for the original source."}
  utm_source: {description: "Source tag."}
  utm_medium: {description: "Medium tag."}
  utm_campaign: {description: "Campaign tag."}
  product_user_id: {description: "Id in the product.", pii: id}
  stripe_customer_id: {description: "Customer in billing."}
  consent_status: {description: "granted, denied or unknown."}
  consent_at: {description: "When the word was given (UTC)."}
  consent_region: {description: "Region whose rules hold."}
  legal_basis: {description: "Recorded basis for processing."}
  email_opted_out: {description: "Unsubscribed from all e-mail."}
  first_engaged_at: {description: "When sales first spoke to the person (UTC)."}
  became_mql_at: {description: "When the CRM made it a marketing-qualified lead (UTC)."}
  became_sql_at: {description: "When the CRM made it a sales-qualified lead (UTC)."}
  created_at: {description: "Creation (UTC)."}
  updated_at: {description: "Last change (UTC)."}
  is_archived: {description: "Deleted in HubSpot; lists of records leave out the deleted ones, which have lists of their own.", data_tests: [not_null]}
--- */
with associated as (
  select _source, contact_id, min_by(company_id, (case when contains(lower(type), 'primary') then 0 else 1 end, company_id)) as company_id
  from raw_hubspot.contact_companies
  group by _source, contact_id
)
select
  contacts._source || ':contact:' || contacts.id as record_key,
  contacts._source as source,
  contacts.id as contact_id,
  contacts.email,
  contacts.first_name,
  contacts.last_name,
  coalesce(contacts.phone, contacts.mobile_phone) as phone,
  contacts.job_title,
  contacts.company as company_name,
  contacts.country,
  lower(contacts.lifecycle_stage) as lifecycle_stage,
  upper(contacts.lead_status) as lead_status,
  lower(contacts.lead_route) as lead_route,
  contacts.owner_id,
  coalesce(contacts.associated_company_id, associated.company_id) as company_id,
  upper(contacts.source) as channel,
  contacts.utm_source,
  contacts.utm_medium,
  contacts.utm_campaign,
  contacts.product_user_id,
  contacts.stripe_customer_id,
  lower(contacts.consent_status) as consent_status,
  contacts.consent_at,
  upper(contacts.consent_region) as consent_region,
  contacts.legal_basis,
  coalesce(contacts.email_opt_out, false) as email_opted_out,
  contacts.first_engaged_at,
  contacts.became_mql_at,
  contacts.became_sql_at,
  contacts.created_at,
  contacts.updated_at,
  coalesce(contacts.archived, false) or exists (
    select 1
    from raw_hubspot.archived_contacts as deleted
    where deleted._source = contacts._source and deleted.id = contacts.id
  ) as is_archived
from raw_hubspot.contacts
left join associated on associated._source = contacts._source and associated.contact_id = contacts.id

/* ---
description: >
  Contacts of HubSpot from Fivetran's table contact, one row each.
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
select
  _source || ':contact:' || id as record_key,
  _source as source,
  id as contact_id,
  property_email as email,
  property_firstname as first_name,
  property_lastname as last_name,
  coalesce(property_phone, property_mobilephone) as phone,
  property_jobtitle as job_title,
  property_company as company_name,
  property_country as country,
  lower(property_lifecyclestage) as lifecycle_stage,
  upper(property_hs_lead_status) as lead_status,
  lower(property_lead_route) as lead_route,
  property_hubspot_owner_id as owner_id,
  property_associatedcompanyid as company_id,
  upper(property_hs_analytics_source) as channel,
  property_utm_source as utm_source,
  property_utm_medium as utm_medium,
  property_utm_campaign as utm_campaign,
  property_product_user_id as product_user_id,
  property_stripe_customer_id as stripe_customer_id,
  lower(property_consent_status) as consent_status,
  property_consent_timestamp as consent_at,
  upper(property_consent_region) as consent_region,
  property_hs_legal_basis as legal_basis,
  coalesce(property_hs_email_optout, false) as email_opted_out,
  property_first_engaged_at as first_engaged_at,
  property_hs_lifecyclestage_marketingqualifiedlead_date as became_mql_at,
  property_hs_lifecyclestage_salesqualifiedlead_date as became_sql_at,
  property_createdate as created_at,
  property_lastmodifieddate as updated_at,
  coalesce(is_deleted, false) or coalesce(_fivetran_deleted, false) as is_archived
from raw_fivetran_hubspot.contact
where id is not null
qualify row_number() over (partition by _source, id order by _fivetran_synced desc nulls last, _row_id desc) = 1

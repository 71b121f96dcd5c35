/* ---
description: >
  Customers of Stripe, one row each, with the CRM's ids that their metadata holds.
materialized: table
owner: finance
unique_key: [record_key]
columns:
  record_key: {description: "Key of the record: source:customer:id.", data_tests: [not_null, unique]}
  source: {description: "Source of the project.", data_tests: [not_null]}
  customer_id: {description: "Id in Stripe.", pii: id, data_tests: [not_null]}
  name: {description: "Name."}
  email: {description: "Address.", pii: email}
  phone: {description: "Phone.", pii: phone}
  country: {description: "ISO 3166 code."}
  currency: {description: "Currency in upper case."}
  hubspot_company_id: {description: "Company in HubSpot."}
  hubspot_contact_id: {description: "Contact in HubSpot."}
  created_at: {description: "Creation (UTC)."}
  is_deleted: {description: "Deleted in Stripe.", data_tests: [not_null]}
--- */
select
  _source || ':customer:' || id as record_key,
  _source as source,
  id as customer_id,
  name,
  email,
  phone,
  address_country as country,
  upper(currency) as currency,
  nullif(metadata ->> '$.hubspot_company_id', '') as hubspot_company_id,
  nullif(metadata ->> '$.hubspot_contact_id', '') as hubspot_contact_id,
  created_at,
  false as is_deleted
from raw_stripe.customers

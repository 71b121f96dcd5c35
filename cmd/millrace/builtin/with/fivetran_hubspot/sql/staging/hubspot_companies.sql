/* ---
description: >
  Companies of HubSpot from Fivetran's table company, one row each.
materialized: table
owner: revenue-operations
unique_key: [record_key]
columns:
  record_key: {description: "Key of the record: source:company:id.", data_tests: [not_null, unique]}
  source: {description: "Source of the project.", data_tests: [not_null]}
  company_id: {description: "Id in HubSpot.", data_tests: [not_null]}
  name: {description: "Name as typed."}
  domain: {description: "Web domain as typed."}
  country: {description: "Country as typed."}
  industry: {description: "Industry."}
  employees: {description: "Number of employees."}
  annual_revenue: {description: "Annual revenue in the account's currency."}
  phone: {description: "Phone.", pii: phone}
  stripe_customer_id: {description: "Customer in billing."}
  owner_id: {description: "Owner."}
  lifecycle_stage: {description: "Lifecycle stage."}
  created_at: {description: "Creation (UTC)."}
  updated_at: {description: "Last change (UTC)."}
  is_archived: {description: "Deleted in HubSpot; lists of records leave out the deleted ones, which have lists of their own.", data_tests: [not_null]}
--- */
select
  _source || ':company:' || id as record_key,
  _source as source,
  id as company_id,
  property_name as name,
  coalesce(property_domain, property_website) as domain,
  property_country as country,
  property_industry as industry,
  property_numberofemployees as employees,
  property_annualrevenue as annual_revenue,
  property_phone as phone,
  property_stripe_customer_id as stripe_customer_id,
  property_hubspot_owner_id as owner_id,
  lower(property_lifecyclestage) as lifecycle_stage,
  property_createdate as created_at,
  property_hs_lastmodifieddate as updated_at,
  coalesce(is_deleted, false) or coalesce(_fivetran_deleted, false) as is_archived
from raw_fivetran_hubspot.company
where id is not null
qualify row_number() over (partition by _source, id order by _fivetran_synced desc nulls last, _row_id desc) = 1

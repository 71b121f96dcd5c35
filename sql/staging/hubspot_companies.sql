/* ---
description: >
  Companies of HubSpot, one row each.
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
  name,
  coalesce(domain, website) as domain,
  country,
  industry,
  employees,
  annual_revenue,
  phone,
  stripe_customer_id,
  owner_id,
  lower(lifecycle_stage) as lifecycle_stage,
  created_at,
  updated_at,
  coalesce(companies.archived, false) or exists (
    select 1
    from raw_hubspot.archived_companies as deleted
    where deleted._source = companies._source and deleted.id = companies.id
  ) as is_archived
from raw_hubspot.companies

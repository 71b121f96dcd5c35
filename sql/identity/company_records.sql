/* ---
description: >
  Every record that describes a company, one row per record of a source, with the normalised values that matching uses.
  An e-mail domain that only people have is a record too, so that they get an account.
materialized: table
owner: revenue-operations
unique_key: [record_key]
columns:
  record_key: {description: "Key of the record: source:object:id.", data_tests: [not_null, unique]}
  source: {description: Source of the project., data_tests: [not_null]}
  object: {description: "Kind of record: company, customer or email_domain.", data_tests: [not_null]}
  source_id: {description: The source's own id., data_tests: [not_null]}
  name: {description: Name as it stands in the source.}
  name_key: {description: "Name in lower case without accents, legal form, blanks and signs."}
  is_person_name: {description: True when the name is that of a person who is known., data_tests: [not_null]}
  domain: {description: "Web domain in lower case without www; null when it belongs to no single company."}
  country_code: {description: ISO 3166 code; null when unknown.}
  industry: {description: Industry as it stands in the source.}
  employees: {description: Number of employees.}
  annual_revenue: {description: Annual revenue as the CRM has it.}
  owner_id: {description: Owner in the CRM.}
  crm_company_key: {description: Record key of the CRM company that the record names or is.}
  stripe_customer_key: {description: Record key of the Stripe customer that the record names or is.}
  created_at: {description: When the source made the record (UTC).}
  updated_at: {description: When the source last changed the record (UTC).}
--- */
with company_keys as (
  select company_id, min(record_key) as record_key
  from staging.hubspot_companies
  group by company_id
),
customer_keys as (
  select customer_id, min(record_key) as record_key
  from staging.stripe_customers
  group by customer_id
),
customer_contacts as (
  select
    customers.record_key,
    min(contacts.source || ':company:' || contacts.company_id) as crm_company_key
  from staging.stripe_customers as customers
  inner join staging.hubspot_contacts as contacts
    on contacts.contact_id = customers.hubspot_contact_id and not contacts.is_archived
  where contacts.company_id is not null
  group by customers.record_key
),
described as (
  select
    companies.record_key, companies.source, 'company' as object, companies.company_id as source_id, companies.name,
    companies.domain, companies.country, companies.industry, companies.employees, companies.annual_revenue,
    companies.owner_id, companies.record_key as crm_company_key, customer_keys.record_key as stripe_customer_key,
    companies.created_at, companies.updated_at
  from staging.hubspot_companies as companies
  left join customer_keys on customer_keys.customer_id = companies.stripe_customer_id
  where not companies.is_archived
  union all
  select
    customers.record_key, customers.source, 'customer', customers.customer_id, customers.name, split_part(lower(trim(customers.email)), '@', 2),
    customers.country, null, null, null, null,
    coalesce(company_keys.record_key, customer_contacts.crm_company_key),
    customers.record_key, customers.created_at, customers.created_at
  from staging.stripe_customers as customers
  left join company_keys on company_keys.company_id = customers.hubspot_company_id
  left join customer_contacts on customer_contacts.record_key = customers.record_key
  where not customers.is_deleted
  union all
  select
    'email:domain:' || email_domain, 'email', 'email_domain', email_domain, null, email_domain,
    null, null, null, null, null, null, null, min(created_at), max(updated_at)
  from identity.person_records
  where email_domain in (select domain from identity.domains where domain_class = 'company')
  group by email_domain
),
cleaned as (
  select
    *,
    nullif(regexp_replace(regexp_replace(lower(trim(domain)), '^(https?://)?(www\.)?', ''), '[/:?#].*$', ''), '') as bare_domain
  from described
)
select
  cleaned.record_key,
  cleaned.source,
  cleaned.object,
  cleaned.source_id,
  nullif(trim(cleaned.name), '') as name,
  company_names.name_key,
  coalesce(company_names.is_person_name, false) as is_person_name,
  domains.domain,
  countries.country_code,
  nullif(trim(cleaned.industry), '') as industry,
  cleaned.employees,
  cleaned.annual_revenue,
  cleaned.owner_id,
  cleaned.crm_company_key,
  cleaned.stripe_customer_key,
  cleaned.created_at,
  cleaned.updated_at
from cleaned
left join identity.company_names on company_names.name = cleaned.name
left join identity.domains on domains.domain = cleaned.bare_domain and domains.domain_class = 'company'
left join seeds.countries on countries.name = lower(trim(cleaned.country))

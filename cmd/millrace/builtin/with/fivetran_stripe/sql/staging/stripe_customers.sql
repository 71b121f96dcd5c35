/* ---
description: >
  Customers of Stripe from Fivetran's table customer, one row each. One that only a subscription, an invoice or a charge names
  is a row with nothing but its id, so that no money is without a customer.
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
with named as (
  select _source, customer_id, min(created) as first_at
  from (
    select _source, customer_id, coalesce(start_date, created) as created from raw_fivetran_stripe.subscription_history
    union all
    select _source, customer_id, coalesce(created, period_start) from raw_fivetran_stripe.invoice
    union all
    select _source, customer_id, created from raw_fivetran_stripe.charge
  )
  where customer_id is not null
  group by _source, customer_id
)
select
  coalesce(customers._source, named._source) || ':customer:' || coalesce(customers.id, named.customer_id) as record_key,
  coalesce(customers._source, named._source) as source,
  coalesce(customers.id, named.customer_id) as customer_id,
  customers.name,
  customers.email,
  customers.phone,
  customers.address_country as country,
  upper(customers.currency) as currency,
  nullif(customers.metadata ->> '$.hubspot_company_id', '') as hubspot_company_id,
  nullif(customers.metadata ->> '$.hubspot_contact_id', '') as hubspot_contact_id,
  coalesce(customers.created, named.first_at) as created_at,
  coalesce(customers.is_deleted, false) or coalesce(customers._fivetran_deleted, false) as is_deleted
from raw_fivetran_stripe.customer as customers
full outer join named on named._source = customers._source and named.customer_id = customers.id
where coalesce(customers.id, named.customer_id) is not null
qualify row_number() over (
  partition by coalesce(customers._source, named._source), coalesce(customers.id, named.customer_id)
  order by customers._fivetran_synced desc nulls last, customers._row_id desc
) = 1

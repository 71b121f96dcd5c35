/* ---
description: >
  Accounts, one row each, put together from all records that identity resolution gives them. Which record a value comes
  from stands in identity.company_golden.
materialized: table
owner: revenue-operations
unique_key: [account_id]
columns:
  account_id: {description: "Stable id, see identity.company_membership.", data_tests: [not_null, unique]}
  name: {description: "Name; the domain when no record has one.", data_tests: [not_null]}
  domain: {description: Web domain.}
  country_code: {description: ISO 3166 code.}
  region: {description: "EU, UK, US, CA or OTHER; (unknown) without a country.", data_tests: [not_null]}
  industry: {description: Industry.}
  employees: {description: Number of employees.}
  size_segment: {description: "small (to 30), mid (to 200), large (to 999), enterprise or (unknown), by employees.", data_tests: [not_null, {accepted_values: {values: [small, mid, large, enterprise, "(unknown)"]}}]}
  annual_revenue: {description: Annual revenue as the CRM has it.}
  owner_id: {description: Owner in the CRM.}
  crm_company_id: {description: Id of the primary CRM company - the earliest one - which syncs write to.}
  channel: {description: Channel that brought the first of its people; Unknown when no source says., data_tests: [not_null]}
  is_paid_channel: {description: True when that channel is paid media., data_tests: [not_null]}
  first_seen_at: {description: When the first record was made (UTC).}
  records: {description: Records of the account., data_tests: [not_null]}
--- */
with ranked as (
  select
    membership.account_id,
    records.*
  from identity.company_membership as membership
  inner join identity.company_records as records on records.record_key = membership.record_key
),
described as (
  select
    account_id,
    first(source_id order by created_at nulls last, record_key) filter (where object = 'company') as crm_company_id,
    min(created_at) as first_seen_at,
    count(*) as records
  from ranked
  group by account_id
),
golden as (
  select
    account_id,
    max(value) filter (where attribute = 'name') as name,
    max(value) filter (where attribute = 'domain') as domain,
    max(value) filter (where attribute = 'country_code') as country_code,
    max(value) filter (where attribute = 'industry') as industry,
    try_cast(max(value) filter (where attribute = 'employees') as bigint) as employees,
    try_cast(max(value) filter (where attribute = 'annual_revenue') as decimal(18, 4)) as annual_revenue,
    max(value) filter (where attribute = 'owner_id') as owner_id
  from identity.company_golden
  group by account_id
),
chosen as (
  select described.*, golden.* exclude (account_id)
  from described
  left join golden on golden.account_id = described.account_id
),
origins as (
  select person_accounts.account_id, channels.channel, channels.is_paid
  from staging.hubspot_contacts as contacts
  inner join identity.person_membership as membership on membership.record_key = contacts.record_key
  inner join identity.person_accounts on person_accounts.person_id = membership.person_id
  inner join seeds.channels on channels.kind = 'hubspot_source' and channels.value = upper(contacts.channel)
  qualify row_number() over (partition by person_accounts.account_id order by contacts.created_at nulls last, contacts.record_key) = 1
),
regions as (
  select country_code, min(region) as region
  from seeds.countries
  group by country_code
)
select
  chosen.account_id,
  coalesce(chosen.name, chosen.domain, '(unnamed)') as name,
  chosen.domain,
  chosen.country_code,
  coalesce(regions.region, '(unknown)') as region,
  chosen.industry,
  chosen.employees,
  case
    when chosen.employees is null then '(unknown)'
    when chosen.employees <= 30 then 'small'
    when chosen.employees <= 200 then 'mid'
    when chosen.employees <= 999 then 'large'
    else 'enterprise'
  end as size_segment,
  chosen.annual_revenue,
  chosen.owner_id,
  chosen.crm_company_id,
  coalesce(origins.channel, 'Unknown') as channel,
  coalesce(origins.is_paid, false) as is_paid_channel,
  chosen.first_seen_at,
  chosen.records
from chosen
left join regions on regions.country_code = chosen.country_code
left join origins on origins.account_id = chosen.account_id

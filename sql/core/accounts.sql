/* ---
description: Accounts, one row each, put together from all records that identity resolution gives them.
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
    records.*,
    case records.object when 'company' then 1 when 'customer' then 2 else 3 end as source_place
  from identity.company_membership as membership
  inner join identity.company_records as records on records.record_key = membership.record_key
),
chosen as (
  select
    account_id,
    first(name order by source_place, updated_at desc nulls last, record_key) filter (where name is not null) as name,
    first(domain order by source_place, updated_at desc nulls last, record_key) filter (where domain is not null) as domain,
    first(country_code order by source_place, updated_at desc nulls last, record_key) filter (where country_code is not null) as country_code,
    first(industry order by source_place, updated_at desc nulls last, record_key) filter (where industry is not null) as industry,
    first(employees order by source_place, updated_at desc nulls last, record_key) filter (where employees is not null) as employees,
    first(annual_revenue order by source_place, updated_at desc nulls last, record_key) filter (where annual_revenue is not null) as annual_revenue,
    first(owner_id order by source_place, updated_at desc nulls last, record_key) filter (where owner_id is not null) as owner_id,
    first(source_id order by created_at nulls last, record_key) filter (where object = 'company') as crm_company_id,
    min(created_at) as first_seen_at,
    count(*) as records
  from ranked
  group by account_id
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

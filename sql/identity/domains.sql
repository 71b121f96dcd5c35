/* ---
description: >
  Every domain of an address or web site, and whether it belongs to one company. Free mail providers are in a list, and
  learnt: a domain that the CRM gives to no company and whose people name several employers, none of them mostly, belongs
  to none of them; nor does one that is a company's in the CRM but is named by many.
materialized: table
owner: revenue-operations
unique_key: [domain]
columns:
  domain: {description: Domain in lower case without www., data_tests: [not_null, unique]}
  domain_class: {description: "company, free or shared; only a company's domain tells who somebody works for.", data_tests: [not_null, {accepted_values: {values: [company, free, shared]}}]}
  names: {description: Different employers named by its records., data_tests: [not_null]}
  top_share: {description: Share of the most frequent of them; null without any.}
  in_crm: {description: True when the CRM gives it to a company., data_tests: [not_null]}
--- */
with sightings as (
  select
    nullif(regexp_replace(regexp_replace(lower(trim(domain)), '^(https?://)?(www\.)?', ''), '[/:?#].*$', ''), '') as domain,
    name,
    true as in_crm
  from staging.hubspot_companies
  where not is_archived
  union all
  select email_domain, company_name, false
  from identity.person_records
),
named as (
  select sightings.domain, company_names.name_key, count(*) as records
  from sightings
  inner join identity.company_names on company_names.name = sightings.name
  where company_names.name_key is not null and not company_names.is_person_name
  group by sightings.domain, company_names.name_key
),
measured as (
  select domain, count(*) as names, max(records) / sum(records) as top_share
  from named
  group by domain
),
known as (
  select domain, bool_or(in_crm) as in_crm
  from sightings
  where domain is not null
  group by domain
)
select
  known.domain,
  case
    when free_mail_domains.domain is not null then 'free'
    when not known.in_crm and measured.names >= 2 and measured.top_share <= 0.5 then 'shared'
    when measured.names >= 4 and measured.top_share <= 0.4 then 'shared'
    else 'company'
  end as domain_class,
  coalesce(measured.names, 0) as names,
  round(measured.top_share, 8)::decimal(18, 8) as top_share,
  known.in_crm
from known
left join measured on measured.domain = known.domain
left join seeds.free_mail_domains on free_mail_domains.domain = known.domain

/* ---
description: >
  The account of each person, with the evidence: the CRM's association, else the company that pays, else the e-mail
  domain. One account a person; the most frequent one wins, then the one with the smallest id.
materialized: table
owner: revenue-operations
unique_key: [person_id]
columns:
  person_id: {description: Person., data_tests: [not_null, unique]}
  account_id: {description: Account., data_tests: [not_null]}
  evidence: {description: "crm_association, billing or email_domain.", data_tests: [not_null]}
--- */
with claims as (
  select membership.person_id, companies.account_id, 'crm_association' as evidence, 1 as strength
  from staging.hubspot_contacts as contacts
  inner join identity.person_membership as membership on membership.record_key = contacts.record_key
  inner join identity.company_membership as companies
    on companies.record_key = contacts.source || ':company:' || contacts.company_id
  union all
  select membership.person_id, companies.account_id, 'billing', 2
  from identity.person_records as records
  inner join identity.person_membership as membership on membership.record_key = records.record_key
  inner join identity.company_membership as companies on companies.record_key = records.record_key
  where records.object = 'customer'
  union all
  select membership.person_id, companies.account_id, 'email_domain', 3
  from identity.person_records as records
  inner join identity.person_membership as membership on membership.record_key = records.record_key
  inner join identity.company_membership as companies on companies.record_key = 'email:domain:' || records.email_domain
),
counted as (
  select person_id, account_id, evidence, strength, count(*) as claims
  from claims
  group by person_id, account_id, evidence, strength
)
select person_id, account_id, evidence
from counted
qualify row_number() over (partition by person_id order by strength, claims desc, account_id) = 1

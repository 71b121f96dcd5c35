/* ---
description: >
  Which companies each person belongs to, with every piece of evidence: the CRM's association, what they pay for, or the
  domain of their address. One person may belong to several; identity.person_accounts holds the
  main one. Companies are never joined through people.
materialized: table
owner: revenue-operations
unique_key: [person_id, account_id, evidence]
columns:
  person_id: {description: Person., data_tests: [not_null]}
  account_id: {description: Account., data_tests: [not_null]}
  evidence: {description: "crm_association, billing or email_domain.", data_tests: [not_null]}
  strength: {description: "Rank of the evidence, 1 first.", data_tests: [not_null]}
  claims: {description: Records that say so., data_tests: [not_null]}
  role: {description: Latest job title among them; null when none says.}
  first_seen_at: {description: When the first of them was made (UTC).}
  last_seen_at: {description: When the last of them changed (UTC).}
data_tests:
  - unique_combination: {columns: [person_id, account_id, evidence]}
--- */
with claims as (
  select contacts.record_key, companies.account_id, 'crm_association' as evidence, 1 as strength
  from staging.hubspot_contacts as contacts
  inner join identity.company_membership as companies
    on companies.record_key = contacts.source || ':company:' || contacts.company_id
  union all
  select records.record_key, companies.account_id, 'billing', 2
  from identity.person_records as records
  inner join identity.company_membership as companies on companies.record_key = records.record_key
  where records.object = 'customer'
  union all
  select records.record_key, companies.account_id, 'email_domain', 3
  from identity.person_records as records
  inner join identity.company_membership as companies on companies.record_key = 'email:domain:' || records.email_domain
)
select
  membership.person_id,
  claims.account_id,
  claims.evidence,
  claims.strength,
  count(*) as claims,
  max_by(records.job_title, (coalesce(records.updated_at, timestamp '1970-01-01'), records.record_key)) as role,
  min(records.created_at) as first_seen_at,
  max(records.updated_at) as last_seen_at
from claims
inner join identity.person_records as records on records.record_key = claims.record_key
inner join identity.person_membership as membership on membership.record_key = claims.record_key
group by membership.person_id, claims.account_id, claims.evidence, claims.strength

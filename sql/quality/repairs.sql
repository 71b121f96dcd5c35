/* ---
description: >
  Every value of a source that was repaired, and every record that cannot be used for something, with what to do about it.
  One row per finding; a record can have several.
materialized: table
owner: revenue-operations
columns:
  source: {description: Source., data_tests: [not_null]}
  stream: {description: Stream of the source., data_tests: [not_null]}
  _row_id: {description: Id of the record in its source., data_tests: [not_null]}
  column_name: {description: Column., data_tests: [not_null]}
  original: {description: Value as it stands in the source; null when there is none., pii: free_text}
  repaired: {description: Value used instead; null when the value could not be repaired., pii: free_text}
  repair_rule: {description: Rule that found it., data_tests: [not_null]}
  effect: {description: "repaired, or unusable for what the rule says.", data_tests: [not_null, {accepted_values: {values: [repaired, unusable]}}]}
  consequence: {description: What it means for the numbers and what to do., data_tests: [not_null]}
  check_name: {description: Check of quality.checks that counts the finding; null when none does.}
  object: {description: What that check calls what it checks.}
  twin_id: {description: Id of the earlier record of the same person or company.}
data_tests:
  - unique_combination: {columns: [source, stream, _row_id, column_name, repair_rule]}
  - expression: "(repaired is not null) = (effect = 'repaired')"
--- */
with members as (
  select records.source, records.object, records.source_id, records.created_at, records.record_key, membership.person_id as entity_id
  from identity.person_records as records
  inner join identity.person_membership as membership on membership.record_key = records.record_key
  where records.object in ('contact', 'user') and membership.entity_kind = 'person'
  union all
  select records.source, records.object, records.source_id, records.created_at, records.record_key, membership.account_id
  from identity.company_records as records
  inner join identity.company_membership as membership on membership.record_key = records.record_key
  where records.object = 'company'
),
twins as (
  select
    source,
    object,
    source_id,
    first_value(source_id) over (
      partition by source, object, entity_id order by created_at nulls last, record_key
    ) as twin_id
  from members
  qualify row_number() over (partition by source, object, entity_id order by created_at nulls last, record_key) > 1
),
findings as (
  select
    contacts.source,
    'contacts' as stream,
    contacts.contact_id as _row_id,
    'email' as column_name,
    contacts.email as original,
    records.email as repaired,
    case when records.email is null then 'email_invalid' else 'email_normalised' end as repair_rule,
    case when records.email is null then 'not matched by address and not written to: correct it in the CRM' else 'matched in lower case' end as consequence,
    'missing ids' as check_name,
    contacts.source || '.contact' as object,
    null as twin_id
  from staging.hubspot_contacts as contacts
  inner join identity.person_records as records on records.record_key = contacts.record_key
  where contacts.email is not null and contacts.email is distinct from records.email
  union all
  select contacts.source, 'contacts', contacts.contact_id, 'email', null, null, 'email_missing', 'cannot be joined to other tools nor reached: enter an address', 'missing ids', contacts.source || '.contact', null
  from staging.hubspot_contacts as contacts
  where contacts.email is null and not contacts.is_archived
  union all
  select contacts.source, 'contacts', contacts.contact_id, 'email', contacts.email, null, 'role_inbox', 'kept as a mailbox and not as a person: ask who is behind it', 'missing ids', contacts.source || '.contact', null
  from staging.hubspot_contacts as contacts
  inner join identity.person_records as records on records.record_key = contacts.record_key
  where records.is_role_inbox
  union all
  select contacts.source, 'contacts', contacts.contact_id, 'country', contacts.country, null, 'country_unknown', 'treated by the strictest consent rules: add the name to seeds/countries.csv', null, null, null
  from staging.hubspot_contacts as contacts
  inner join identity.person_records as records on records.record_key = contacts.record_key
  where contacts.country is not null and records.country_code is null
  union all
  select companies.source, 'companies', companies.company_id, 'country', companies.country, null, 'country_unknown', 'counted under (unknown): add the name to seeds/countries.csv', null, null, null
  from staging.hubspot_companies as companies
  inner join identity.company_records as records on records.record_key = companies.record_key
  where companies.country is not null and records.country_code is null
  union all
  select companies.source, 'companies', companies.company_id, 'domain', companies.domain, records.domain, 'domain_normalised', 'matched by the bare domain', null, null, null
  from staging.hubspot_companies as companies
  inner join identity.company_records as records on records.record_key = companies.record_key
  where companies.domain != records.domain
  union all
  select companies.source, 'companies', companies.company_id, 'domain', companies.domain, null, 'domain_shared', 'not used to tell companies apart: it belongs to a mail provider', null, null, null
  from staging.hubspot_companies as companies
  inner join identity.company_records as records on records.record_key = companies.record_key
  where companies.domain is not null and records.domain is null
  union all
  select source, 'deals', source_id, 'amount', null, null, 'amount_missing', 'counted as a deal and left out of money: enter the amount', 'no amount', 'core.opportunities', null
  from core.opportunities
  where amount is null and status != 'lost'
  union all
  select source, 'deals', source_id, 'company', null, null, 'account_missing', 'counted in totals but in no region, channel or size: associate a company', 'no account', 'core.opportunities', null
  from core.opportunities
  where account_id is null
  union all
  select source, 'deals', source_id, 'currency', currency, null, 'rate_missing', 'left out of money: add the currency to seeds/fx_rates.csv', 'no rate', 'core.opportunities', null
  from core.opportunities
  where amount is not null and project_amount is null
  union all
  select 'billing', 'invoices', invoice_id, 'currency', currency, null, 'rate_missing', 'left out of money: add the currency to seeds/fx_rates.csv', 'no rate', 'core.invoices', null
  from core.invoices
  where net_amount is not null and project_net_amount is null
  union all
  select 'billing', 'invoices', invoice_id, 'customer', null, null, 'account_missing', 'counted in no segment: the customer is not in the extract', 'no account', 'core.invoices', null
  from core.invoices
  where account_id is null
  union all
  select submissions.source, 'form submissions', submissions.submission_id, 'email', submissions.email, null, 'email_missing', 'joins nothing and reaches nobody: make the address a required field of the form', 'missing ids', submissions.source || '.form_submission', null
  from staging.hubspot_form_submissions as submissions
  inner join identity.person_records as records on records.record_key = submissions.record_key
  where records.email is null
  union all
  select customers.source, 'customers', customers.customer_id, 'email', customers.email, null, 'email_missing', 'joins no other tool: enter the address, or hubspot_company_id in the metadata', 'missing ids', customers.source || '.customer', null
  from staging.stripe_customers as customers
  inner join identity.person_records as records on records.record_key = customers.record_key
  where records.email is null and records.phone is null and customers.hubspot_company_id is null and customers.hubspot_contact_id is null
  union all
  select source, object || 's', source_id, 'id', source_id, null, 'duplicate_record', 'a second record of the same person or company: merge it with the one under twin_id where they are kept', 'duplicates', source || '.' || object, twin_id
  from twins
)
select
  source,
  stream,
  _row_id,
  column_name,
  original,
  repaired,
  repair_rule,
  case when repaired is null then 'unusable' else 'repaired' end as effect,
  consequence,
  check_name,
  object,
  twin_id
from findings

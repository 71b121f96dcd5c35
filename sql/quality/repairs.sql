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
data_tests:
  - unique_combination: {columns: [source, stream, _row_id, column_name, repair_rule]}
  - expression: "(repaired is not null) = (effect = 'repaired')"
--- */
with findings as (
  select
    contacts.source,
    'contacts' as stream,
    contacts.contact_id as _row_id,
    'email' as column_name,
    contacts.email as original,
    records.email as repaired,
    case when records.email is null then 'email_invalid' else 'email_normalised' end as repair_rule,
    case when records.email is null then 'not matched by address and not written to: correct it in the CRM' else 'matched in lower case' end as consequence
  from staging.hubspot_contacts as contacts
  inner join identity.person_records as records on records.record_key = contacts.record_key
  where contacts.email is not null and contacts.email is distinct from records.email
  union all
  select contacts.source, 'contacts', contacts.contact_id, 'email', null, null, 'email_missing', 'cannot be joined to other tools nor reached: enter an address'
  from staging.hubspot_contacts as contacts
  where contacts.email is null and not contacts.is_archived
  union all
  select contacts.source, 'contacts', contacts.contact_id, 'email', contacts.email, null, 'role_inbox', 'kept as a mailbox and not as a person: ask who is behind it'
  from staging.hubspot_contacts as contacts
  inner join identity.person_records as records on records.record_key = contacts.record_key
  where records.is_role_inbox
  union all
  select contacts.source, 'contacts', contacts.contact_id, 'country', contacts.country, null, 'country_unknown', 'treated by the strictest consent rules: add the name to seeds/countries.csv'
  from staging.hubspot_contacts as contacts
  inner join identity.person_records as records on records.record_key = contacts.record_key
  where contacts.country is not null and records.country_code is null
  union all
  select companies.source, 'companies', companies.company_id, 'country', companies.country, null, 'country_unknown', 'counted under (unknown): add the name to seeds/countries.csv'
  from staging.hubspot_companies as companies
  inner join identity.company_records as records on records.record_key = companies.record_key
  where companies.country is not null and records.country_code is null
  union all
  select companies.source, 'companies', companies.company_id, 'domain', companies.domain, records.domain, 'domain_normalised', 'matched by the bare domain'
  from staging.hubspot_companies as companies
  inner join identity.company_records as records on records.record_key = companies.record_key
  where companies.domain != records.domain
  union all
  select companies.source, 'companies', companies.company_id, 'domain', companies.domain, null, 'domain_shared', 'not used to tell companies apart: it belongs to a mail provider'
  from staging.hubspot_companies as companies
  inner join identity.company_records as records on records.record_key = companies.record_key
  where companies.domain is not null and records.domain is null
  union all
  select source, 'deals', source_id, 'amount', null, null, 'amount_missing', 'counted as a deal and left out of money: enter the amount'
  from core.opportunities
  where amount is null and status != 'lost'
  union all
  select source, 'deals', source_id, 'company', null, null, 'account_missing', 'counted in totals but in no region, channel or size: associate a company'
  from core.opportunities
  where account_id is null
  union all
  select source, 'deals', source_id, 'currency', currency, null, 'rate_missing', 'left out of money: add the currency to seeds/fx_rates.csv'
  from core.opportunities
  where amount is not null and project_amount is null
  union all
  select 'billing', 'invoices', invoice_id, 'currency', currency, null, 'rate_missing', 'left out of money: add the currency to seeds/fx_rates.csv'
  from core.invoices
  where net_amount is not null and project_net_amount is null
  union all
  select 'billing', 'invoices', invoice_id, 'customer', null, null, 'account_missing', 'counted in no segment: the customer is not in the extract'
  from core.invoices
  where account_id is null
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
  consequence
from findings

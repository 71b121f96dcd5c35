/* ---
description: >
  What each person agreed to, per purpose. Over several records the latest explicit word counts, a refusal without a date
  always, and an unsubscribe ends e-mail. Where a region's law wants an opt-in, or the region is unknown, silence is no.
materialized: table
owner: privacy
unique_key: [person_id, purpose]
columns:
  person_id: {description: Person., data_tests: [not_null, {relationships: {to: core.people, field: person_id}}]}
  purpose: {description: marketing_email or advertising., data_tests: [not_null, {accepted_values: {values: [marketing_email, advertising]}}]}
  status: {description: "granted, denied or unknown.", data_tests: [not_null, {accepted_values: {values: [granted, denied, unknown]}}]}
  consent_at: {description: When the word was given (UTC); null when no source says.}
  region: {description: "Region whose rules hold: EU, UK, US, CA, OTHER or (unknown).", data_tests: [not_null]}
  regime: {description: "opt_in or opt_out.", data_tests: [not_null, {accepted_values: {values: [opt_in, opt_out]}}]}
  is_allowed: {description: True when the purpose may be served., data_tests: [not_null]}
  record_key: {description: Record that the word comes from.}
data_tests:
  - unique_combination: {columns: [person_id, purpose]}
  - expression: "status != 'denied' or not is_allowed"
--- */
with said as (
  select
    membership.person_id,
    contacts.record_key,
    case when lower(contacts.consent_status) in ('granted', 'denied') then lower(contacts.consent_status) else 'unknown' end as status,
    contacts.consent_at,
    coalesce(contacts.email_opted_out, false) as opted_out
  from staging.hubspot_contacts as contacts
  inner join identity.person_membership as membership on membership.record_key = contacts.record_key
),
latest as (
  select *
  from said
  qualify row_number() over (
    partition by person_id
    order by
      case when status = 'denied' and consent_at is null then 0 when status in ('granted', 'denied') then 1 else 2 end,
      consent_at desc nulls last,
      status,
      record_key
  ) = 1
),
unsubscribed as (
  select person_id, min(record_key) as record_key
  from said
  where opted_out
  group by person_id
),
regions as (
  select
    membership.person_id,
    case
      when count(distinct records.consent_region) = 1 then max(records.consent_region)
      when bool_or(records.consent_region = 'EU') then 'EU'
      when bool_or(records.consent_region = 'UK') then 'UK'
      when bool_or(records.consent_region = 'CA') then 'CA'
      when count(records.consent_region) > 0 then min(records.consent_region)
      else '(unknown)'
    end as region
  from identity.person_membership as membership
  inner join identity.person_records as records on records.record_key = membership.record_key
  group by membership.person_id
),
judged as (
  select
    people.person_id,
    purposes.purpose,
    case
      when purposes.purpose = 'marketing_email' and unsubscribed.person_id is not null then 'denied'
      else coalesce(latest.status, 'unknown')
    end as status,
    latest.consent_at,
    coalesce(regions.region, '(unknown)') as region,
    case when regions.region = 'US' then 'opt_out' else 'opt_in' end as regime,
    coalesce(case when purposes.purpose = 'marketing_email' then unsubscribed.record_key end, latest.record_key) as record_key
  from core.people
  cross join (values ('marketing_email'), ('advertising')) as purposes (purpose)
  left join latest on latest.person_id = people.person_id
  left join unsubscribed on unsubscribed.person_id = people.person_id
  left join regions on regions.person_id = people.person_id
)
select
  person_id,
  purpose,
  status,
  consent_at,
  region,
  regime,
  status = 'granted' or (status = 'unknown' and regime = 'opt_out') as is_allowed,
  record_key
from judged

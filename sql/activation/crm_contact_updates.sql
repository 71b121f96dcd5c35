/* ---
description: >
  What the CRM is told about its contacts: score, reasons and next step, one row per person who has a contact there. The
  next step is that of the policy lead_routing, and only while it decides for real: one that runs beside people says
  nothing here. Who is in its control group carries the decision, which keeps the whole row from being sent.
materialized: table
owner: revenue-operations
tags: [activation]
unique_key: [person_id]
columns:
  person_id: {description: Person., pii: id, data_tests: [not_null, unique, {relationships: {to: core.people, field: person_id}}]}
  crm_contact_id: {description: Id of the primary contact in the CRM., pii: id, data_tests: [not_null]}
  crm_email: {description: Address of that contact as the CRM has it; null when it has none and so cannot be met by it., pii: email}
  email: {description: Best address of the person., pii: email}
  full_name: {description: Name of the person., pii: name}
  owner_id: {description: Owner in the CRM.}
  score: {description: "Lead score, 0 to 100.", data_tests: [not_null, {accepted_range: {min: 0, max: 100}}]}
  score_reason: {description: Reasons of the score with their points., data_tests: [not_null]}
  next_step: {description: What is to be done with the lead; null while the policy only runs beside people.}
  decision_id: {description: Decision that this row carries out; null when it carries out none.}
  decision_mode: {description: "shadow or live; null when nothing was decided yet."}
  proposed_step: {description: What the policy chose whether or not it may act.}
  decided_at: {description: When it chose (UTC).}
  consent_purpose: {description: Purpose that the consent is for.}
  consent_status: {description: "granted, denied or unknown.", data_tests: [{accepted_values: {values: [granted, denied, unknown]}}]}
  consent_region: {description: "Region whose rules hold; (unknown) is treated as the strictest."}
  consent_at: {description: When the word was given (UTC).}
data_tests:
  - expression: "next_step is null or decision_id is not null"
--- */
with contacts as (
  select
    membership.person_id,
    contacts.contact_id,
    nullif(lower(trim(contacts.email)), '') as email
  from staging.hubspot_contacts as contacts
  inner join identity.person_membership as membership on membership.record_key = contacts.record_key
  where not contacts.is_archived
  qualify row_number() over (partition by membership.person_id, contacts.contact_id order by contacts.record_key) = 1
),
routing as (
  select
    subject as person_id,
    choice,
    mode,
    decision_id,
    decided_at,
    held_out,
    mode = 'live' as is_live
  from decisions.current
  where policy = 'lead_routing'
)
select
  people.person_id,
  people.crm_contact_id,
  contacts.email as crm_email,
  people.email,
  people.full_name,
  people.owner_id,
  lead_score.score,
  lead_score.reasons as score_reason,
  case when routing.is_live and not routing.held_out then routing.choice end as next_step,
  case when routing.is_live then routing.decision_id end as decision_id,
  routing.mode as decision_mode,
  routing.choice as proposed_step,
  routing.decided_at,
  consents.purpose as consent_purpose,
  consents.status as consent_status,
  consents.region as consent_region,
  consents.consent_at
from core.people
inner join scores.lead_score on lead_score.person_id = people.person_id
inner join contacts on contacts.person_id = people.person_id and contacts.contact_id = people.crm_contact_id
left join routing on routing.person_id = people.person_id
left join core.consents on consents.person_id = people.person_id and consents.purpose = 'marketing_email'
where not people.is_mailbox

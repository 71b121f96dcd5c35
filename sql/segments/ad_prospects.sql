/* ---
description: >
  People to show advertising to: a warm score, no customer, nothing open with sales, and consent to advertising. Who
  withdraws consent, buys or goes cold leaves the segment with the next build, and so the audience that is made from it.
materialized: table
owner: marketing
tags: [audience]
unique_key: [person_id]
columns:
  person_id: {description: Person., data_tests: [not_null, unique, {relationships: {to: core.people, field: person_id}}]}
  email: {description: Address., pii: email, data_tests: [not_null]}
  phone: {description: Phone number as it stands in its source., pii: phone}
  first_name: {description: First name., pii: name}
  last_name: {description: Last name., pii: name}
  country_code: {description: ISO 3166 code.}
  score: {description: Lead score., data_tests: [not_null]}
  reasons: {description: Why the score is what it is.}
  consent_purpose: {description: Purpose that the consent is for., data_tests: [not_null]}
  consent_status: {description: "granted, or unknown where the region's law lets silence be consent.", data_tests: [not_null, {accepted_values: {values: [granted, unknown]}}]}
  consent_region: {description: Region whose rules hold., data_tests: [not_null]}
  consent_at: {description: When the word was given (UTC).}
--- */
select
  people.person_id,
  people.email,
  people.phone,
  people.first_name,
  people.last_name,
  people.country_code,
  lead_score.score,
  lead_score.reasons,
  consents.purpose as consent_purpose,
  consents.status as consent_status,
  consents.region as consent_region,
  consents.consent_at
from core.people
inner join scores.lead_score on lead_score.person_id = people.person_id
inner join core.consents on consents.person_id = people.person_id and consents.purpose = 'advertising'
left join features.account_state on account_state.account_id = people.account_id
where consents.is_allowed
  and not people.is_mailbox
  and people.email is not null
  and lead_score.score > 50
  and not coalesce(account_state.is_customer, false)
  and coalesce(account_state.open_opportunities, 0) = 0

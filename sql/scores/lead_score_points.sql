/* ---
description: >
  The scorecard: one row per person and rule that applies, with its points and the reason in words. Fit says whether the
  person is whom we sell to, engagement whether they want it now. A rule is a line of this file; changing points is a change
  of the score's version, which scores.lead_score names.
materialized: table
owner: revenue-operations
unique_key: [person_id, score_rule]
columns:
  person_id: {description: Person., data_tests: [not_null, {relationships: {to: core.people, field: person_id}}]}
  score_rule: {description: Rule that applies., data_tests: [not_null]}
  kind: {description: "fit, engagement or penalty.", data_tests: [not_null, {accepted_values: {values: [fit, engagement, penalty]}}]}
  points: {description: Points of the rule; penalties are negative., data_tests: [not_null]}
  reason: {description: Why in words., data_tests: [not_null]}
data_tests:
  - unique_combination: {columns: [person_id, score_rule]}
  - expression: "(points < 0) = (kind = 'penalty')"
--- */
with context as (
  select
    people.person_id,
    people.is_mailbox,
    people.is_free_mail,
    people.email_domain,
    people.seniority,
    people.job_title,
    accounts.employees,
    lower(accounts.industry) as industry,
    activity.touches_7,
    activity.touches_30,
    activity.pricing_visits_30,
    activity.has_demo_request,
    activity.has_trial_request,
    activity.recency_days,
    consents.status = 'denied' as is_unsubscribed
  from core.people
  inner join features.person_activity as activity on activity.person_id = people.person_id
  left join core.accounts on accounts.account_id = people.account_id
  left join core.consents on consents.person_id = people.person_id and consents.purpose = 'marketing_email'
)
select person_id, 'company over 30 people' as score_rule, 'fit' as kind, 18 as points, 'company of ' || employees || ' people' as reason
from context
where employees > 30
union all
select person_id, 'company over 200 people', 'fit', 12, 'company of ' || employees || ' people'
from context
where employees > 200
union all
select person_id, 'target industry', 'fit', 12, 'industry ' || replace(industry, '_', ' ')
from context
where industry in ('computer_software', 'information_technology_and_services', 'internet', 'financial_services', 'marketing_and_advertising')
union all
select person_id, 'executive', 'fit', 20, 'executive: ' || job_title
from context
where seniority = 'executive'
union all
select person_id, 'director', 'fit', 15, 'director: ' || job_title
from context
where seniority = 'director'
union all
select person_id, 'manager', 'fit', 8, 'manager: ' || job_title
from context
where seniority = 'manager'
union all
select person_id, 'company address', 'fit', 5, 'writes from a company address'
from context
where email_domain is not null and not is_free_mail
union all
select person_id, 'asked for a demo', 'engagement', 20, 'asked for a demonstration'
from context
where has_demo_request
union all
select person_id, 'asked for a trial', 'engagement', 15, 'asked for a trial'
from context
where has_trial_request and not has_demo_request
union all
select person_id, 'active this week', 'engagement', 10, 'active in the last 7 days'
from context
where touches_7 > 0
union all
select person_id, 'active this month', 'engagement', 5, 'active in the last 30 days'
from context
where touches_30 > 0 and touches_7 = 0
union all
select person_id, 'came back', 'engagement', 8, touches_30 || ' forms and visits in 30 days'
from context
where touches_30 >= 3
union all
select person_id, 'looked at prices', 'engagement', 7, 'looked at prices'
from context
where pricing_visits_30 > 0
union all
select person_id, 'role inbox', 'penalty', -40, 'a mailbox that several people read'
from context
where is_mailbox
union all
select person_id, 'free mail', 'penalty', -10, 'writes from a free mailbox'
from context
where is_free_mail
union all
select person_id, 'silent', 'penalty', -15, 'silent for more than 90 days'
from context
where recency_days > 90
union all
select person_id, 'refused e-mail', 'penalty', -10, 'refused e-mail'
from context
where is_unsubscribed

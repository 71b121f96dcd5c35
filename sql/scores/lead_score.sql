/* ---
description: >
  Lead score of each person, 0 to 100, with the reasons: the sum of scores.lead_score_points, cut off at both ends. It is
  a ranking by rules and not a probability. Customers have one too; who is to be sold to is for rules and policies to say.
materialized: table
owner: revenue-operations
unique_key: [person_id]
columns:
  person_id: {description: Person., data_tests: [not_null, unique, {relationships: {to: core.people, field: person_id}}]}
  crm_contact_id: {description: Id of the primary CRM contact., pii: id}
  account_id: {description: Account of the person.}
  score: {description: "0 to 100.", data_tests: [not_null, {accepted_range: {min: 0, max: 100}}]}
  fit_points: {description: Points for who it is., data_tests: [not_null]}
  engagement_points: {description: Points for what was done., data_tests: [not_null]}
  penalty_points: {description: Points taken off as a negative number., data_tests: [not_null]}
  band: {description: "hot (over 80), warm (over 50) or cold.", data_tests: [not_null, {accepted_values: {values: [hot, warm, cold]}}]}
  reasons: {description: The reasons with their points from the weightiest on., data_tests: [not_null]}
  reason_1: {description: The weightiest reason.}
  reason_2: {description: The second.}
  reason_3: {description: The third.}
  score_version: {description: Version of the scorecard., data_tests: [not_null]}
  as_of_date: {description: Day that the score is for., data_tests: [not_null]}
data_tests:
  - expression: "score = least(greatest(fit_points + engagement_points + penalty_points, 0), 100)"
--- */
with ranked as (
  select
    *,
    row_number() over (partition by person_id order by abs(points) desc, score_rule) as place
  from scores.lead_score_points
),
summed as (
  select
    person_id,
    coalesce(sum(points) filter (where kind = 'fit'), 0)::integer as fit_points,
    coalesce(sum(points) filter (where kind = 'engagement'), 0)::integer as engagement_points,
    coalesce(sum(points) filter (where kind = 'penalty'), 0)::integer as penalty_points,
    string_agg(reason || ' (' || printf('%+d', points) || ')', '; ' order by place) as reasons,
    max(reason) filter (where place = 1) as reason_1,
    max(reason) filter (where place = 2) as reason_2,
    max(reason) filter (where place = 3) as reason_3
  from ranked
  group by person_id
),
scored as (
  select
    people.person_id,
    people.crm_contact_id,
    people.account_id,
    coalesce(summed.fit_points, 0) as fit_points,
    coalesce(summed.engagement_points, 0) as engagement_points,
    coalesce(summed.penalty_points, 0) as penalty_points,
    coalesce(summed.reasons, 'no rule applies') as reasons,
    summed.reason_1,
    summed.reason_2,
    summed.reason_3
  from core.people
  left join summed on summed.person_id = people.person_id
),
bounded as (
  select *, least(greatest(fit_points + engagement_points + penalty_points, 0), 100) as score
  from scored
)
select
  bounded.person_id,
  bounded.crm_contact_id,
  bounded.account_id,
  bounded.score,
  bounded.fit_points,
  bounded.engagement_points,
  bounded.penalty_points,
  case when bounded.score > 80 then 'hot' when bounded.score > 50 then 'warm' else 'cold' end as band,
  bounded.reasons,
  bounded.reason_1,
  bounded.reason_2,
  bounded.reason_3,
  'rules-1' as score_version,
  as_of.as_of_date
from bounded
cross join core.as_of

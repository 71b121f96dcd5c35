/* ---
description: >
  What the policy lead_routing chose beside what representatives did with the same people. Only people whom a
  representative has routed by hand are in it: about the others nobody's judgement is known.
materialized: table
owner: revenue-operations
tags: [ops]
unique_key: [choice, human_choice]
columns:
  choice: {description: What the policy chose., data_tests: [not_null]}
  human_choice: {description: Where the representative sent the lead., data_tests: [not_null]}
  people: {description: People., data_tests: [not_null]}
  agrees: {description: True when both are the same., data_tests: [not_null]}
  mean_score: {description: Mean score of these people.}
data_tests:
  - unique_combination: {columns: [choice, human_choice]}
--- */
select
  routing.choice,
  people.lead_route as human_choice,
  count(*) as people,
  routing.choice = people.lead_route as agrees,
  round(avg(routing.score), 1)::decimal(18, 1) as mean_score
from decisions.current as routing
inner join core.people on people.person_id = routing.subject
where routing.policy = 'lead_routing'
  and people.lead_route is not null
group by all

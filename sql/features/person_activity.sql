/* ---
description: >
  What each person has done, as of the as-of date: recency, frequency and depth. Only touches up to that day count, so a
  score can be made again for a day in the past.
materialized: table
owner: revenue-operations
unique_key: [person_id]
columns:
  person_id: {description: Person., data_tests: [not_null, unique, {relationships: {to: core.people, field: person_id}}]}
  last_touch_date: {description: Day of the last form or visit; null when there is none.}
  recency_days: {description: Days since then.}
  touches_7: {description: Forms and visits in seven days., data_tests: [not_null]}
  touches_30: {description: Forms and visits in thirty days., data_tests: [not_null]}
  touches_90: {description: Forms and visits in ninety days., data_tests: [not_null]}
  forms_90: {description: Forms in ninety days., data_tests: [not_null]}
  pricing_visits_30: {description: Visits of the pricing page in thirty days., data_tests: [not_null]}
  has_demo_request: {description: Asked for a demonstration in ninety days., data_tests: [not_null]}
  has_trial_request: {description: Asked for a trial in ninety days., data_tests: [not_null]}
  engagement_trend: {description: "Touches of the last thirty days against the thirty before: (now - before) / (now + before); null without any."}
--- */
with windowed as (
  select
    touches.person_id,
    max(touches.touch_date) as last_touch_date,
    count(*) filter (where touches.touch_date > as_of.as_of_date - 7) as touches_7,
    count(*) filter (where touches.touch_date > as_of.as_of_date - 30) as touches_30,
    count(*) filter (where touches.touch_date > as_of.as_of_date - 60 and touches.touch_date <= as_of.as_of_date - 30) as touches_before_30,
    count(*) filter (where touches.touch_date > as_of.as_of_date - 90) as touches_90,
    count(*) filter (where touches.kind = 'form' and touches.touch_date > as_of.as_of_date - 90) as forms_90,
    count(*) filter (
      where touches.kind = 'visit' and touches.label like '%pricing%' and touches.touch_date > as_of.as_of_date - 30
    ) as pricing_visits_30,
    bool_or(touches.kind = 'form' and touches.label ilike '%demo%' and touches.touch_date > as_of.as_of_date - 90) as has_demo_request,
    bool_or(touches.kind = 'form' and touches.label ilike '%trial%' and touches.touch_date > as_of.as_of_date - 90) as has_trial_request
  from core.touches
  cross join core.as_of
  where touches.touch_date <= as_of.as_of_date
  group by touches.person_id
)
select
  people.person_id,
  windowed.last_touch_date,
  as_of.as_of_date - windowed.last_touch_date as recency_days,
  coalesce(windowed.touches_7, 0) as touches_7,
  coalesce(windowed.touches_30, 0) as touches_30,
  coalesce(windowed.touches_90, 0) as touches_90,
  coalesce(windowed.forms_90, 0) as forms_90,
  coalesce(windowed.pricing_visits_30, 0) as pricing_visits_30,
  coalesce(windowed.has_demo_request, false) as has_demo_request,
  coalesce(windowed.has_trial_request, false) as has_trial_request,
  round(
    (windowed.touches_30 - windowed.touches_before_30) / nullif(windowed.touches_30 + windowed.touches_before_30, 0), 8
  )::decimal(18, 8) as engagement_trend
from core.people
cross join core.as_of
left join windowed on windowed.person_id = people.person_id

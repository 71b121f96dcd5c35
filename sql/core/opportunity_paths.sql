/* ---
description: >
  The touches on the way to an opportunity: what the people of its account did within the days that core.assumptions gives
  (journey_days) up to its creation, and up to its winning. A touch without a known channel is not on the way. Each has an
  equal share of the credit; the shares of a way add up to one, to the last digit.
materialized: table
owner: marketing
columns:
  opportunity_id: {description: Opportunity., data_tests: [not_null, {relationships: {to: core.opportunities, field: opportunity_id}}]}
  milestone: {description: created or won., data_tests: [not_null, {accepted_values: {values: [created, won]}}]}
  milestone_date: {description: Day of it., data_tests: [not_null]}
  touch_id: {description: Touch., data_tests: [not_null]}
  occurred_at: {description: Instant of the touch (UTC)., data_tests: [not_null]}
  channel: {description: Channel of the touch., data_tests: [not_null]}
  place: {description: "1 for the first touch of the way.", data_tests: [not_null]}
  touches: {description: Touches of the way., data_tests: [not_null]}
  is_last: {description: True for the last touch of the way., data_tests: [not_null]}
  linear_share: {description: Equal share of the credit., data_tests: [not_null, {accepted_range: {min: 0, max: 1}}]}
data_tests:
  - unique_combination: {columns: [opportunity_id, milestone, touch_id]}
--- */
with milestones as (
  select opportunity_id, account_id, person_id, 'created' as milestone, created_date as milestone_date from core.opportunities
  union all
  select opportunity_id, account_id, person_id, 'won', closed_date from core.opportunities where status = 'won' and closed_date is not null
),
reached as (
  select milestones.opportunity_id, milestones.milestone, milestones.milestone_date, touches.touch_id, touches.occurred_at, touches.channel
  from milestones
  cross join core.assumptions
  inner join core.touches
    on touches.account_id = milestones.account_id
    and touches.touch_date between milestones.milestone_date - assumptions.journey_days and milestones.milestone_date
  where touches.channel != 'Unknown'
  union
  select milestones.opportunity_id, milestones.milestone, milestones.milestone_date, touches.touch_id, touches.occurred_at, touches.channel
  from milestones
  cross join core.assumptions
  inner join core.touches
    on touches.person_id = milestones.person_id
    and touches.touch_date between milestones.milestone_date - assumptions.journey_days and milestones.milestone_date
  where touches.channel != 'Unknown'
),
numbered as (
  select
    *,
    row_number() over (partition by opportunity_id, milestone order by occurred_at, touch_id) as place,
    count(*) over (partition by opportunity_id, milestone) as touches
  from reached
)
select
  opportunity_id,
  milestone,
  milestone_date,
  touch_id,
  occurred_at,
  channel,
  place,
  touches,
  place = touches as is_last,
  (round(place / touches, 8)::decimal(18, 8) - round((place - 1) / touches, 8)::decimal(18, 8))::decimal(18, 8) as linear_share
from numbered

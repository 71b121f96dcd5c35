/* ---
description: >
  The stages that each opportunity has entered, in order. The export shows the present stage and two dates, so an
  earlier stage is imputed from a later one, and its time from the dates that there are.
materialized: table
owner: revenue-operations
columns:
  opportunity_id: {description: Opportunity., data_tests: [not_null, {relationships: {to: core.opportunities, field: opportunity_id}}]}
  pass_no: {description: 1; the export does not show deals that were opened again., data_tests: [not_null]}
  pipeline: {description: Pipeline that the stage belongs to., data_tests: [not_null]}
  stage: {description: "Stage: Prospecting, Engaging, Won or Lost.", data_tests: [not_null, {accepted_values: {values: [Prospecting, Engaging, Won, Lost]}}]}
  stage_order: {description: Place in the funnel; null for an exit (Lost).}
  entered_at: {description: "Start of the day on which it was entered; null when unknown."}
  left_at: {description: Start of the day on which it was left; null while it is in this stage or when unknown.}
  is_imputed: {description: True when the export does not say so itself., data_tests: [not_null]}
data_tests:
  - unique_combination: {columns: [opportunity_id, pass_no, stage]}
--- */
with entered as (
  select opportunity_id, 'Prospecting' as stage, 1 as stage_order, null::date as entered_date, created_date as left_date, status != 'open' or stage != 'Prospecting' as is_imputed
  from core.opportunities
  union all
  select opportunity_id, 'Engaging', 2, created_date, closed_date, stage != 'Engaging'
  from core.opportunities
  where stage != 'Prospecting' or created_date is not null
  union all
  select opportunity_id, 'Won', 3, closed_date, null, false
  from core.opportunities
  where status = 'won'
  union all
  select opportunity_id, 'Lost', null, closed_date, null, false
  from core.opportunities
  where status = 'lost'
)
select
  opportunity_id,
  1 as pass_no,
  'sales' as pipeline,
  stage,
  stage_order,
  entered_date::timestamp as entered_at,
  left_date::timestamp as left_at,
  is_imputed
from entered

/* ---
description: >
  Opportunities, one row each. Dates are business days of the project's time zone. An opportunity is qualified from the
  day on which it first entered a stage that seeds/stage_map.csv, or else a probability of 40 % or more, calls qualified.
materialized: table
owner: revenue-operations
unique_key: [opportunity_id]
columns:
  opportunity_id: {description: "Key: source:deal:id.", data_tests: [not_null, unique]}
  source: {description: Source of the project., data_tests: [not_null]}
  source_id: {description: The CRM's id., data_tests: [not_null]}
  name: {description: Name in the CRM.}
  account_id: {description: Account., data_tests: [{relationships: {to: core.accounts, field: account_id}}]}
  person_id: {description: First contact of the opportunity., data_tests: [{relationships: {to: core.people, field: person_id}}]}
  owner_id: {description: Owner in the CRM.}
  pipeline: {description: Pipeline., data_tests: [not_null]}
  stage: {description: Stage in the CRM's own words.}
  status: {description: "open, won or lost.", data_tests: [not_null, {accepted_values: {values: [open, won, lost]}}]}
  is_new_business: {description: False when the CRM calls it existing business., data_tests: [not_null]}
  created_date: {description: Day of creation., data_tests: [not_null]}
  qualified_date: {description: Day on which it became qualified; null when it never did.}
  closed_date: {description: Day on which it was won or lost; null while open.}
  cycle_days: {description: Days from creation to close; null while open., data_tests: [{accepted_range: {min: 0}}]}
  amount: {description: Value in its own currency.}
  currency: {description: Currency of the amount.}
  project_amount: {description: "Value in the project's currency, at the rate of the closing day (while open: of the as-of date); null when there is no rate."}
--- */
with stages as (
  select
    pipeline_stages.source,
    pipeline_stages.pipeline_id,
    pipeline_stages.stage_id,
    pipeline_stages.pipeline_label,
    pipeline_stages.stage_label,
    case
      when pipeline_stages.is_won then 'won'
      when pipeline_stages.is_closed then 'lost'
      else 'open'
    end as status,
    coalesce(stage_map.is_qualified::boolean, coalesce(pipeline_stages.probability >= 0.4, false)) as is_qualified
  from staging.hubspot_pipeline_stages as pipeline_stages
  left join seeds.stage_map on stage_map.object = 'deal' and stage_map.stage_id = pipeline_stages.stage_id
),
moves as (
  select
    deals.record_key as opportunity_id,
    min(history.entered_at) filter (where stages.is_qualified) as qualified_at,
    max(history.entered_at) filter (where stages.status != 'open') as closed_at
  from staging.hubspot_deals as deals
  inner join staging.hubspot_deal_stage_history as history
    on history.source = deals.source and history.deal_id = deals.deal_id
  inner join stages
    on stages.source = deals.source and stages.pipeline_id = deals.pipeline_id and stages.stage_id = history.stage_id
  group by deals.record_key
),
deal_accounts as (
  select deal_companies.source, deal_companies.deal_id, min(membership.account_id) as account_id
  from staging.hubspot_deal_companies as deal_companies
  inner join identity.company_membership as membership
    on membership.record_key = deal_companies.source || ':company:' || deal_companies.company_id
  group by deal_companies.source, deal_companies.deal_id
),
deal_people as (
  select deal_contacts.source, deal_contacts.deal_id, min_by(membership.person_id, (deal_contacts.contact_id, membership.person_id)) as person_id
  from staging.hubspot_deal_contacts as deal_contacts
  inner join identity.person_membership as membership
    on membership.record_key = deal_contacts.source || ':contact:' || deal_contacts.contact_id
  group by deal_contacts.source, deal_contacts.deal_id
),
dated as (
  select
    deals.*,
    coalesce(stages.pipeline_label, deals.pipeline_id, 'sales') as pipeline,
    coalesce(stages.stage_label, deals.stage_id) as stage,
    coalesce(stages.status, 'open') as status,
    (deals.created_at at time zone 'UTC' at time zone run.time_zone)::date as created_date,
    (coalesce(moves.qualified_at, case when stages.is_qualified then deals.created_at end) at time zone 'UTC' at time zone run.time_zone)::date as qualified_date,
    case
      when coalesce(stages.status, 'open') != 'open'
        then (coalesce(moves.closed_at, deals.closed_at) at time zone 'UTC' at time zone run.time_zone)::date
    end as closed_date,
    coalesce(upper(deals.currency), run.currency) as amount_currency
  from staging.hubspot_deals as deals
  cross join meta.run
  left join stages
    on stages.source = deals.source and stages.pipeline_id = deals.pipeline_id and stages.stage_id = deals.stage_id
  left join moves on moves.opportunity_id = deals.record_key
  where not deals.is_archived
)
select
  dated.record_key as opportunity_id,
  dated.source,
  dated.deal_id as source_id,
  dated.name,
  coalesce(deal_accounts.account_id, person_accounts.account_id) as account_id,
  deal_people.person_id,
  dated.owner_id,
  dated.pipeline,
  dated.stage,
  dated.status,
  coalesce(dated.deal_type, 'newbusiness') != 'existingbusiness' as is_new_business,
  dated.created_date,
  dated.qualified_date,
  dated.closed_date,
  case when dated.closed_date >= dated.created_date then dated.closed_date - dated.created_date end as cycle_days,
  dated.amount,
  dated.amount_currency as currency,
  round(dated.amount * fx_rates.spot_rate, 4)::decimal(18, 4) as project_amount
from dated
cross join core.as_of
left join deal_accounts on deal_accounts.source = dated.source and deal_accounts.deal_id = dated.deal_id
left join deal_people on deal_people.source = dated.source and deal_people.deal_id = dated.deal_id
left join identity.person_accounts on person_accounts.person_id = deal_people.person_id
left join core.fx_rates
  on fx_rates.currency = dated.amount_currency
  and coalesce(dated.closed_date, as_of.as_of_date) between fx_rates.from_date and fx_rates.to_date

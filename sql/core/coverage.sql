/* ---
description: >
  What is known at all, in one row: for each kind of source the reason why KPIs that need it cannot be stated, null when it has
  given anything. A KPI whose source is not connected says so; zero would be a claim.
materialized: table
owner: revenue-operations
columns:
  opportunities_missing: {description: Why KPIs about opportunities cannot be stated; null when they can.}
  people_missing: {description: Why KPIs about leads cannot be stated; null when they can.}
  billing_missing: {description: Why KPIs about recurring revenue cannot be stated; null when they can.}
  invoices_missing: {description: Why KPIs about invoices and payments cannot be stated; null when they can.}
  media_missing: {description: Why KPIs about advertising cannot be stated; null when they can.}
  costs_missing: {description: Why KPIs about costs of acquisition cannot be stated; null when they can.}
  web_missing: {description: Why KPIs about the web site cannot be stated; null when they can.}
  touches_missing: {description: Why KPIs about journeys cannot be stated; null when they can.}
  email_missing: {description: Why KPIs about e-mail cannot be stated; null when they can.}
  running_costs_missing: {description: Why KPIs about the system's own cost cannot be stated; null when they can.}
  media_from: {description: First day with advertising data; null without any.}
  costs_from: {description: "First day with any cost of acquisition, media or other; null without any."}
  web_from: {description: First day with web traffic; null without any.}
--- */
with seen as (
  select 'opportunities' as subject, count(*) as records, min(created_date) as first_date from core.opportunities
  union all
  select 'people', count(*), min(lead_date) from core.people where crm_contact_id is not null
  union all
  select 'billing', count(*), min(from_date) from core.subscription_intervals
  union all
  select 'invoices', count(*), min(invoice_date) from core.invoices
  union all
  select 'media', count(*), min(spend_date) from core.spend
  union all
  select 'costs', count(*), min(cost_date) from core.sales_marketing_costs
  union all
  select 'web', count(*), min(traffic_date) from core.web_traffic
  union all
  select 'touches', count(*), min(touch_date) from core.touches
  union all
  select 'email', count(*), min(sent_date) from core.email_sends
  union all
  select 'running costs', count(*), min(month) from core.running_costs
),
wide as (
  select
    max(records) filter (where subject = 'opportunities') as opportunities,
    max(records) filter (where subject = 'people') as people,
    max(records) filter (where subject = 'billing') as billing,
    max(records) filter (where subject = 'invoices') as invoices,
    max(records) filter (where subject = 'media') as media,
    max(records) filter (where subject = 'costs') as costs,
    max(records) filter (where subject = 'web') as web,
    max(records) filter (where subject = 'touches') as touches,
    max(records) filter (where subject = 'email') as email,
    max(records) filter (where subject = 'running costs') as running_costs,
    max(first_date) filter (where subject = 'media') as media_from,
    min(first_date) filter (where subject in ('media', 'costs')) as costs_from,
    max(first_date) filter (where subject = 'web') as web_from
  from seen
)
select
  case when opportunities = 0 then 'no opportunity is known: connect a CRM' end as opportunities_missing,
  case when people = 0 then 'no lead is known: connect a CRM' end as people_missing,
  case when billing = 0 then 'no subscription is known: connect billing' end as billing_missing,
  case when invoices = 0 then 'no invoice is known: connect billing' end as invoices_missing,
  case when media = 0 then 'no media spend is known: connect an ad platform' end as media_missing,
  case when media + costs = 0 then 'no sales and marketing costs are known: connect an ad platform, fill in sql/seeds/sales_marketing_costs.csv' end as costs_missing,
  case when web = 0 then 'no web traffic is known: connect web analytics' end as web_missing,
  case when touches = 0 then 'no form or visit of a known person is known: connect forms or web analytics' end as touches_missing,
  case when email = 0 then 'no e-mail figures are known: fill in sql/seeds/email_sends.csv' end as email_missing,
  case when running_costs = 0 then 'no running costs are known: fill in sql/seeds/running_costs.csv' end as running_costs_missing,
  media_from,
  costs_from,
  web_from
from wide

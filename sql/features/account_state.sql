/* ---
description: Where each account stands as of the as-of date - customer or not, pipeline, product use and support.
materialized: table
owner: revenue-operations
unique_key: [account_id]
columns:
  account_id: {description: Account., data_tests: [not_null, unique, {relationships: {to: core.accounts, field: account_id}}]}
  is_customer: {description: Has recurring revenue., data_tests: [not_null]}
  was_customer: {description: Had recurring revenue and has none now., data_tests: [not_null]}
  mrr: {description: Recurring revenue in the project's currency., data_tests: [not_null]}
  customer_since: {description: Day of its first recurring revenue.}
  open_opportunities: {description: Open opportunities., data_tests: [not_null]}
  people: {description: People known., data_tests: [not_null]}
  active_users_30: {description: Users active in thirty days., data_tests: [not_null]}
  usage_days_30: {description: Days with any use in thirty days., data_tests: [not_null]}
  usage_trend: {description: "Events of the last thirty days against the thirty before: (now - before) / (now + before); null without any."}
  open_tickets: {description: Open tickets., data_tests: [not_null]}
  tickets_90: {description: Tickets of ninety days., data_tests: [not_null]}
--- */
with revenue as (
  select
    account_mrr.account_id,
    min(account_mrr.from_date) as customer_since,
    max_by(account_mrr.mrr, (account_mrr.from_date, account_mrr.mrr)) as mrr
  from core.account_mrr
  group by account_mrr.account_id
),
pipeline as (
  select account_id, count(*) as open_opportunities
  from core.opportunities
  where status = 'open'
  group by account_id
),
crowd as (
  select account_id, count(*) as people
  from core.people
  where not is_mailbox
  group by account_id
),
use as (
  select
    usage.account_id,
    count(distinct usage.product_user_id) filter (where usage.usage_date > as_of.as_of_date - 30) as active_users_30,
    count(distinct usage.usage_date) filter (where usage.usage_date > as_of.as_of_date - 30) as usage_days_30,
    coalesce(sum(usage.events) filter (where usage.usage_date > as_of.as_of_date - 30), 0) as events_30,
    coalesce(sum(usage.events) filter (where usage.usage_date > as_of.as_of_date - 60 and usage.usage_date <= as_of.as_of_date - 30), 0) as events_before_30
  from core.usage
  cross join core.as_of
  where usage.usage_date <= as_of.as_of_date
  group by usage.account_id
),
support as (
  select
    tickets.account_id,
    count(*) filter (where tickets.is_open) as open_tickets,
    count(*) filter (where tickets.created_date > as_of.as_of_date - 90) as tickets_90
  from core.tickets
  cross join core.as_of
  group by tickets.account_id
)
select
  accounts.account_id,
  coalesce(revenue.mrr, 0) > 0 as is_customer,
  coalesce(revenue.mrr = 0, false) as was_customer,
  coalesce(revenue.mrr, 0)::decimal(18, 4) as mrr,
  revenue.customer_since,
  coalesce(pipeline.open_opportunities, 0) as open_opportunities,
  coalesce(crowd.people, 0) as people,
  coalesce(use.active_users_30, 0) as active_users_30,
  coalesce(use.usage_days_30, 0) as usage_days_30,
  round((use.events_30 - use.events_before_30) / nullif(use.events_30 + use.events_before_30, 0), 8)::decimal(18, 8) as usage_trend,
  coalesce(support.open_tickets, 0) as open_tickets,
  coalesce(support.tickets_90, 0) as tickets_90
from core.accounts
left join revenue on revenue.account_id = accounts.account_id
left join pipeline on pipeline.account_id = accounts.account_id
left join crowd on crowd.account_id = accounts.account_id
left join use on use.account_id = accounts.account_id
left join support on support.account_id = accounts.account_id

/* ---
description: Subscriptions, one row each, as they are now.
materialized: table
owner: finance
unique_key: [subscription_id]
columns:
  subscription_id: {description: Id in the billing system., data_tests: [not_null, unique]}
  account_id: {description: Account that pays.}
  status: {description: Status in the billing system., data_tests: [not_null]}
  started_at: {description: When it began (UTC).}
  trial_end_at: {description: When its trial ends or ended (UTC); null without a trial.}
  canceled_at: {description: When the customer gave notice (UTC).}
  ended_at: {description: When it ended (UTC); null while it runs.}
  currency: {description: Currency.}
  mrr: {description: MRR on the as-of date in the project's currency., data_tests: [not_null]}
--- */
with latest as (
  select *
  from staging.stripe_subscription_states
  qualify row_number() over (partition by source, subscription_id order by valid_from desc, state_order desc, item_id) = 1
),
present as (
  select intervals.subscription_id, sum(intervals.mrr) as mrr
  from core.subscription_intervals as intervals
  cross join core.as_of
  where intervals.from_date <= as_of.as_of_date and coalesce(intervals.to_date > as_of.as_of_date, true)
  group by intervals.subscription_id
)
select
  latest.subscription_id,
  membership.account_id,
  latest.status,
  latest.started_at,
  latest.trial_end_at,
  latest.canceled_at,
  latest.ended_at,
  upper(latest.currency) as currency,
  coalesce(present.mrr, 0)::decimal(18, 4) as mrr
from latest
left join identity.company_membership as membership on membership.record_key = latest.source || ':customer:' || latest.customer_id
left join present on present.subscription_id = latest.subscription_id

/* ---
description: Product usage per user and day.
materialized: table
owner: product
columns:
  product_user_id: {description: User., pii: id, data_tests: [not_null]}
  person_id: {description: Person behind the user; null when no record says.}
  account_id: {description: Account of the person.}
  usage_date: {description: Day., data_tests: [not_null]}
  events: {description: Actions in the product., data_tests: [not_null]}
  minutes: {description: Minutes of use., data_tests: [not_null]}
data_tests:
  - unique_combination: {columns: [product_user_id, usage_date]}
--- */
with daily as (
  select user_id, usage_date, sum(events) as events, sum(minutes) as minutes
  from staging.product_usage
  group by user_id, usage_date
),
users as (
  select records.product_user_id, min(membership.person_id) as person_id
  from identity.person_records as records
  inner join identity.person_membership as membership on membership.record_key = records.record_key
  where records.product_user_id is not null
  group by records.product_user_id
)
select
  daily.user_id as product_user_id,
  users.person_id,
  person_accounts.account_id,
  daily.usage_date,
  coalesce(daily.events, 0)::bigint as events,
  coalesce(daily.minutes, 0)::bigint as minutes
from daily
left join users on users.product_user_id = daily.user_id
left join identity.person_accounts on person_accounts.person_id = users.person_id

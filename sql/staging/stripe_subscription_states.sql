/* ---
description: >
  Every state of every subscription item that is known, one row per item and state, in time. Events tell what held
  from their moment on, and what held before the first of them; a subscription without events is taken to have been as
  it is now since it began. Stripe keeps events for thirty days, so what was landed in time is all that there is.
materialized: table
owner: finance
columns:
  source: {description: "Source of the project.", data_tests: [not_null]}
  subscription_id: {description: "Subscription.", data_tests: [not_null]}
  customer_id: {description: "Customer.", pii: id, data_tests: [not_null]}
  item_id: {description: "Item of the subscription."}
  price_id: {description: "Price."}
  status: {description: "Status in this state.", data_tests: [not_null]}
  quantity: {description: "Quantity in this state."}
  currency: {description: "Currency in upper case."}
  discount_percent: {description: "Percentage off the whole subscription."}
  discount_amount: {description: "Amount off the subscription per period in major units."}
  trial_end_at: {description: "End of the trial (UTC)."}
  paused: {description: "Collection is paused.", data_tests: [not_null]}
  started_at: {description: "Start of the subscription (UTC)."}
  canceled_at: {description: "When notice was given (UTC)."}
  ended_at: {description: "End of the subscription (UTC)."}
  valid_from: {description: "When the state began (UTC).", data_tests: [not_null]}
  state_order: {description: "Order among states of one moment.", data_tests: [not_null]}
data_tests:
  - unique_combination: {columns: [source, subscription_id, item_id, valid_from, state_order]}
--- */
with event_objects as (
  select
    _source,
    id as event_id,
    created_at as valid_from,
    object_id as subscription_id,
    data -> '$.object' as subscription,
    data -> '$.previous_attributes' as previous,
    row_number() over (partition by _source, object_id order by created_at, id) as place
  from raw_stripe.events
  where type in ('customer.subscription.created', 'customer.subscription.updated', 'customer.subscription.deleted', 'customer.subscription.paused', 'customer.subscription.resumed')
),
event_items as (
  select event_objects.*, item.entry as item
  from event_objects
  cross join unnest(json_extract(event_objects.subscription, '$.items.data[*]')) as item (entry)
),
event_states as (
  select
    _source as source,
    subscription_id,
    subscription ->> '$.customer' as customer_id,
    item ->> '$.id' as item_id,
    item ->> '$.price.id' as price_id,
    subscription ->> '$.status' as status,
    try_cast(item ->> '$.quantity' as bigint) as quantity,
    subscription ->> '$.currency' as currency,
    subscription -> '$.discount' as discount,
    to_timestamp(try_cast(subscription ->> '$.trial_end' as bigint)) at time zone 'UTC' as trial_end_at,
    coalesce(subscription ->> '$.pause_collection.behavior', '') != '' as paused,
    to_timestamp(try_cast(subscription ->> '$.start_date' as bigint)) at time zone 'UTC' as started_at,
    to_timestamp(try_cast(subscription ->> '$.canceled_at' as bigint)) at time zone 'UTC' as canceled_at,
    to_timestamp(try_cast(subscription ->> '$.ended_at' as bigint)) at time zone 'UTC' as ended_at,
    valid_from,
    place * 2 as state_order,
    place,
    coalesce(
      try_cast(previous ->> '$.items.data[0].quantity' as bigint),
      try_cast(previous ->> '$.quantity' as bigint),
      try_cast(item ->> '$.quantity' as bigint)
    ) as previous_quantity,
    coalesce(previous ->> '$.items.data[0].price.id', item ->> '$.price.id') as previous_price_id,
    coalesce(previous ->> '$.status', case when (subscription ->> '$.status') = 'canceled' then 'active' end, subscription ->> '$.status') as previous_status
  from event_items
),
known_subscriptions as (
  select distinct source, subscription_id from event_states
),
first_known as (
  select *
  from event_states
  where place = 1 and started_at < valid_from - interval 1 minute
),
unknown_subscriptions as (
  select
    subscriptions._source as source,
    subscriptions.id as subscription_id,
    subscriptions.customer_id,
    items.id as item_id,
    items.price_id,
    subscriptions.status,
    items.quantity,
    coalesce(items.currency, subscriptions.currency) as currency,
    subscriptions.discount,
    subscriptions.trial_end as trial_end_at,
    subscriptions.pause_collection is not null and subscriptions.pause_collection::varchar != 'null' as paused,
    coalesce(subscriptions.started_at, subscriptions.created_at) as started_at,
    subscriptions.canceled_at,
    subscriptions.ended_at
  from raw_stripe.subscriptions
  inner join raw_stripe.subscription_items as items
    on items._source = subscriptions._source and items.subscription_id = subscriptions.id
  left join known_subscriptions
    on known_subscriptions.source = subscriptions._source and known_subscriptions.subscription_id = subscriptions.id
  where known_subscriptions.subscription_id is null and coalesce(subscriptions.started_at, subscriptions.created_at) is not null
),
states as (
  select
    source, subscription_id, customer_id, item_id, price_id, status, quantity, currency, discount, trial_end_at, paused,
    started_at, canceled_at, ended_at, valid_from, state_order
  from event_states
  union all
  select
    source, subscription_id, customer_id, item_id, previous_price_id, previous_status, previous_quantity, currency, discount,
    trial_end_at, paused, started_at, null, null, started_at, 0
  from first_known
  union all
  select
    source, subscription_id, customer_id, item_id, price_id,
    case
      when status = 'trialing' or trial_end_at > started_at then 'trialing'
      when status = 'canceled' then 'active'
      else status
    end,
    quantity, currency, discount, trial_end_at, paused, started_at, canceled_at, ended_at, started_at, 1
  from unknown_subscriptions
  union all
  select
    source, subscription_id, customer_id, item_id, price_id, case when status = 'canceled' then 'active' else status end,
    quantity, currency, discount, trial_end_at, paused, started_at, canceled_at, ended_at, trial_end_at, 2
  from unknown_subscriptions
  where trial_end_at > started_at and status != 'trialing' and (ended_at is null or ended_at > trial_end_at)
  union all
  select
    source, subscription_id, customer_id, item_id, price_id, status,
    quantity, currency, discount, trial_end_at, paused, started_at, canceled_at, ended_at, ended_at, 3
  from unknown_subscriptions
  where status = 'canceled' and ended_at is not null
)
select
  states.source,
  states.subscription_id,
  states.customer_id,
  states.item_id,
  states.price_id,
  states.status,
  states.quantity,
  upper(states.currency) as currency,
  try_cast(states.discount ->> '$.coupon.percent_off' as decimal(9, 6)) as discount_percent,
  (try_cast(states.discount ->> '$.coupon.amount_off' as bigint) / pow(10, coalesce(currency_units.minor_units, 2)))::decimal(18, 4) as discount_amount,
  states.trial_end_at,
  states.paused,
  states.started_at,
  states.canceled_at,
  states.ended_at,
  states.valid_from,
  states.state_order
from states
left join seeds.currency_units on currency_units.currency = upper(states.currency)

/* ---
description: >
  Every state of every subscription item that is known, from Fivetran's tables subscription_history and subscription_item.
  Fivetran keeps the versions of a subscription and the present items only: a quantity is that of today for all versions.
  Where there is one version, a trial and an end are states of their own, as they were; one that is called active although it
  ended with its trial is taken at its word.
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
  discount_duration: {description: "once, repeating or forever."}
  discount_ends_at: {description: "End of a repeating discount (UTC)."}
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
with versions as (
  select
    *,
    coalesce(start_date, created) as started_at,
    row_number() over (partition by _source, id order by coalesce(_fivetran_start, start_date, created) nulls first, coalesce(_fivetran_active, true), _row_id) as place
  from raw_fivetran_stripe.subscription_history
  where id is not null and customer_id is not null and status is not null
),
discounts as (
  select
    subscription_discounts._source,
    subscription_discounts.subscription_id,
    coupons.percent_off::decimal(9, 6) as percent_off,
    (coupons.amount_off / pow(10, coalesce(currency_units.minor_units, 2)))::decimal(18, 4) as amount_off,
    coupons.duration,
    subscription_discounts."end" as ends_at
  from raw_fivetran_stripe.subscription_discount as subscription_discounts
  inner join raw_fivetran_stripe.coupon as coupons
    on coupons._source = subscription_discounts._source and coupons.id = subscription_discounts.coupon_id
  left join seeds.currency_units on currency_units.currency = upper(coupons.currency)
  qualify row_number() over (
    partition by subscription_discounts._source, subscription_discounts.subscription_id
    order by subscription_discounts.start desc nulls last, subscription_discounts.id desc
  ) = 1
),
items as (
  select *
  from raw_fivetran_stripe.subscription_item
  where subscription_id is not null and not coalesce(_fivetran_deleted, false)
),
described as (
  select
    versions._source as source,
    versions.id as subscription_id,
    versions.customer_id,
    coalesce(items.id, versions.id) as item_id,
    items.plan_id as price_id,
    versions.status,
    coalesce(items.quantity, versions.quantity, 1) as quantity,
    discounts.percent_off as discount_percent,
    discounts.amount_off as discount_amount,
    discounts.duration as discount_duration,
    discounts.ends_at as discount_ends_at,
    versions.trial_end as trial_end_at,
    versions.pause_collection_behavior is not null as paused,
    versions.started_at,
    versions.canceled_at,
    versions.ended_at,
    case when versions.place = 1 then versions.started_at else coalesce(versions._fivetran_start, versions.current_period_start, versions.started_at) end as valid_from,
    versions.place
  from versions
  left join items on items._source = versions._source and items.subscription_id = versions.id
  left join discounts on discounts._source = versions._source and discounts.subscription_id = versions.id
  where versions.started_at is not null
),
states as (
  select
    *,
    case
      when trial_end_at > valid_from and place = 1 and not (status = 'active' and coalesce(ended_at <= trial_end_at, false)) then 'trialing'
      when status = 'canceled' and place = 1 and ended_at > valid_from then 'active'
      else status
    end as status_then,
    place * 10 as state_order
  from described
  union all
  select *, case when status = 'canceled' then 'active' else status end, place * 10 + 1
  from (select * replace (trial_end_at as valid_from) from described)
  where trial_end_at > started_at and status != 'trialing' and place = 1 and (ended_at is null or ended_at > trial_end_at)
  union all
  select *, 'canceled', place * 10 + 2
  from (select * replace (ended_at as valid_from) from described)
  where status = 'canceled' and place = 1 and ended_at > started_at
)
select
  states.source,
  states.subscription_id,
  states.customer_id,
  states.item_id,
  states.price_id,
  states.status_then as status,
  states.quantity,
  prices.currency,
  states.discount_percent,
  states.discount_amount,
  states.discount_duration,
  states.discount_ends_at,
  states.trial_end_at,
  states.paused,
  states.started_at,
  states.canceled_at,
  states.ended_at,
  states.valid_from,
  states.state_order
from states
left join staging.stripe_prices as prices on prices.source = states.source and prices.price_id = states.price_id

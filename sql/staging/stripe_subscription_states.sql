/* ---
description: >
  Every state of every subscription item that is known, one row per item and state, in time. Events tell what held
  from their moment on and right before the first of them. Stripe keeps events for thirty days: what held earlier
  comes from the regular invoices, which bill the quantity of each period; a change between two of them shows with the
  second. A subscription with neither is taken to have been as it is now since it began. Until its end a trial is one,
  whatever came later. Where the subscription as it is now differs from its last event, events were missed for longer
  than Stripe keeps them: it holds from its end, else from the last bill on. An item ends with the first event without it.
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
    place * 2 + 10 as state_order,
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
items_of_subscriptions as (
  select _source, subscription_id, min(id) as item_id, count(*) as items
  from raw_stripe.subscription_items
  group by _source, subscription_id
),
items_of_prices as (
  select _source, subscription_id, price_id, min(id) as item_id
  from raw_stripe.subscription_items
  group by _source, subscription_id, price_id
),
invoice_lines as (
  select
    invoices._source,
    invoices.id as invoice_id,
    invoices.subscription_id,
    invoices.customer_id,
    invoices.currency,
    line.entry as line
  from raw_stripe.invoices
  cross join unnest(json_extract(invoices.lines, '$[*]')) as line (entry)
  where invoices.billing_reason in ('subscription_create', 'subscription_cycle')
    and coalesce(invoices.status, 'draft') not in ('draft', 'void')
    and invoices.subscription_id is not null
),
billed as (
  select
    invoice_lines._source as source,
    invoice_lines.subscription_id,
    invoice_lines.customer_id,
    coalesce(
      invoice_lines.line ->> '$.subscription_item',
      items_of_prices.item_id,
      case when items_of_subscriptions.items = 1 then items_of_subscriptions.item_id end
    ) as item_id,
    invoice_lines.line ->> '$.price.id' as price_id,
    try_cast(invoice_lines.line ->> '$.quantity' as bigint) as quantity,
    invoice_lines.currency,
    to_timestamp(try_cast(invoice_lines.line ->> '$.period.start' as bigint)) at time zone 'UTC' as valid_from,
    invoice_lines.invoice_id
  from invoice_lines
  left join items_of_prices
    on items_of_prices._source = invoice_lines._source
    and items_of_prices.subscription_id = invoice_lines.subscription_id
    and items_of_prices.price_id = (invoice_lines.line ->> '$.price.id')
  left join items_of_subscriptions
    on items_of_subscriptions._source = invoice_lines._source
    and items_of_subscriptions.subscription_id = invoice_lines.subscription_id
  where coalesce(invoice_lines.line ->> '$.proration', 'false') = 'false'
),
first_events as (
  select source, subscription_id, min(valid_from) as first_at
  from event_states
  group by source, subscription_id
),
billed_states as (
  select
    billed.source,
    billed.subscription_id,
    billed.customer_id,
    billed.item_id,
    billed.price_id,
    case when subscriptions.trial_end > billed.valid_from then 'trialing' else 'active' end as status,
    billed.quantity,
    billed.currency,
    subscriptions.discount,
    subscriptions.trial_end as trial_end_at,
    coalesce(subscriptions.started_at, subscriptions.created_at) as started_at,
    billed.valid_from
  from billed
  inner join raw_stripe.subscriptions
    on subscriptions._source = billed.source and subscriptions.id = billed.subscription_id
  left join first_events
    on first_events.source = billed.source and first_events.subscription_id = billed.subscription_id
  where billed.item_id is not null
    and billed.quantity is not null
    and (first_events.first_at is null or billed.valid_from < first_events.first_at)
  qualify row_number() over (
    partition by billed.source, billed.subscription_id, billed.item_id, billed.valid_from
    order by billed.invoice_id desc, billed.quantity desc
  ) = 1
),
last_billed as (
  select source, subscription_id, item_id, max(valid_from) as billed_at, max_by(quantity, (valid_from, quantity)) as billed_quantity
  from billed_states
  group by source, subscription_id, item_id
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
changed_since as (
  select
    _source as source,
    subscription_id,
    max(created_at) as changed_at
  from raw_stripe.invoices
  where billing_reason = 'subscription_update'
  group by _source, subscription_id
),
last_of_item as (
  select *
  from event_states
  qualify place = max(place) over (partition by source, subscription_id, item_id)
),
removed_items as (
  select last_of_item.*, event_objects.valid_from as removed_at, event_objects.place * 2 + 10 as removed_order
  from last_of_item
  inner join event_objects
    on event_objects._source = last_of_item.source
    and event_objects.subscription_id = last_of_item.subscription_id
    and event_objects.place = last_of_item.place + 1
),
listed_since as (
  select
    last_of_item.source,
    last_of_item.subscription_id,
    last_of_item.customer_id,
    last_of_item.item_id,
    case when subscriptions.status = 'canceled' then last_of_item.price_id else items.price_id end as price_id,
    subscriptions.status,
    case when subscriptions.status = 'canceled' then last_of_item.quantity else items.quantity end as quantity,
    last_of_item.currency,
    subscriptions.discount,
    subscriptions.trial_end as trial_end_at,
    subscriptions.pause_collection is not null and subscriptions.pause_collection::varchar != 'null' as paused,
    last_of_item.started_at,
    subscriptions.canceled_at,
    subscriptions.ended_at,
    case
      when subscriptions.status = 'canceled' then subscriptions.ended_at
      else greatest(
        last_of_item.valid_from,
        coalesce(subscriptions.current_period_start, last_of_item.valid_from),
        coalesce(changed_since.changed_at, last_of_item.valid_from)
      )
    end as valid_from
  from last_of_item
  inner join raw_stripe.subscriptions
    on subscriptions._source = last_of_item.source and subscriptions.id = last_of_item.subscription_id
  left join raw_stripe.subscription_items as items
    on items._source = last_of_item.source and items.id = last_of_item.item_id
  left join removed_items
    on removed_items.source = last_of_item.source
    and removed_items.subscription_id = last_of_item.subscription_id
    and removed_items.item_id = last_of_item.item_id
  left join changed_since
    on changed_since.source = last_of_item.source and changed_since.subscription_id = last_of_item.subscription_id
  where removed_items.item_id is null
    and last_of_item.status != 'canceled'
    and coalesce(subscriptions._extracted_at > last_of_item.valid_from, true)
    and case
      when subscriptions.status = 'canceled' then subscriptions.ended_at is not null
      else items.id is not null
        and (
          subscriptions.status != last_of_item.status
          or items.quantity is distinct from last_of_item.quantity
          or items.price_id is distinct from last_of_item.price_id
        )
    end
),
states as (
  select
    source, subscription_id, customer_id, item_id, price_id, status, quantity, currency, discount, trial_end_at, paused,
    started_at, canceled_at, ended_at, valid_from, state_order
  from event_states
  union all
  select
    source, subscription_id, customer_id, item_id, price_id, 'canceled', quantity, currency, discount, trial_end_at, paused,
    started_at, canceled_at, ended_at, removed_at, removed_order
  from removed_items
  union all
  select
    source, subscription_id, customer_id, item_id, price_id, status, quantity, currency, discount, trial_end_at, paused,
    started_at, canceled_at, ended_at, valid_from, 1000000
  from listed_since
  union all
  select
    source, subscription_id, customer_id, item_id, price_id, status, quantity, currency, discount, trial_end_at, false,
    started_at, null, null, valid_from, 5
  from billed_states
  union all
  select
    unknown.source, unknown.subscription_id, unknown.customer_id, unknown.item_id, unknown.price_id,
    case when unknown.status = 'canceled' then 'active' else unknown.status end,
    unknown.quantity, unknown.currency, unknown.discount, unknown.trial_end_at, unknown.paused, unknown.started_at,
    unknown.canceled_at, unknown.ended_at,
    greatest(last_billed.billed_at, coalesce(changed_since.changed_at, last_billed.billed_at)), 6
  from unknown_subscriptions as unknown
  inner join last_billed
    on last_billed.source = unknown.source
    and last_billed.subscription_id = unknown.subscription_id
    and last_billed.item_id = unknown.item_id
  left join changed_since
    on changed_since.source = unknown.source and changed_since.subscription_id = unknown.subscription_id
  where unknown.quantity is distinct from last_billed.billed_quantity
    and (unknown.ended_at is null or unknown.ended_at > last_billed.billed_at)
  union all
  select
    source, subscription_id, customer_id, item_id, previous_price_id,
    case when trial_end_at > started_at then 'trialing' else previous_status end,
    previous_quantity, currency, discount, trial_end_at, paused, started_at, null, null, started_at, 0
  from first_known
  union all
  select
    source, subscription_id, customer_id, item_id, previous_price_id, previous_status, previous_quantity, currency, discount,
    trial_end_at, paused, started_at, null, null, trial_end_at, 2
  from first_known
  where trial_end_at > started_at and trial_end_at < valid_from and previous_status != 'trialing'
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
  states.discount ->> '$.coupon.duration' as discount_duration,
  to_timestamp(try_cast(states.discount ->> '$.end' as bigint)) at time zone 'UTC' as discount_ends_at,
  states.trial_end_at,
  states.paused,
  states.started_at,
  states.canceled_at,
  states.ended_at,
  states.valid_from,
  states.state_order
from states
left join seeds.currency_units on currency_units.currency = upper(states.currency)

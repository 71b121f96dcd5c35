/* ---
description: >
  What each subscription item was worth in each stretch of days, from every state of it that is known: quantity, price and
  status as they were then and not as they are now. From the first day until before the last one. An amount off the
  subscription is shared among its items by what they cost, to the last digit, until the discount ends; one that holds
  for one bill only is no part of recurring revenue. What a subscription is first known as it has been since it began; an
  item that it was not first known with counts from when it was added.
materialized: table
owner: finance
columns:
  subscription_id: {description: Subscription., data_tests: [not_null]}
  item_id: {description: Item of the subscription., data_tests: [not_null]}
  account_id: {description: Account that pays., data_tests: [not_null, {relationships: {to: core.accounts, field: account_id}}]}
  from_date: {description: First day., data_tests: [not_null]}
  to_date: {description: Day before which it ended; null while it holds.}
  status: {description: Status in the billing system., data_tests: [not_null]}
  quantity: {description: Quantity.}
  monthly_amount: {description: "Price of the quantity per month in its own currency after discount: year / 12, week x 52 / 12, day x 365 / 12.", data_tests: [not_null]}
  currency: {description: Currency of the price., data_tests: [not_null]}
  counted_amount: {description: "The part of it that is recurring revenue, in its own currency: nothing while on trial, unpaid, paused or billed by usage.", data_tests: [not_null, {accepted_range: {min: 0}}]}
  mrr: {description: Monthly recurring revenue at the constant rate in the project's currency; zero while on trial or unpaid or where there is no rate., data_tests: [not_null, {accepted_range: {min: 0}}]}
  remark: {description: Why the MRR is zero although there is a price.}
data_tests:
  - unique_combination: {columns: [subscription_id, item_id, from_date]}
  - expression: "to_date is null or to_date > from_date"
--- */
with first_states as (
  select source, subscription_id, min(valid_from) as first_valid_from
  from staging.stripe_subscription_states
  group by source, subscription_id
),
placed as (
  select
    states.*,
    (
      case when states.valid_from = first_states.first_valid_from then least(states.valid_from, coalesce(states.started_at, states.valid_from)) else states.valid_from end
      at time zone 'UTC' at time zone run.time_zone
    )::date as from_date,
    (states.ended_at at time zone 'UTC' at time zone run.time_zone)::date as ended_date
  from staging.stripe_subscription_states as states
  cross join meta.run
  inner join first_states
    on first_states.source = states.source and first_states.subscription_id = states.subscription_id
),
last_of_day as (
  select *
  from placed
  qualify row_number() over (
    partition by source, subscription_id, item_id, from_date
    order by valid_from desc, state_order desc
  ) = 1
),
stretched as (
  select
    *,
    least(
      lead(from_date) over (partition by source, subscription_id, item_id order by from_date),
      case when status = 'canceled' then from_date end,
      ended_date
    ) as to_date
  from last_of_day
),
items as (
  select
    stretched.source,
    stretched.subscription_id,
    coalesce(stretched.item_id, stretched.subscription_id) as item_id,
    stretched.customer_id,
    stretched.from_date,
    stretched.to_date,
    stretched.status,
    stretched.quantity,
    coalesce(stretched.paused, false) as is_paused,
    coalesce(prices.usage_type, 'licensed') as usage_type,
    upper(coalesce(prices.currency, stretched.currency)) as currency,
    coalesce(prices.unit_amount, 0) * coalesce(stretched.quantity, 1) as list_amount,
    case when coalesce(stretched.discount_duration, 'forever') != 'once' then stretched.discount_percent end as discount_percent,
    case when coalesce(stretched.discount_duration, 'forever') != 'once' then stretched.discount_amount end as discount_amount,
    (stretched.discount_ends_at at time zone 'UTC' at time zone run.time_zone)::date as discount_end_date,
    case prices.billing_interval when 'year' then 1.0 / 12 when 'week' then 52.0 / 12 when 'day' then 365.0 / 12 else 1 end
      / coalesce(nullif(prices.interval_count, 0), 1) as months_factor
  from stretched
  cross join meta.run
  left join staging.stripe_prices as prices on prices.source = stretched.source and prices.price_id = stretched.price_id
  where stretched.to_date is null or stretched.to_date > stretched.from_date
),
discounted as (
  select distinct source, subscription_id
  from items
  where discount_amount is not null or discount_end_date is not null
),
cuts as (
  select source, subscription_id, from_date as cut_date from items inner join discounted using (source, subscription_id)
  union
  select source, subscription_id, to_date from items inner join discounted using (source, subscription_id) where to_date is not null
  union
  select source, subscription_id, discount_end_date from items where discount_end_date is not null
),
sliced as (
  select items.* replace (
    coalesce(cuts.cut_date, items.from_date) as from_date,
    coalesce(lead(cuts.cut_date) over (partition by items.source, items.subscription_id, items.item_id, items.from_date order by cuts.cut_date), items.to_date) as to_date
  )
  from items
  left join cuts
    on cuts.source = items.source
    and cuts.subscription_id = items.subscription_id
    and cuts.cut_date >= items.from_date
    and coalesce(cuts.cut_date < items.to_date, true)
),
shared as (
  select
    *,
    case when discount_end_date <= from_date then null else discount_percent end as percent_off,
    case when discount_end_date <= from_date then null else discount_amount end as amount_off,
    case when usage_type = 'licensed' then list_amount else 0 end as discountable,
    sum(case when usage_type = 'licensed' then list_amount else 0 end) over (
      partition by source, subscription_id, from_date order by item_id rows between unbounded preceding and current row
    ) as discountable_so_far,
    sum(case when usage_type = 'licensed' then list_amount else 0 end) over (partition by source, subscription_id, from_date) as discountable_of_all
  from sliced
),
limited as (
  select *, case when amount_off is not null then least(amount_off, discountable_of_all) end as amount_shared
  from shared
),
priced as (
  select
    *,
    round(
      greatest(
        list_amount * (1 - coalesce(percent_off, 0) / 100)
        - coalesce(
          round(amount_shared * discountable_so_far / nullif(discountable_of_all, 0), 4)::decimal(18, 4)
          - round(amount_shared * (discountable_so_far - discountable) / nullif(discountable_of_all, 0), 4)::decimal(18, 4),
          0
        ),
        0
      ) * months_factor,
      4
    )::decimal(18, 4) as monthly_amount,
    status in ('active', 'past_due') and not is_paused and usage_type = 'licensed' as is_counted
  from limited
)
select
  priced.subscription_id,
  priced.item_id,
  membership.account_id,
  priced.from_date,
  priced.to_date,
  priced.status,
  priced.quantity,
  priced.monthly_amount,
  priced.currency,
  case when priced.is_counted then priced.monthly_amount else 0 end::decimal(18, 4) as counted_amount,
  case when priced.is_counted then coalesce(round(priced.monthly_amount * fx_rates.constant_rate, 4), 0) else 0 end::decimal(18, 4) as mrr,
  case
    when priced.monthly_amount = 0 then null
    when priced.status = 'trialing' then 'on trial'
    when priced.status not in ('active', 'past_due') then 'status ' || priced.status
    when priced.is_paused then 'collection is paused'
    when priced.usage_type != 'licensed' then 'billed by usage, which nobody has committed to'
    when fx_rates.constant_rate is null then 'no rate for ' || priced.currency
  end as remark
from priced
inner join identity.company_membership as membership
  on membership.record_key = priced.source || ':customer:' || priced.customer_id
left join (select distinct currency, constant_rate from core.fx_rates) as fx_rates on fx_rates.currency = priced.currency

/* ---
description: >
  What a person should look at, most valuable first: pairs that may be one and were not joined, pairs that were joined with
  little to spare, people and companies of many records, and overrides that contradict each other. `millrace identity
  review` shows it and takes verdicts, which become overrides.
materialized: table
owner: revenue-operations
unique_key: [item_id]
columns:
  item_id: {description: "Id of the item; the same item keeps it.", data_tests: [not_null, unique]}
  kind: {description: "maybe_one, maybe_two, big or contradiction.", data_tests: [not_null, {accepted_values: {values: [maybe_one, maybe_two, big, contradiction]}}]}
  entity: {description: person or company., data_tests: [not_null]}
  left_id: {description: Person or account; null for a contradiction.}
  right_id: {description: The other one; null when there is none.}
  left_key: {description: Record that it is about., pii: id}
  right_key: {description: The other record., pii: id}
  left_name: {description: Name and address., pii: name}
  right_name: {description: Name and address of the other., pii: name}
  weight: {description: Bits of evidence; null where nothing was compared.}
  probability: {description: Chance that the two are one by what was compared.}
  why: {description: Why it is here., data_tests: [not_null]}
  value: {description: "Monthly revenue and open opportunities of the accounts concerned, in the project's currency.", data_tests: [not_null]}
  priority: {description: "Value and one, times how uncertain it is.", data_tests: [not_null]}
--- */
with pairs as (
  select
    'person' as entity, pairs.left_key, pairs.right_key, pairs.weight, pairs.probability, pairs.band, pairs.veto, pairs.is_joined,
    left_side.person_id as left_id, right_side.person_id as right_id
  from identity.person_pairs as pairs
  inner join identity.person_membership as left_side on left_side.record_key = pairs.left_key
  inner join identity.person_membership as right_side on right_side.record_key = pairs.right_key
  union all
  select
    'company', pairs.left_key, pairs.right_key, pairs.weight, pairs.probability, pairs.band, pairs.veto, pairs.is_joined,
    left_side.account_id, right_side.account_id
  from identity.company_pairs as pairs
  inner join identity.company_membership as left_side on left_side.record_key = pairs.left_key
  inner join identity.company_membership as right_side on right_side.record_key = pairs.right_key
),
uncertain as (
  select
    *,
    case when is_joined then 'maybe_two' else 'maybe_one' end as kind,
    case
      when is_joined then 'joined with little to spare'
      when veto = 'required' then 'much in common, but nothing that colleagues and namesakes do not share'
      when veto = 'shared' then 'tied by a value that many share'
      when veto = 'limit' then 'more different identifiers than one may have'
      else 'not quite enough in common'
    end as why,
    case when is_joined then 1 / (1 + greatest(weight - 9, 0)) when band = 'link' or veto is not null then 0.5 else greatest(0, least(weight, 9)) / 18 end as uncertainty
  from pairs
  where left_id is distinct from right_id and not is_joined and veto is distinct from 'cannot_link' and weight >= 4
    or is_joined and weight < 12
  qualify row_number() over (
    partition by entity, least(left_id, right_id), greatest(left_id, right_id)
    order by weight desc, left_key, right_key
  ) = 1
),
big as (
  select 'person' as entity, person_id as left_id, min(anchor_key) as left_key, count(*) as records
  from identity.person_membership
  where entity_kind = 'person'
  group by person_id
  having count(*) > 25
  union all
  select 'company', account_id, min(anchor_key), count(*)
  from identity.company_membership
  group by account_id
  having count(*) > 25
),
items as (
  select kind, entity, left_id, right_id, left_key, right_key, weight, probability, why, uncertainty
  from uncertain
  union all
  select 'big', entity, left_id, null, left_key, null, null, null, records || ' records: more than one usually has', 0.5
  from big
  union all
  select 'contradiction', overrides.entity, null, null, null, null, null, null, 'override ' || override_status.override_id || ' is set aside: ' || override_status.why, 1
  from identity.override_status
  inner join identity.overrides on overrides.override_id = override_status.override_id
  where override_status.status = 'contradicted'
),
money as (
  select account_id, sum(amount) as value
  from (
    select account_id, mrr as amount from core.account_mrr where to_date is null
    union all
    select account_id, project_amount from core.opportunities where status = 'open' and project_amount is not null and account_id is not null
  )
  group by account_id
),
names as (
  select 'person' as entity, records.record_key, concat_ws(' ', records.first_name, records.last_name, records.email, records.company_name) as name
  from identity.person_records as records
  union all
  select 'company', record_key, concat_ws(' ', name, domain, country_code)
  from identity.company_records
),
account_of as (
  select 'person' as entity, person_id as id, account_id from identity.person_accounts
  union all
  select distinct 'company', account_id, account_id from identity.company_membership
),
stakes as (
  select ids.entity, ids.left_id, ids.right_id, sum(money.value) as value
  from (
    select distinct items.entity, items.left_id, items.right_id, account_of.account_id
    from items
    inner join account_of on account_of.entity = items.entity and account_of.id in (items.left_id, items.right_id)
  ) as ids
  inner join money on money.account_id = ids.account_id
  group by ids.entity, ids.left_id, ids.right_id
)
select
  left(md5(concat_ws('|', items.kind, items.entity, items.left_key, items.right_key, items.why)), 8) as item_id,
  items.kind,
  items.entity,
  items.left_id,
  items.right_id,
  items.left_key,
  items.right_key,
  left_names.name as left_name,
  right_names.name as right_name,
  items.weight,
  items.probability,
  items.why,
  coalesce(stakes.value, 0)::decimal(18, 4) as value,
  round((coalesce(stakes.value, 0) + 1) * items.uncertainty, 4)::decimal(18, 4) as priority
from items
left join stakes
  on stakes.entity = items.entity and stakes.left_id is not distinct from items.left_id and stakes.right_id is not distinct from items.right_id
left join names as left_names on left_names.entity = items.entity and left_names.record_key = items.left_key
left join names as right_names on right_names.entity = items.entity and right_names.record_key = items.right_key

/* ---
description: >
  The value that holds for each attribute of a company, and why: one row per company and attribute with the record it comes
  from. A value that a person preferred comes first, then the places of seeds.source_of_truth, then the latest change. A
  value is never put together from two records.
materialized: table
owner: revenue-operations
unique_key: [account_id, attribute]
columns:
  account_id: {description: "Account.", data_tests: [not_null]}
  attribute: {description: Name of the attribute., data_tests: [not_null]}
  value: {description: Value that holds., data_tests: [not_null]}
  source: {description: "Source that it comes from; override when a person said so.", data_tests: [not_null]}
  record_key: {description: "Record that it comes from, or override: and its number.", data_tests: [not_null]}
  rule: {description: "Why it holds: preferred (a person said so), only_value (all agree), source_of_truth (the place), latest (the last change) or key (nothing else told them apart).", data_tests: [not_null, {accepted_values: {values: [preferred, only_value, source_of_truth, latest, key]}}]}
  observed_at: {description: When the source last changed the record (UTC).}
  n_agree: {description: Records of the company with the same value., data_tests: [not_null]}
  n_conflict: {description: Records of the company with another value., data_tests: [not_null]}
  runner_up: {description: Value that would hold otherwise; null when all agree.}
data_tests:
  - unique_combination: {columns: [account_id, attribute]}
--- */
with offered as (
  select record_key, 'name' as attribute, name as value from identity.company_records
  union all
  select record_key, 'domain', domain from identity.company_records
  union all
  select record_key, 'country_code', country_code from identity.company_records
  union all
  select record_key, 'industry', industry from identity.company_records
  union all
  select record_key, 'employees', employees::varchar from identity.company_records
  union all
  select record_key, 'annual_revenue', annual_revenue::varchar from identity.company_records
  union all
  select record_key, 'owner_id', owner_id from identity.company_records
),
preferred as (
  select membership.account_id, said.attribute, said.value, said.override_id
  from (
    select override_id, attribute, value, unnest(from_json(left_keys, '["VARCHAR"]')) as record_key
    from identity.overrides
    where entity = 'company' and kind = 'prefer' and revoked_at is null
  ) as said
  inner join identity.company_membership as membership on membership.record_key = said.record_key
  where said.value is not null
  group by membership.account_id, said.attribute, said.value, said.override_id
  qualify row_number() over (partition by said.override_id order by count(*) desc, membership.account_id) = 1
),
candidates as (
  select
    membership.account_id, offered.attribute, offered.value, records.source, offered.record_key, records.updated_at as observed_at,
    0 as doubt, places.place
  from offered
  inner join identity.company_records as records on records.record_key = offered.record_key
  inner join identity.company_membership as membership on membership.record_key = offered.record_key
  inner join seeds.source_of_truth as places
    on places.entity = 'company' and places.attribute = offered.attribute and places.object = records.object
  where offered.value is not null
  union all
  select account_id, attribute, value, 'override', 'override:' || override_id, null, -1, -override_id
  from preferred
),
ranked as (
  select
    *,
    row_number() over (partition by account_id, attribute order by doubt, place, observed_at desc nulls last, record_key) as rank,
    count(*) filter (where doubt >= 0) over (partition by account_id, attribute, lower(value)) as n_agree,
    count(*) filter (where doubt >= 0) over (partition by account_id, attribute) as offers
  from candidates
),
chosen as (
  select * from ranked where rank = 1
),
others as (
  select
    ranked.account_id, ranked.attribute, ranked.value, ranked.doubt, ranked.place, ranked.observed_at
  from ranked
  inner join chosen on chosen.account_id = ranked.account_id and chosen.attribute = ranked.attribute
  where lower(ranked.value) != lower(chosen.value)
  qualify row_number() over (partition by ranked.account_id, ranked.attribute order by ranked.rank) = 1
)
select
  chosen.account_id,
  chosen.attribute,
  chosen.value,
  chosen.source,
  chosen.record_key,
  case
    when chosen.doubt < 0 then 'preferred'
    when others.value is null then 'only_value'
    when others.doubt != chosen.doubt or others.place != chosen.place then 'source_of_truth'
    when others.observed_at is distinct from chosen.observed_at then 'latest'
    else 'key'
  end as rule,
  chosen.observed_at,
  chosen.n_agree,
  chosen.offers - chosen.n_agree as n_conflict,
  others.value as runner_up
from chosen
left join others on others.account_id = chosen.account_id and others.attribute = chosen.attribute

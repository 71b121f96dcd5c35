/* ---
description: >
  The value that holds for each attribute of a person, and why: one row per person and attribute with the record it comes
  from. A value that a person preferred comes first, then the places of seeds.source_of_truth, then the latest change. A
  value is never put together from two records.
materialized: table
owner: revenue-operations
unique_key: [person_id, attribute]
columns:
  person_id: {description: "Person.", data_tests: [not_null]}
  attribute: {description: Name of the attribute., data_tests: [not_null]}
  value: {description: Value that holds., pii: free_text, data_tests: [not_null]}
  source: {description: "Source that it comes from; override when a person said so.", data_tests: [not_null]}
  record_key: {description: "Record that it comes from, or override: and its number.", data_tests: [not_null]}
  rule: {description: "Why it holds: preferred (a person said so), only_value (all agree), source_of_truth (the place), latest (the last change) or key (nothing else told them apart).", data_tests: [not_null, {accepted_values: {values: [preferred, only_value, source_of_truth, latest, key]}}]}
  observed_at: {description: When the source last changed the record (UTC).}
  n_agree: {description: Records of the person with the same value., data_tests: [not_null]}
  n_conflict: {description: Records of the person with another value., data_tests: [not_null]}
  runner_up: {description: Value that would hold otherwise; null when all agree., pii: free_text}
data_tests:
  - unique_combination: {columns: [person_id, attribute]}
--- */
with offered as (
  select record_key, 'email' as attribute, email as value from identity.person_records
  union all
  select record_key, 'first_name', first_name from identity.person_records
  union all
  select record_key, 'last_name', last_name from identity.person_records
  union all
  select record_key, 'phone', phone from identity.person_records
  union all
  select record_key, 'job_title', job_title from identity.person_records
  union all
  select record_key, 'country_code', country_code from identity.person_records
  union all
  select record_key, 'product_user_id', product_user_id from identity.person_records
),
preferred as (
  select membership.person_id, said.attribute, said.value, said.override_id
  from (
    select override_id, attribute, value, unnest(from_json(left_keys, '["VARCHAR"]')) as record_key
    from identity.overrides
    where entity = 'person' and kind = 'prefer' and revoked_at is null
  ) as said
  inner join identity.person_membership as membership on membership.record_key = said.record_key
  where said.value is not null
  group by membership.person_id, said.attribute, said.value, said.override_id
  qualify row_number() over (partition by said.override_id order by count(*) desc, membership.person_id) = 1
),
candidates as (
  select
    membership.person_id, offered.attribute, offered.value, records.source, offered.record_key, records.updated_at as observed_at,
    case when offered.attribute = 'email' and (records.is_role_inbox or domains.domain_class != 'company') then 1 else 0 end as doubt, places.place
  from offered
  inner join identity.person_records as records on records.record_key = offered.record_key
  inner join identity.person_membership as membership on membership.record_key = offered.record_key
  inner join seeds.source_of_truth as places
    on places.entity = 'person' and places.attribute = offered.attribute and places.object = records.object
  left join identity.domains on domains.domain = records.email_domain
  where offered.value is not null
  union all
  select person_id, attribute, value, 'override', 'override:' || override_id, null, -1, -override_id
  from preferred
),
ranked as (
  select
    *,
    row_number() over (partition by person_id, attribute order by doubt, place, observed_at desc nulls last, record_key) as rank,
    count(*) filter (where doubt >= 0) over (partition by person_id, attribute, lower(value)) as n_agree,
    count(*) filter (where doubt >= 0) over (partition by person_id, attribute) as offers
  from candidates
),
chosen as (
  select * from ranked where rank = 1
),
others as (
  select
    ranked.person_id, ranked.attribute, ranked.value, ranked.doubt, ranked.place, ranked.observed_at
  from ranked
  inner join chosen on chosen.person_id = ranked.person_id and chosen.attribute = ranked.attribute
  where lower(ranked.value) != lower(chosen.value)
  qualify row_number() over (partition by ranked.person_id, ranked.attribute order by ranked.rank) = 1
)
select
  chosen.person_id,
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
left join others on others.person_id = chosen.person_id and others.attribute = chosen.attribute

/* ---
description: >
  Every company name that any record has, with the key that matching uses: lower case, no accents, no legal form, no blanks
  and signs. Billing systems hold people's names in the same place; those are marked.
materialized: table
owner: revenue-operations
unique_key: [name]
columns:
  name: {description: Name as it stands in a source., data_tests: [not_null, unique]}
  name_key: {description: Key of the name; null when nothing is left of it.}
  is_person_name: {description: True when a person of that name is known., data_tests: [not_null]}
--- */
with names as (
  select name from staging.hubspot_companies
  union
  select name from staging.stripe_customers
  union
  select company_name from identity.person_records
),
split as (
  select
    name,
    list_filter(
      string_split_regex(regexp_replace(strip_accents(lower(replace(name, '&', ' and '))), '[.'']', '', 'g'), '[^a-z0-9]+'),
      lambda word: word != ''
    ) as words
  from names
  where name is not null
),
keyed as (
  select split.name, string_agg(word.value, '' order by word.place) as name_key
  from split
  cross join unnest(split.words) with ordinality as word (value, place)
  left join seeds.legal_forms on legal_forms.legal_form = word.value
  where legal_forms.legal_form is null
  group by split.name
),
person_names as (
  select distinct regexp_replace(strip_accents(lower(first_name || last_name)), '[^a-z0-9]', '', 'g') as name_key
  from identity.person_records
  where first_name is not null and last_name is not null
)
select
  split.name,
  keyed.name_key,
  person_names.name_key is not null as is_person_name
from split
left join keyed on keyed.name = split.name
left join person_names on person_names.name_key = keyed.name_key

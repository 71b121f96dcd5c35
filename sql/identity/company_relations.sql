/* ---
description: >
  How companies hang together without being one: a subsidiary or branch whose name begins with the parent's name and whose
  domain is made of the parent's, a second domain of one company, a name that a company had before or goes by. They are
  told here and never merged: a parent pays, signs and is written to apart from its subsidiary.
materialized: table
owner: revenue-operations
unique_key: [child_id, parent_id, kind, value]
columns:
  child_id: {description: "Account: the smaller one, or the one that has the other domain or name.", data_tests: [not_null]}
  parent_id: {description: "Account that it belongs to; the same one for domains and names.", data_tests: [not_null]}
  kind: {description: "subsidiary, domain_alias or other_name.", data_tests: [not_null, {accepted_values: {values: [subsidiary, domain_alias, other_name]}}]}
  value: {description: "Name or domain of the child.", data_tests: [not_null]}
  evidence: {description: "What says so.", data_tests: [not_null]}
data_tests:
  - unique_combination: {columns: [child_id, parent_id, kind, value]}
--- */
with main as (
  select
    account_id,
    max(value) filter (where attribute = 'name') as name,
    max(value) filter (where attribute = 'domain') as domain
  from identity.company_golden
  group by account_id
),
keyed as (
  select main.account_id, main.name, main.domain, names.name_key, split_part(main.domain, '.', 1) as label
  from main
  inner join identity.company_names as names on names.name = main.name
  where not names.is_person_name and length(names.name_key) >= 4
),
subsidiaries as (
  select
    child.account_id as child_id,
    parent.account_id as parent_id,
    child.name as value,
    'its name begins with ' || parent.name || ', its domain ' || child.domain || ' with ' || parent.label as evidence
  from keyed as child
  inner join keyed as parent
    on parent.account_id != child.account_id
    and starts_with(child.name_key, parent.name_key)
    and length(child.name_key) > length(parent.name_key)
    and child.domain != parent.domain
    and (starts_with(child.domain, parent.label || '-') or ends_with(child.domain, '.' || parent.domain) or child.label = parent.label)
  qualify row_number() over (partition by child.account_id order by length(parent.name_key) desc, parent.account_id) = 1
),
aliases as (
  select distinct membership.account_id, records.domain
  from identity.company_records as records
  inner join identity.company_membership as membership on membership.record_key = records.record_key
  inner join main on main.account_id = membership.account_id
  where records.domain is not null and records.domain != main.domain
),
other_names as (
  select membership.account_id, min(records.name) as name
  from identity.company_records as records
  inner join identity.company_membership as membership on membership.record_key = records.record_key
  inner join keyed on keyed.account_id = membership.account_id
  where records.name is not null and not records.is_person_name and records.name_key != keyed.name_key
  group by membership.account_id, records.name_key
)
select child_id, parent_id, 'subsidiary' as kind, value, evidence
from subsidiaries
union all
select account_id, account_id, 'domain_alias', domain, 'a record of the account has it'
from aliases
union all
select account_id, account_id, 'other_name', name, 'a record of the account has it'
from other_names

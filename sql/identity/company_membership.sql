/* ---
description: >
  Which account each company record belongs to: the connected components of identity.company_edges. The id is made from
  the component's earliest record of the CRM, else of billing, else its domain, so that a record which is added later does
  not change it.
materialized: table
owner: revenue-operations
unique_key: [record_key]
columns:
  record_key: {description: Record., data_tests: [not_null, unique]}
  account_id: {description: "Account: a_ and the first 16 digits of the MD5 of the anchor's key.", data_tests: [not_null]}
  anchor_key: {description: Record that the id is made from., data_tests: [not_null]}
  match_rules: {description: "Rules that tie the record to others, comma separated; null when it stands alone."}
  records: {description: Records of the account., data_tests: [not_null]}
--- */
with recursive links as (
  select left_key as from_key, right_key as to_key from identity.company_edges
  union
  select right_key, left_key from identity.company_edges
),
reached as (
  select record_key, record_key as member_key from identity.company_records
  union
  select reached.record_key, links.to_key
  from reached
  inner join links on links.from_key = reached.member_key
),
components as (
  select record_key, min(member_key) as component_key
  from reached
  group by record_key
),
anchored as (
  select
    components.record_key,
    first_value(components.record_key) over (
      partition by components.component_key
      order by
        case records.object when 'company' then 1 when 'customer' then 2 else 3 end,
        records.created_at nulls last,
        components.record_key
    ) as anchor_key,
    count(*) over (partition by components.component_key) as records
  from components
  inner join identity.company_records as records on records.record_key = components.record_key
),
explained as (
  select record_key, string_agg(distinct match_rule, ', ' order by match_rule) as match_rules
  from (
    select left_key as record_key, match_rule from identity.company_edges
    union all
    select right_key, match_rule from identity.company_edges
  )
  group by record_key
)
select
  anchored.record_key,
  'a_' || left(md5(anchored.anchor_key), 16) as account_id,
  anchored.anchor_key,
  explained.match_rules,
  anchored.records
from anchored
left join explained on explained.record_key = anchored.record_key

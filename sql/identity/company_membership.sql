/* ---
description: >
  Which account each company record belongs to. The clusters are those of identity.company_clusters; the ids are carried
  over from the build before by the greatest overlap (identity.company_history), so that records which come, go or move
  change no id but their own.
materialized: table
owner: revenue-operations
unique_key: [record_key]
columns:
  record_key: {description: Record., data_tests: [not_null, unique]}
  account_id: {description: "Account: a_ and 16 hexadecimal digits, given once and never to another.", data_tests: [not_null]}
  anchor_key: {description: "Earliest record of the account, of the CRM, else of billing, else its domain.", data_tests: [not_null]}
  match_rules: {description: "Rules that tie the record to others, comma separated; null when it stands alone."}
  records: {description: Records of the account., data_tests: [not_null]}
--- */
with explained as (
  select record_key, string_agg(distinct match_rule, ', ' order by match_rule) as match_rules
  from (
    select left_key as record_key, match_rule from identity.company_edges
    union all
    select right_key, match_rule from identity.company_edges
  )
  group by record_key
)
select
  history.record_key,
  history.entity_id as account_id,
  first_value(history.record_key) over (
    partition by history.entity_id
    order by
      case records.object when 'company' then 1 when 'customer' then 2 else 3 end,
      records.created_at nulls last,
      history.record_key
  ) as anchor_key,
  explained.match_rules,
  count(*) over (partition by history.entity_id) as records
from identity.company_history as history
inner join identity.company_records as records on records.record_key = history.record_key
left join explained on explained.record_key = history.record_key
where history.item = 'member' and history.status = 'present'

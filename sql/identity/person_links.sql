/* ---
description: >
  What comparing nodes of people found, in three kinds of rows: pair (two nodes with the weight of each comparison), group
  (nodes that are one person, found under a guard so that one false pair cannot chain strangers together) and block
  (what each blocking rule proposed). identity.person_pairs and identity.block_stats show them.
materialized: operator
operator: identity_match
options:
  entity: person
  cut: 9
  review: 0
  require:
    - ["name:exact", "name:swapped", "name:short", "name:given_close"]
    - ["email:exact", "email:typo", "phone:exact", "employer:exact", "employer:alike"]
  fields:
    - {column: email, type: email}
    - {column: phone, type: phone}
    - {column: first_name, type: given_name}
    - {column: last_name, type: surname}
    - {column: company_name, type: employer}
    - {column: country_code, type: country}
owner: revenue-operations
columns:
  item: {description: "pair, group or block.", data_tests: [not_null, {accepted_values: {values: [pair, group, block]}}]}
  left_key: {description: "Pair: the smaller node. Group: a node of it."}
  right_key: {description: "Pair: the other node. Group: the node that it is named by."}
  rule: {description: "Blocking rule."}
  weight: {description: "Pair: bits of evidence in all."}
  prior: {description: "Pair: bits before anything is compared."}
  probability: {description: "Pair: chance that the two are one. Group: of its weakest join."}
  band: {description: "Pair: link, review or reject."}
  veto: {description: "Pair: why it must not join although it weighs enough."}
  weights: {description: "Pair: bits of each comparison with its level, as JSON."}
  nodes: {description: "Group: nodes in it."}
  density: {description: "Group: share of its pairs that would join on their own."}
  weakest: {description: "Group: bits of its weakest pair."}
  contradictions: {description: "Group: pairs in it that speak against it."}
  blocks: {description: "Block: blocks of two nodes and more."}
  biggest: {description: "Block: nodes of the biggest one."}
  skipped: {description: "Block: nodes that were left out because their block was too big."}
  pairs: {description: "Block: pairs that it proposed."}
--- */
select
  'record' as item, records.record_key, nodes.cluster_key as node_key, null::varchar as body,
  null::bigint as number, null::varchar as kind, null::varchar as left_keys, null::varchar as right_keys,
  records.email, records.phone, records.first_name, records.last_name, records.company_name, records.country_code
from identity.person_comparable as records
inner join identity.person_nodes as nodes on nodes.record_key = records.record_key
union all
select 'model', null, null, body, null, null, null, null, null, null, null, null, null, null
from identity.person_model
where item = 'model'
union all
select 'override', null, null, null, override_id, kind, left_keys, right_keys, null, null, null, null, null, null
from identity.overrides
where entity = 'person' and revoked_at is null

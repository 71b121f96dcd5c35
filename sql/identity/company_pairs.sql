/* ---
description: >
  Pairs of nodes of companies that were compared and come near to being one, with the weight of each comparison: prior plus
  weights is weight, to the thousandth of a bit. `millrace identity explain` shows one in words.
materialized: table
owner: revenue-operations
unique_key: [left_key, right_key]
columns:
  left_key: {description: "The smaller node: the record that it is named by.", data_tests: [not_null]}
  right_key: {description: "The other node.", data_tests: [not_null]}
  rule: {description: "Blocking rule that proposed the pair.", data_tests: [not_null]}
  prior: {description: "Bits before anything is compared.", data_tests: [not_null]}
  weight: {description: "Bits of evidence in all; 0 is as likely as not.", data_tests: [not_null]}
  probability: {description: "Chance that the two are one company.", data_tests: [not_null]}
  band: {description: "link, review or reject.", data_tests: [not_null, {accepted_values: {values: [link, review, reject]}}]}
  veto: {description: "Why the pair must not join although it weighs enough: cannot_link (an override), required (only what colleagues and namesakes share), shared (only by a value that many share) or limit."}
  weights: {description: "Bits of each comparison with its level, as JSON.", data_tests: [not_null]}
  is_joined: {description: "True when the two are in one group.", data_tests: [not_null]}
data_tests:
  - unique_combination: {columns: [left_key, right_key]}
  - expression: left_key < right_key
--- */
with groups as (
  select left_key as node_key, right_key as group_key
  from identity.company_links
  where item = 'group'
)
select
  pairs.left_key,
  pairs.right_key,
  pairs.rule,
  pairs.prior,
  pairs.weight,
  pairs.probability,
  pairs.band,
  pairs.veto,
  pairs.weights,
  coalesce(left_group.group_key = right_group.group_key, false) as is_joined
from identity.company_links as pairs
left join groups as left_group on left_group.node_key = pairs.left_key
left join groups as right_group on right_group.node_key = pairs.right_key
where pairs.item = 'pair'

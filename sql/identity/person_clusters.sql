/* ---
description: >
  Which records are one person, by rules, by what people recorded and by what comparing found. The cluster's name is a record
  of it and changes with it: ids are in identity.person_membership.
materialized: table
owner: revenue-operations
unique_key: [record_key]
columns:
  record_key: {description: Record., data_tests: [not_null, unique]}
  node_key: {description: Node of the record., data_tests: [not_null]}
  cluster_key: {description: Record that the cluster is named by., data_tests: [not_null]}
  confidence: {description: "Chance that the weakest join of the cluster is right; 1 where rules alone made it.", data_tests: [not_null, {accepted_range: {min: 0, max: 1}}]}
--- */
select
  nodes.record_key,
  nodes.cluster_key as node_key,
  coalesce(groups.right_key, nodes.cluster_key) as cluster_key,
  coalesce(groups.probability, 1)::decimal(18, 8) as confidence
from identity.person_nodes as nodes
left join identity.person_links as groups on groups.item = 'group' and groups.left_key = nodes.cluster_key

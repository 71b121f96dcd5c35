/* ---
description: >
  What each agreement and each contradiction between two records of companies is worth, learned from the records themselves
  without labels. One row per level of a comparison, and one (item model) with the whole model for identity.company_links.
materialized: operator
operator: identity_train
options:
  entity: company
  cut: 9
  review: 0
  fields:
    - {column: name, type: company_name}
    - {column: domain, type: domain}
    - {column: phone, type: phone}
    - {column: country_code, type: country}
owner: revenue-operations
columns:
  item: {description: "model or level.", data_tests: [not_null, {accepted_values: {values: [model, level]}}]}
  comparison: {description: "What is compared."}
  level: {description: "How well the two agree."}
  match_share: {description: "Share of the pairs of one company that reach this level."}
  stranger_share: {description: "Share of the pairs of two that do so by chance."}
  weight: {description: "Bits of evidence: log2 of match_share over stranger_share. Model: the prior, before anything is compared."}
  pairs: {description: "Expected pairs of one company that it was learned from. Model: records."}
  note: {description: "Model: how it came about."}
  body: {description: "Model: all of it as JSON. Values of people stand in it as hashes only."}
--- */
select record_key, name, domain, phone, country_code
from identity.company_comparable

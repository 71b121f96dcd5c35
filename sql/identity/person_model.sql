/* ---
description: >
  What each agreement and each contradiction between two records of people is worth, learned from the records themselves
  without labels. One row per level of a comparison, and one (item model) with the whole model for identity.person_links.
materialized: operator
operator: identity_train
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
  item: {description: "model or level.", data_tests: [not_null, {accepted_values: {values: [model, level]}}]}
  comparison: {description: "What is compared."}
  level: {description: "How well the two agree."}
  match_share: {description: "Share of the pairs of one person that reach this level."}
  stranger_share: {description: "Share of the pairs of two that do so by chance."}
  weight: {description: "Bits of evidence: log2 of match_share over stranger_share. Model: the prior, before anything is compared."}
  pairs: {description: "Expected pairs of one person that it was learned from. Model: records."}
  note: {description: "Model: how it came about."}
  body: {description: "Model: all of it as JSON. Values of people stand in it as hashes only."}
--- */
select record_key, email, phone, first_name, last_name, company_name, country_code
from identity.person_comparable

/* ---
description: >
  The main account of each person, with the evidence: the CRM's association, else the company that pays, else the e-mail
  domain; the most frequent one wins, then the one with the smallest id. All of them are in identity.person_companies.
materialized: table
owner: revenue-operations
unique_key: [person_id]
columns:
  person_id: {description: Person., data_tests: [not_null, unique]}
  account_id: {description: Account., data_tests: [not_null]}
  evidence: {description: "crm_association, billing or email_domain.", data_tests: [not_null]}
--- */
select person_id, account_id, evidence
from identity.person_companies
qualify row_number() over (partition by person_id order by strength, claims desc, account_id) = 1

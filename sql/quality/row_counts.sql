/* ---
description: >
  Records of each staged relation per source on each day on which a run was made. It remembers, so that a source that lost
  records overnight is noticed.
materialized: incremental
stateful: true
owner: revenue-operations
unique_key: [as_of_date, relation, source]
columns:
  as_of_date: {description: Day of the run., data_tests: [not_null]}
  relation: {description: Relation., data_tests: [not_null]}
  source: {description: Source of the project., data_tests: [not_null]}
  records: {description: Records on that day., data_tests: [not_null]}
data_tests:
  - unique_combination: {columns: [as_of_date, relation, source]}
--- */
with counted as (
  select 'staging.hubspot_contacts' as relation, source, count(*) as records from staging.hubspot_contacts group by source
  union all
  select 'staging.hubspot_companies', source, count(*) from staging.hubspot_companies group by source
  union all
  select 'staging.hubspot_deals', source, count(*) from staging.hubspot_deals group by source
  union all
  select 'staging.hubspot_form_submissions', source, count(*) from staging.hubspot_form_submissions group by source
  union all
  select 'staging.stripe_customers', source, count(*) from staging.stripe_customers group by source
  union all
  select 'staging.stripe_subscription_states', source, count(*) from staging.stripe_subscription_states group by source
  union all
  select 'staging.stripe_invoices', source, count(*) from staging.stripe_invoices group by source
  union all
  select 'staging.ad_days', source, count(*) from staging.ad_days group by source
  union all
  select 'staging.product_users', source, count(*) from staging.product_users group by source
)
select as_of.as_of_date, counted.relation, counted.source, counted.records
from counted
cross join core.as_of

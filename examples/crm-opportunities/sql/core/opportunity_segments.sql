/* ---
description: >
  Every segment that an opportunity counts in: one row per opportunity and dimension. KPIs about opportunities are
  stated for each segment named here, so a new dimension is one more line in this file.
materialized: table
owner: revenue-operations
columns:
  opportunity_id: {description: Opportunity., data_tests: [not_null, {relationships: {to: core.opportunities, field: opportunity_id}}]}
  dimension: {description: "total, region, product, series, agent, manager or sector.", data_tests: [not_null]}
  segment: {description: "Member of the dimension; all for the total, (unknown) when the record does not say.", data_tests: [not_null]}
data_tests:
  - unique_combination: {columns: [opportunity_id, dimension]}
--- */
with described as (
  select
    opportunities.opportunity_id,
    owners.region,
    opportunities.product_id as product,
    products.series,
    opportunities.owner_id as agent,
    owners.manager,
    accounts.sector
  from core.opportunities
  left join core.owners on owners.owner_id = opportunities.owner_id
  left join core.products on products.product_id = opportunities.product_id
  left join core.accounts on accounts.account_id = opportunities.account_id
)
select opportunity_id, 'total' as dimension, 'all' as segment from described
union all
select opportunity_id, 'region', coalesce(region, '(unknown)') from described
union all
select opportunity_id, 'product', coalesce(product, '(unknown)') from described
union all
select opportunity_id, 'series', coalesce(series, '(unknown)') from described
union all
select opportunity_id, 'agent', coalesce(agent, '(unknown)') from described
union all
select opportunity_id, 'manager', coalesce(manager, '(unknown)') from described
union all
select opportunity_id, 'sector', coalesce(sector, '(unknown)') from described

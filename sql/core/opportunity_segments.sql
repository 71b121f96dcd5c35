/* ---
description: >
  Every segment that an opportunity counts in: one row per opportunity and dimension. KPIs about opportunities are
  stated for each segment named here, so a new dimension is one more line in this file.
materialized: table
owner: revenue-operations
columns:
  opportunity_id: {description: Opportunity., data_tests: [not_null, {relationships: {to: core.opportunities, field: opportunity_id}}]}
  dimension: {description: "total, region, owner, channel, segment (company size), industry or pipeline.", data_tests: [not_null]}
  segment: {description: "Member of the dimension; all for the total, (unknown) when no record says.", data_tests: [not_null]}
data_tests:
  - unique_combination: {columns: [opportunity_id, dimension]}
--- */
with described as (
  select
    opportunities.opportunity_id,
    opportunities.pipeline,
    accounts.region,
    accounts.size_segment,
    accounts.industry,
    accounts.channel,
    owners.name as owner
  from core.opportunities
  left join core.accounts on accounts.account_id = opportunities.account_id
  left join core.owners on owners.owner_id = opportunities.owner_id
)
select opportunity_id, 'total' as dimension, 'all' as segment from described
union all
select opportunity_id, 'region', coalesce(region, '(unknown)') from described
union all
select opportunity_id, 'owner', coalesce(owner, '(unknown)') from described
union all
select opportunity_id, 'channel', coalesce(channel, '(unknown)') from described
union all
select opportunity_id, 'segment', coalesce(size_segment, '(unknown)') from described
union all
select opportunity_id, 'industry', coalesce(industry, '(unknown)') from described
union all
select opportunity_id, 'pipeline', pipeline from described

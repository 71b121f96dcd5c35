/* ---
description: >
  Every segment that an account counts in: one row per account and dimension. KPIs about customers are stated for each
  segment named here.
materialized: table
owner: revenue-operations
columns:
  account_id: {description: Account., data_tests: [not_null]}
  dimension: {description: "total, channel, region, owner, segment (company size) or industry.", data_tests: [not_null]}
  segment: {description: Member of the dimension., data_tests: [not_null]}
data_tests:
  - unique_combination: {columns: [account_id, dimension]}
--- */
select account_id, 'total' as dimension, 'all' as segment from core.accounts
union all
select account_id, 'channel', channel from core.accounts
union all
select account_id, 'region', region from core.accounts
union all
select accounts.account_id, 'owner', coalesce(owners.name, '(unknown)')
from core.accounts
left join core.owners on owners.owner_id = accounts.owner_id
union all
select account_id, 'segment', size_segment from core.accounts
union all
select account_id, 'industry', coalesce(industry, '(unknown)') from core.accounts

/* ---
description: >
  For how many days ad platforms still change what they report about a day, in one row. Once sixty days of pulls show it, it is the
  lag within which 95 % of the changed cost arrived, each change weighed by its size; before, it is what core.assumptions takes.
materialized: table
owner: marketing
columns:
  lag_days: {description: Days after which a day counts as settled., data_tests: [not_null, {accepted_range: {min: 0}}]}
  basis: {description: measured or assumed., data_tests: [not_null, {accepted_values: {values: [measured, assumed]}}]}
  observed_days: {description: Days between the first pull and the last., data_tests: [not_null]}
  changes: {description: Changes of a campaign's day that were seen., data_tests: [not_null]}
--- */
with versions as (
  select
    campaign_key,
    spend_date,
    valid_from,
    abs(project_cost - lag(project_cost) over (partition by campaign_key, spend_date order by valid_from)) as cost_change
  from core.spend_history
  where valid_to is distinct from valid_from
),
lags as (
  select greatest(valid_from::date - spend_date, 0) as lag_days, sum(cost_change) as cost_change, count(*) as changes
  from versions
  where cost_change > 0
  group by all
),
running as (
  select
    lag_days,
    changes,
    sum(cost_change) over (order by lag_days) as cost_so_far,
    sum(cost_change) over () as cost_of_all
  from lags
),
measured as (
  select min(lag_days) filter (where cost_so_far >= 0.95 * cost_of_all) as lag_days, coalesce(sum(changes), 0)::bigint as changes
  from running
),
pulls as (
  select coalesce(max(valid_from)::date - min(valid_from)::date, 0) as observed_days
  from core.spend_history
)
select
  case when pulls.observed_days >= 60 and measured.changes >= 30 then measured.lag_days else assumptions.ads_restatement_days end::integer as lag_days,
  case when pulls.observed_days >= 60 and measured.changes >= 30 then 'measured' else 'assumed' end as basis,
  pulls.observed_days,
  measured.changes
from measured
cross join pulls
cross join core.assumptions

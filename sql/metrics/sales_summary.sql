/* ---
description: Sales in one row, from the first opportunity to the as-of date.
materialized: table
owner: revenue-operations
columns:
  opportunities: {description: All opportunities., data_tests: [not_null]}
  won: {description: Opportunities won., data_tests: [not_null]}
  lost: {description: Opportunities lost., data_tests: [not_null]}
  win_rate: {description: won / (won + lost); null when nothing has closed., data_tests: [{accepted_range: {min: 0, max: 1}}]}
  median_cycle_days: {description: Median days from creation to close of the opportunities won; null when there are none.}
  revenue: {description: Value of the opportunities won in the project's currency., data_tests: [not_null]}
--- */
select
  count(*) as opportunities,
  count(*) filter (where status = 'won') as won,
  count(*) filter (where status = 'lost') as lost,
  round(
    count(*) filter (where status = 'won') / nullif(count(*) filter (where status in ('won', 'lost')), 0), 8
  )::decimal(18, 8) as win_rate,
  quantile_cont(cycle_days, 0.5) filter (where status = 'won') as median_cycle_days,
  coalesce(sum(project_amount) filter (where status = 'won'), 0)::decimal(18, 4) as revenue
from core.opportunities

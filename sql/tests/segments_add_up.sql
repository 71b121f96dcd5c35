/* ---
description: The members of each dimension add up to the total, for the KPIs that are sums.
--- */
with totals as (
  select kpi, grain, period_start, value
  from metrics.kpi
  where dimension = 'total'
),
members as (
  select kpi, grain, period_start, dimension, sum(value) as value
  from metrics.kpi
  where dimension != 'total'
    and kpi in ('revenue', 'deals_won', 'open_pipeline', 'mrr', 'new_mrr', 'expansion_mrr', 'contraction_mrr', 'churned_mrr', 'customers', 'new_customers', 'leads', 'media_spend', 'collected_revenue')
  group by kpi, grain, period_start, dimension
)
select members.*, totals.value as total
from members
inner join totals
  on totals.kpi = members.kpi
  and totals.grain = members.grain
  and totals.period_start is not distinct from members.period_start
where members.value != totals.value

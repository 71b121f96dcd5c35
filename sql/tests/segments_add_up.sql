/* ---
description: The members of each dimension add up to the total, for the KPIs that are sums or stocks.
--- */
with totals as (
  select kpi.kpi, kpi.grain, kpi.period_start, kpi.value
  from metrics.kpi
  inner join metrics.kpi_definition as definitions on definitions.kpi = kpi.kpi and definitions.rollup in ('sum', 'stock')
  where kpi.dimension = 'total'
),
members as (
  select kpi, grain, period_start, dimension, sum(value) as value
  from metrics.kpi
  where dimension != 'total'
  group by kpi, grain, period_start, dimension
)
select members.*, totals.value as total
from members
inner join totals
  on totals.kpi = members.kpi
  and totals.grain = members.grain
  and totals.period_start is not distinct from members.period_start
where members.value is distinct from totals.value

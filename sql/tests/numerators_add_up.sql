/* ---
description: >
  Numerators and denominators of the members of each dimension add up to those of the total, for the KPIs that are ratios. Left out
  are those whose parts no member has: agency fees of months without media, revenue of channels without visits, and expectations of
  members that have a model of their own.
--- */
with totals as (
  select kpi.kpi, kpi.grain, kpi.period_start, kpi.numerator, kpi.denominator
  from metrics.kpi
  inner join metrics.kpi_definition as definitions on definitions.kpi = kpi.kpi and definitions.rollup in ('ratio', 'stock_ratio')
  where kpi.dimension = 'total' and kpi.kpi not in ('cac_paid', 'cost_per_mql', 'cost_per_sql', 'revenue_per_visitor', 'ltv_cohort')
),
members as (
  select kpi, grain, period_start, dimension, sum(numerator) as numerator, sum(denominator) as denominator
  from metrics.kpi
  where dimension != 'total'
  group by kpi, grain, period_start, dimension
)
select members.*, totals.numerator as total_numerator, totals.denominator as total_denominator
from members
inner join totals
  on totals.kpi = members.kpi
  and totals.grain = members.grain
  and totals.period_start is not distinct from members.period_start
where members.numerator is distinct from totals.numerator or members.denominator is distinct from totals.denominator

/* ---
description: The months of a quarter add up to it, for the KPIs that are sums.
--- */
with months as (
  select kpi, date_trunc('quarter', period_start)::date as quarter_start, dimension, segment, sum(value) as value
  from metrics.kpi
  where grain = 'month'
  group by all
)
select quarters.kpi, quarters.period_start, quarters.dimension, quarters.segment, quarters.value, months.value as of_months
from metrics.kpi as quarters
inner join metrics.kpi_definition as definitions on definitions.kpi = quarters.kpi and definitions.rollup in ('sum', 'periods')
left join months
  on months.kpi = quarters.kpi
  and months.quarter_start = quarters.period_start
  and months.dimension = quarters.dimension
  and months.segment = quarters.segment
where quarters.grain = 'quarter' and coalesce(quarters.value, 0) != coalesce(months.value, 0)

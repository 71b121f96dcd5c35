/* ---
description: The effects of a dimension's members sum exactly to the change of the total.
--- */
select kpi, grain, period_start, dimension, sum(total_effect) as effects, max(delta) as delta
from metrics.kpi_contribution
group by kpi, grain, period_start, dimension
having sum(total_effect) != max(delta)

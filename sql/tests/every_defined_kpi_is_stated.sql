/* ---
description: Every KPI that is defined has a figure in total for everything, or a reason why it has none.
--- */
select definitions.kpi
from metrics.kpi_definition as definitions
left join metrics.kpi on kpi.kpi = definitions.kpi and kpi.grain = 'all' and kpi.dimension = 'total'
where kpi.kpi is null or (kpi.value is null and kpi.reason is null) or kpi.unit != definitions.unit

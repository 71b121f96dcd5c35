/* ---
description: Agency fees by channel add up to the fees of every day of a month with media.
--- */
with shared as (
  select cost_date, sum(project_cost) as project_cost
  from core.agency_costs
  group by cost_date
)
select shared.cost_date, shared.project_cost as shared_out, costs.project_cost
from shared
left join core.sales_marketing_costs as costs on costs.cost_date = shared.cost_date and costs.category = 'agency'
where shared.project_cost is distinct from costs.project_cost

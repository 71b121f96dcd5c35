/* ---
description: Every amount has a rate into the project's currency on its day; one without is in no KPI. Put the currency into seeds/fx_rates.csv.
severity: warn
--- */
select 'ad spend' as amount_of, currency, count(*) as records, min(spend_date) as first_date
from core.spend
where project_cost is null
group by currency
union all
select 'invoice', currency, count(*), min(invoice_date)
from core.invoices
where project_net_amount is null and net_amount is not null
group by currency
union all
select 'refund', currency, count(*), min(refund_date)
from core.refunds
where project_net_amount is null and net_amount is not null
group by currency
union all
select 'opportunity', currency, count(*), min(created_date)
from core.opportunities
where project_amount is null and amount is not null
group by currency
union all
select 'subscription', currency, count(*), min(from_date)
from core.subscription_intervals
where remark like 'no rate for %'
group by currency
union all
select 'cost ' || category, null, count(*), min(cost_date)
from core.sales_marketing_costs
where project_cost is null
group by category

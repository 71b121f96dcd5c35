/* ---
description: Payments and refunds belong to an account; those that do not are in no KPI.
severity: warn
--- */
select 'invoice' as record, invoice_id as id, project_net_amount
from core.invoices
where account_id is null and status in ('open', 'paid', 'uncollectible')
union all
select 'refund', refund_id, project_net_amount
from core.refunds
where account_id is null and status = 'succeeded'

/* ---
description: The first day of each kind of business event; the calendar in core.periods starts with the earliest.
materialized: table
owner: revenue-operations
columns:
  event: {description: Kind of event., data_tests: [not_null, unique]}
  first_date: {description: First day on which it happened; null when it never did.}
--- */
select 'opportunity created' as event, min(created_date) as first_date from core.opportunities
union all
select 'opportunity closed', min(closed_date) from core.opportunities
union all
select 'ad spend', min(spend_date) from core.spend
union all
select 'recurring revenue', min(from_date) from core.account_mrr
union all
select 'invoice', min(invoice_date) from core.invoices

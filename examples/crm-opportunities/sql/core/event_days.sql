/* ---
description: The first day of each kind of business event; the calendar in core.periods starts with the earliest.
materialized: table
owner: revenue-operations
columns:
  event: {description: Kind of event., data_tests: [not_null, unique]}
  first_date: {description: First day on which it happened; null when it never did.}
--- */
select 'closed opportunity' as event, min(closed_date) as first_date from core.opportunities

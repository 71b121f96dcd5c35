/* ---
description: >
  The day as of which this project reports: the last day on which anything happened in the export. The files are a
  picture of the past, so "open" and "this month" mean as of that day, not as of the clock.
materialized: table
owner: revenue-operations
columns:
  as_of_date: {description: Last day with an engagement or a closed deal; the run's day when there is none., data_tests: [not_null]}
--- */
select coalesce(greatest(max(crm_opportunities.created_date), max(crm_opportunities.closed_date)), max(run.today)) as as_of_date
from meta.run
left join staging.crm_opportunities on true

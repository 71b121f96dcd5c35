/* ---
description: The day as of which KPIs are stated - the day of the run in the project's time zone.
materialized: table
owner: revenue-operations
columns:
  as_of_date: {description: Day of the run., data_tests: [not_null]}
--- */
select today as as_of_date
from meta.run

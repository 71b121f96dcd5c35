/* ---
description: >
  Data quality over time, one row per day on which a run was made. It remembers: earlier days stay as they
  were found, also when everything is built anew.
materialized: incremental
stateful: true
owner: revenue-operations
unique_key: [as_of_date]
columns:
  as_of_date: {description: Day that the score is for., data_tests: [not_null, unique]}
  score: {description: "0 to 100; null when nothing could be checked."}
  passed: {description: Checks that passed., data_tests: [not_null]}
  warned: {description: Checks that warned., data_tests: [not_null]}
  failed: {description: Checks that failed., data_tests: [not_null]}
--- */
select as_of_date, score, passed, warned, failed
from quality.score

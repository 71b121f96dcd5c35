/* ---
description: The weighted score of each vendor, from seeds/vendor_scores.csv.
materialized: table
owner: revenue-operations
unique_key: [vendor]
columns:
  vendor: {description: Vendor., data_tests: [not_null, unique]}
  score: {description: Sum of weight x score / sum of weights; null where all weights are zero.}
  criteria: {description: Criteria that are scored., data_tests: [not_null]}
  weights: {description: Sum of their weights., data_tests: [not_null]}
--- */
select
  vendor::varchar as vendor,
  round(
    sum(weight::decimal(18, 4) * score::decimal(9, 4)) / nullif(sum(weight::decimal(18, 4)), 0), 8
  )::decimal(18, 8) as score,
  count(*) as criteria,
  sum(weight::decimal(18, 4))::decimal(18, 4) as weights
from seeds.vendor_scores
where score is not null and weight is not null
group by vendor

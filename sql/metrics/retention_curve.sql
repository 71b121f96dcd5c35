/* ---
description: >
  How long customers stay, by segment and month of life: the share that was observed to stay (Kaplan-Meier, which counts who
  is still there for the months seen) and the share that a shifted-beta-geometric model fitted to the same lives expects,
  with the discounted months that a customer of that age is still worth. A segment of which too few have left has the model
  of all customers.
materialized: operator
operator: lifetime
options: {horizon_months: 240, min_churned: 10}
owner: finance
unique_key: [dimension, segment, month]
columns:
  dimension: {description: What the segment is a member of., data_tests: [not_null]}
  segment: {description: Member of the dimension., data_tests: [not_null]}
  month: {description: Months of life completed., data_tests: [not_null]}
  at_risk: {description: Customers who had completed them and could be seen in the next one., data_tests: [not_null]}
  churned: {description: Customers of those who left in it., data_tests: [not_null]}
  observed_survival: {description: Share that was observed to complete so many months; null beyond what can be seen., data_tests: [{accepted_range: {min: 0, max: 1}}]}
  expected_survival: {description: Share that the model expects to complete them., data_tests: [not_null, {accepted_range: {min: 0, max: 1}}]}
  remaining_months: {description: "Months that a customer of this age will still pay for up to the horizon, each discounted to today.", data_tests: [not_null]}
  alpha: {description: First parameter of the model; null where nobody has left.}
  beta: {description: Second parameter of the model; null where nobody has left.}
  basis: {description: "own customers, all customers or nobody left: what the model rests on.", data_tests: [not_null, {accepted_values: {values: [own customers, all customers, nobody left]}}]}
data_tests:
  - unique_combination: {columns: [dimension, segment, month]}
--- */
select
  account_segments.dimension,
  account_segments.segment,
  customer_lives.months,
  customer_lives.is_churned,
  count(*) as customers,
  assumptions.ltv_horizon_months as horizon_months,
  assumptions.discount_rate
from metrics.customer_lives
inner join core.account_segments on account_segments.account_id = customer_lives.account_id
cross join core.assumptions
group by all
order by all

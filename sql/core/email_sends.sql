/* ---
description: What became of e-mails per day and campaign, from seeds/email_sends.csv. A connected e-mail tool is one more line of this union.
materialized: table
owner: marketing
columns:
  sent_date: {description: Day of the sending., data_tests: [not_null]}
  campaign: {description: Name of the e-mail or campaign., data_tests: [not_null]}
  delivered: {description: E-mails that arrived., data_tests: [not_null, {accepted_range: {min: 0}}]}
  opens: {description: "E-mails opened at least once; mail clients that load every picture count as readers.", data_tests: [not_null]}
  clicks: {description: E-mails with at least one click., data_tests: [not_null]}
data_tests:
  - unique_combination: {columns: [sent_date, campaign]}
  - expression: opens <= delivered and clicks <= delivered
--- */
select
  sent_date::date as sent_date,
  coalesce(trim(campaign::varchar), '') as campaign,
  sum(coalesce(delivered::bigint, 0))::bigint as delivered,
  sum(coalesce(opens::bigint, 0))::bigint as opens,
  sum(coalesce(clicks::bigint, 0))::bigint as clicks
from seeds.email_sends
group by all

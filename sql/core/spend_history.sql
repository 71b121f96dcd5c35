/* ---
description: >
  What ad platforms said about each campaign and day, at each time that they were asked: a row holds from valid_from until
  valid_to; one that was replaced at the same logical time held for none. What was known on a day is: valid_from <= day and
  coalesce(valid_to > day, true).
materialized: snapshot
owner: marketing
unique_key: [campaign_key, spend_date]
columns:
  campaign_key: {description: Campaign., data_tests: [not_null]}
  spend_date: {description: Day in the ad account's time zone., data_tests: [not_null]}
  channel: {description: Channel of the house's vocabulary.}
  impressions: {description: Impressions.}
  clicks: {description: Clicks.}
  conversions: {description: Conversions as the platform attributes them.}
  conversion_value: {description: Their value in the project's currency.}
  project_cost: {description: Cost in the project's currency.}
  valid_from: {description: "When this was first known (logical time of the run, UTC)."}
  valid_to: {description: When something else became known; null while it holds.}
data_tests:
  - unique_combination: {columns: [campaign_key, spend_date], where: valid_to is null}
  - unique_combination: {columns: [campaign_key, spend_date, valid_from], where: valid_to is distinct from valid_from}
--- */
select campaign_key, spend_date, channel, impressions, clicks, conversions, conversion_value, project_cost
from core.spend

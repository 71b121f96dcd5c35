/* ---
description: >
  Sessions of the web site per day, source, medium, campaign and landing page, as Google Analytics counts them.
materialized: table
owner: marketing
columns:
  source: {description: "Source of the project.", data_tests: [not_null]}
  traffic_date: {description: "Day in the time zone of the property.", data_tests: [not_null]}
  session_source: {description: "Source."}
  session_medium: {description: "Medium."}
  session_campaign: {description: "Campaign."}
  landing_page: {description: "First page without its query."}
  sessions: {description: "Sessions."}
  engaged_sessions: {description: "Engaged sessions."}
  new_users: {description: "Users seen for the first time."}
  page_views: {description: "Pages seen."}
  key_events: {description: "Conversions as the property defines them."}
  is_estimate: {description: "The figures are sampled or thresholded.", data_tests: [not_null]}
data_tests:
  - unique_combination: {columns: [source, traffic_date, session_source, session_medium, session_campaign, landing_page]}
--- */
select
  _source as source,
  date as traffic_date,
  session_source,
  session_medium,
  session_campaign,
  landing_page,
  sessions,
  engaged_sessions,
  new_users,
  page_views,
  key_events,
  coalesce(sampled is not null or thresholded, false) as is_estimate
from raw_ga4.sessions_daily

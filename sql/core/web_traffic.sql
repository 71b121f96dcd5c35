/* ---
description: Traffic of the web site per day, channel, campaign tag and landing page, as the analytics tool counts it.
materialized: table
owner: marketing
columns:
  traffic_date: {description: Day of the analytics property., data_tests: [not_null]}
  channel: {description: Channel of the house's vocabulary., data_tests: [not_null]}
  session_source: {description: "Source tag by convention: fb is facebook."}
  session_medium: {description: "Medium tag by convention: ppc is cpc."}
  session_campaign: {description: "Campaign tag by convention: lower case, _ for blanks."}
  landing_page: {description: First page of the session.}
  sessions: {description: Sessions., data_tests: [not_null, {accepted_range: {min: 0}}]}
  engaged_sessions: {description: Sessions with more than one page or longer than ten seconds., data_tests: [not_null]}
  new_users: {description: Users seen for the first time., data_tests: [not_null]}
  key_events: {description: Conversions as the analytics tool defines them., data_tests: [not_null]}
--- */
select
  traffic.traffic_date,
  coalesce(norm_channel(traffic.session_source, traffic.session_medium, traffic.session_campaign), 'Unknown') as channel,
  norm_utm_source(traffic.session_source) as session_source,
  norm_utm_medium(traffic.session_medium) as session_medium,
  norm_utm_campaign(traffic.session_campaign) as session_campaign,
  traffic.landing_page,
  coalesce(sum(traffic.sessions), 0)::bigint as sessions,
  coalesce(sum(traffic.engaged_sessions), 0)::bigint as engaged_sessions,
  coalesce(sum(traffic.new_users), 0)::bigint as new_users,
  coalesce(sum(traffic.key_events), 0)::decimal(18, 4) as key_events
from staging.ga4_traffic as traffic
group by all

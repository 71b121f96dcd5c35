/* ---
description: >
  Everything that a known person did or that was done with them, in time: forms and visits. Traffic that nobody can be
  recognised in is in core.web_traffic.
materialized: table
owner: marketing
unique_key: [touch_id]
columns:
  touch_id: {description: Key of the touch., data_tests: [not_null, unique]}
  person_id: {description: Person., data_tests: [not_null]}
  account_id: {description: Account of the person.}
  occurred_at: {description: Instant (UTC)., data_tests: [not_null]}
  touch_date: {description: Day in the project's time zone., data_tests: [not_null]}
  kind: {description: form or visit., data_tests: [not_null, {accepted_values: {values: [form, visit]}}]}
  label: {description: Name of the form or path of the page.}
  channel: {description: Channel of the visit; Unknown when its tags say nothing., data_tests: [not_null]}
  campaign: {description: "Campaign tag by convention: lower case, _ for blanks."}
--- */
with logins as (
  select records.product_user_id, min(membership.person_id) as person_id
  from identity.person_records as records
  inner join identity.person_membership as membership on membership.record_key = records.record_key
  where records.product_user_id is not null
  group by records.product_user_id
  having count(distinct membership.person_id) = 1
),
happened as (
  select
    submissions.record_key as touch_id,
    membership.person_id,
    submissions.submitted_at as occurred_at,
    'form' as kind,
    submissions.form_name as label,
    norm_url_param(submissions.page_url, 'utm_source') as source,
    norm_url_param(submissions.page_url, 'utm_medium') as medium,
    norm_url_param(submissions.page_url, 'utm_campaign') as campaign
  from staging.hubspot_form_submissions as submissions
  inner join identity.person_membership as membership on membership.record_key = submissions.record_key
  union all
  select
    visits.source || ':visit:' || visits.visit_id,
    coalesce(logins.person_id, devices.person_id),
    visits.visited_at,
    'visit',
    visits.page_path,
    visits.utm_source,
    visits.utm_medium,
    visits.utm_campaign
  from staging.web_visits as visits
  left join logins on logins.product_user_id = visits.user_id
  left join identity.devices on devices.source = visits.source and devices.anonymous_id = visits.anonymous_id
  where coalesce(logins.person_id, devices.person_id) is not null
)
select
  happened.touch_id,
  happened.person_id,
  person_accounts.account_id,
  happened.occurred_at,
  (happened.occurred_at at time zone 'UTC' at time zone run.time_zone)::date as touch_date,
  happened.kind,
  happened.label,
  coalesce(norm_channel(happened.source, happened.medium, happened.campaign), 'Unknown') as channel,
  norm_utm_campaign(happened.campaign) as campaign
from happened
cross join meta.run
left join identity.person_accounts on person_accounts.person_id = happened.person_id

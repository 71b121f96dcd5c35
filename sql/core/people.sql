/* ---
description: >
  People, one row each, put together from all records that identity resolution gives them. Which record a value comes
  from stands in identity.person_golden. A mailbox that several people read is a row with is_mailbox set.
materialized: table
owner: revenue-operations
unique_key: [person_id]
columns:
  person_id: {description: "Stable id, see identity.person_membership.", data_tests: [not_null, unique]}
  is_mailbox: {description: True when this is a role inbox and not a person., data_tests: [not_null]}
  email: {description: Best address., pii: email}
  email_domain: {description: Domain of the best address.}
  is_free_mail: {description: True when the domain of the best address belongs to no single company.}
  first_name: {description: First name., pii: name}
  last_name: {description: Last name., pii: name}
  full_name: {description: "First and last name; the address when neither is known.", pii: name}
  phone: {description: Phone number as it stands in its source., pii: phone}
  job_title: {description: Job title.}
  seniority: {description: "executive, director, manager or staff, by the job title; null when it has none.", data_tests: [{accepted_values: {values: [executive, director, manager, staff]}}]}
  country_code: {description: ISO 3166 code.}
  account_id: {description: Account that the person belongs to., data_tests: [{relationships: {to: core.accounts, field: account_id}}]}
  owner_id: {description: Owner in the CRM.}
  lifecycle_stage: {description: "Furthest lifecycle stage among the CRM contacts, in the words of seeds.stage_map."}
  lead_status: {description: Lead status of the primary CRM contact.}
  lead_route: {description: Where a representative sent the lead - sales or nurture.}
  channel: {description: Channel that first brought the person; Unknown when no source says.}
  is_paid_channel: {description: True when that channel is paid media., data_tests: [not_null]}
  campaign: {description: "Campaign tag of the first touch, by convention."}
  crm_contact_id: {description: Id of the primary CRM contact - the earliest one - which syncs write to., pii: id}
  product_user_id: {description: Id in the product., pii: id}
  lead_date: {description: Day of the first form or of the first CRM contact., data_tests: [not_null]}
  first_engaged_at: {description: When sales first spoke to the person (UTC).}
  records: {description: Records of the person., data_tests: [not_null]}
  sources: {description: Sources that know the person., data_tests: [not_null]}
--- */
with golden as (
  select
    person_id,
    max(value) filter (where attribute = 'email') as email,
    max(value) filter (where attribute = 'first_name') as first_name,
    max(value) filter (where attribute = 'last_name') as last_name,
    max(value) filter (where attribute = 'phone') as phone,
    max(value) filter (where attribute = 'job_title') as job_title,
    max(value) filter (where attribute = 'country_code') as country_code,
    max(value) filter (where attribute = 'product_user_id') as product_user_id
  from identity.person_golden
  group by person_id
),
members as (
  select
    membership.person_id,
    min(membership.entity_kind) as entity_kind,
    count(*) as records,
    string_agg(distinct records.source, ', ' order by records.source) as sources,
    min(records.created_at) filter (where records.object in ('form_submission', 'contact')) as lead_at,
    min(records.created_at) as first_seen_at
  from identity.person_membership as membership
  inner join identity.person_records as records on records.record_key = membership.record_key
  group by membership.person_id
),
lifecycle_order as (
  select * from (values
    ('subscriber', 1), ('lead', 2), ('marketingqualifiedlead', 3), ('salesqualifiedlead', 4), ('opportunity', 5), ('customer', 6), ('evangelist', 7)
  ) as stages (lifecycle_stage, place)
),
contacts as (
  select
    membership.person_id,
    contacts.*,
    lifecycle_order.place as lifecycle_place,
    row_number() over (partition by membership.person_id order by contacts.created_at nulls last, contacts.record_key) as place
  from staging.hubspot_contacts as contacts
  inner join identity.person_membership as membership on membership.record_key = contacts.record_key
  left join seeds.stage_map on stage_map.object = 'person' and stage_map.stage_id = lower(contacts.lifecycle_stage)
  left join lifecycle_order on lifecycle_order.lifecycle_stage = coalesce(stage_map.lifecycle, lower(contacts.lifecycle_stage))
),
crm as (
  select
    person_id,
    max(contact_id) filter (where place = 1) as crm_contact_id,
    max(owner_id) filter (where place = 1) as owner_id,
    max(lead_status) filter (where place = 1) as lead_status,
    max(lead_route) filter (where place = 1) as lead_route,
    max(lifecycle_place) as lifecycle_place,
    min(first_engaged_at) as first_engaged_at
  from contacts
  group by person_id
),
origins as (
  select contacts.person_id, channels.channel, channels.is_paid, contacts.utm_campaign
  from contacts
  inner join seeds.channels on channels.kind = 'hubspot_source' and channels.value = upper(contacts.channel)
  qualify row_number() over (partition by contacts.person_id order by contacts.created_at nulls last, contacts.record_key) = 1
)
select
  members.person_id,
  members.entity_kind = 'mailbox' as is_mailbox,
  golden.email,
  nullif(split_part(golden.email, '@', 2), '') as email_domain,
  coalesce(domains.domain_class != 'company', false) as is_free_mail,
  golden.first_name,
  golden.last_name,
  coalesce(nullif(concat_ws(' ', golden.first_name, golden.last_name), ''), golden.email) as full_name,
  golden.phone,
  golden.job_title,
  case
    when golden.job_title is null then null
    when regexp_matches(lower(golden.job_title), '\b(ceo|cfo|cto|cmo|coo|cro|cio|chief|founder|owner|president|vp|vice president|partner)\b') then 'executive'
    when regexp_matches(lower(golden.job_title), '\b(director|head)\b') then 'director'
    when regexp_matches(lower(golden.job_title), '\b(manager|lead|principal)\b') then 'manager'
    else 'staff'
  end as seniority,
  golden.country_code,
  person_accounts.account_id,
  crm.owner_id,
  lifecycle_order.lifecycle_stage,
  crm.lead_status,
  crm.lead_route,
  coalesce(origins.channel, 'Unknown') as channel,
  coalesce(origins.is_paid, false) as is_paid_channel,
  norm_utm_campaign(origins.utm_campaign) as campaign,
  crm.crm_contact_id,
  golden.product_user_id,
  (coalesce(members.lead_at, members.first_seen_at, timestamp '1970-01-01') at time zone 'UTC' at time zone run.time_zone)::date as lead_date,
  crm.first_engaged_at,
  members.records,
  members.sources
from members
cross join meta.run
left join golden on golden.person_id = members.person_id
left join crm on crm.person_id = members.person_id
left join lifecycle_order on lifecycle_order.place = crm.lifecycle_place
left join origins on origins.person_id = members.person_id
left join identity.person_accounts on person_accounts.person_id = members.person_id
left join identity.domains on domains.domain = split_part(golden.email, '@', 2)

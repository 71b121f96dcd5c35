/* ---
description: >
  What the checks that count broken records found: per source and kind of record or event, since a total hides one form or
  one platform that broke. quality.checks judges them.
materialized: table
owner: revenue-operations
columns:
  check_name: {description: Check., data_tests: [not_null]}
  object: {description: What was checked., data_tests: [not_null]}
  relation: {description: Relation that the records are in., data_tests: [not_null]}
  source: {description: Source; null when the records come from several.}
  category: {description: Kind of check., data_tests: [not_null]}
  broken: {description: Records that break the rule., data_tests: [not_null]}
  checked_rows: {description: Records that were checked., data_tests: [not_null]}
  remedy: {description: What to do about it., data_tests: [not_null]}
data_tests:
  - unique_combination: {columns: [check_name, object]}
--- */
with profiles as (
  select
    records.source,
    records.object,
    case records.object
      when 'contact' then 'staging.hubspot_contacts'
      when 'form_submission' then 'staging.hubspot_form_submissions'
      when 'customer' then 'staging.stripe_customers'
      when 'user' then 'staging.product_users'
      else 'identity.person_records'
    end as relation,
    submissions.form_name,
    records.created_at::date as created_date,
    coalesce(
      (records.email is null or records.is_role_inbox)
      and records.phone is null
      and records.product_user_id is null
      and customers.hubspot_company_id is null
      and customers.hubspot_contact_id is null,
      true
    ) as is_broken
  from identity.person_records as records
  left join staging.hubspot_form_submissions as submissions on submissions.record_key = records.record_key
  left join staging.stripe_customers as customers on customers.record_key = records.record_key
),
missing_ids as (
  select source || '.' || object as object, relation, source, is_broken, created_date
  from profiles
  union all
  select source || '.' || object || ': ' || form_name, relation, source, is_broken, created_date
  from profiles
  where form_name is not null
),
person_duplicates as (
  select
    records.source || '.' || records.object as object,
    case records.object when 'contact' then 'staging.hubspot_contacts' else 'staging.product_users' end as relation,
    records.source,
    count(*) as checked_rows,
    count(*) - count(distinct membership.person_id) as broken
  from identity.person_records as records
  inner join identity.person_membership as membership on membership.record_key = records.record_key
  where records.object in ('contact', 'user') and membership.entity_kind = 'person'
  group by records.source, records.object
),
company_duplicates as (
  select
    records.source || '.' || records.object as object,
    records.source,
    count(*) as checked_rows,
    count(*) - count(distinct membership.account_id) as broken
  from identity.company_records as records
  inner join identity.company_membership as membership on membership.record_key = records.record_key
  where records.object = 'company'
  group by records.source, records.object
),
form_repeats as (
  select
    source,
    coalesce(
      submitted_at - lag(submitted_at) over (
        partition by source, form_id, lower(trim(email))
        order by submitted_at, submission_id
      ) <= interval 1 second,
      false
    ) and email is not null as is_repeated
  from staging.hubspot_form_submissions
),
dated as (
  select 'staging.hubspot_contacts' as relation, source, created_at::date as day from staging.hubspot_contacts
  union all
  select 'staging.hubspot_deals', source, created_at::date from staging.hubspot_deals
  union all
  select 'staging.hubspot_form_submissions', source, submitted_at::date from staging.hubspot_form_submissions
  union all
  select 'staging.stripe_invoices', source, created_at::date from staging.stripe_invoices
  union all
  select 'staging.ad_days', source, ad_date from staging.ad_days
  union all
  select 'staging.web_visits', source, visited_at::date from staging.web_visits
),
latest_counts as (
  select counts.*, lag(counts.records) over (partition by counts.relation, counts.source order by counts.as_of_date) as records_before
  from quality.row_counts as counts
  qualify row_number() over (partition by counts.relation, counts.source order by counts.as_of_date desc) = 1
)
select
  'missing ids' as check_name,
  object,
  min(relation) as relation,
  min(source) as source,
  'completeness' as category,
  count(*) filter (where is_broken) as broken,
  count(*) as checked_rows,
  'fill in an address, a number or an id where quality.repairs names the record; when they went missing at once, look at the form or export that they come from' as remedy
from missing_ids
group by object
union all
select
  'missing ids on the last day', missing_ids.object, min(missing_ids.relation), min(missing_ids.source), 'completeness',
  count(*) filter (where missing_ids.is_broken), count(*),
  'look at what changed yesterday in the form, the export or the tracking that these come from'
from missing_ids
cross join core.as_of
where missing_ids.created_date = as_of.as_of_date - 1
group by missing_ids.object
union all
select
  'missing ids', source || ': ' || event_type, min(relation), source, 'completeness', sum(without_id)::bigint, sum(events)::bigint,
  'events without the id of their user are in no count of use: send userId with each event, then replay them'
from staging.event_deliveries
group by source, event_type
union all
select
  'missing ids on the last day', deliveries.source || ': ' || deliveries.event_type, min(deliveries.relation), deliveries.source, 'completeness',
  sum(deliveries.without_id)::bigint, sum(deliveries.events)::bigint,
  'look at what was released yesterday: events lost the id of their user'
from staging.event_deliveries as deliveries
cross join core.as_of
where deliveries.event_date = as_of.as_of_date - 1
group by deliveries.source, deliveries.event_type
union all
select
  'duplicate events', source || ': ' || event_type, min(relation), source, 'duplicates', sum(delivered_again)::bigint, sum(events)::bigint,
  'counted once; find out why the stream delivers twice, or remove the file that was exported twice'
from staging.event_deliveries
group by source, event_type
union all
select
  'repeated events', source || ': ' || event_type, min(relation), source, 'duplicates', sum(repeated)::bigint, sum(events)::bigint,
  'the page sends the event twice: let its tag fire once'
from staging.event_deliveries
group by source, event_type
union all
select
  'repeated events', source || '.form_submission', 'staging.hubspot_form_submissions', source, 'duplicates',
  count(*) filter (where is_repeated), count(*),
  'the form is sent twice: disable its button after the first click'
from form_repeats
group by source
union all
select
  'duplicate keys', source || '.' || stream, relation, source, 'duplicates', lost_rows, rows,
  'rows that share ' || key_columns || ' replace each other, such as ' || sample || ': export each record once, or name the columns that tell records apart under primary_key in ' || file
from ops.load_keys
union all
select
  'missing keys', source || '.' || stream, relation, source, 'completeness', rows_without_key, rows + rows_without_key,
  'rows without ' || key_columns || ' cannot be told apart and are left out of the picture: export the column, or name the one that tells records apart under primary_key in ' || file
from ops.load_keys
union all
select 'duplicates', object, relation, source, 'duplicates', broken, checked_rows, 'merge them in the tool that holds them: quality.repairs names each with its twin'
from person_duplicates
union all
select 'duplicates', object, 'staging.hubspot_companies', source, 'duplicates', broken, checked_rows, 'merge them in the CRM: quality.repairs names each with its twin'
from company_duplicates
union all
select
  'in the future', dated.source || '.' || regexp_replace(split_part(dated.relation, '.', 2), '^(hubspot|stripe|ga4)_', ''), dated.relation, dated.source, 'range',
  count(*) filter (where dated.day > as_of.as_of_date + 1), count(dated.day),
  'a clock or a time zone is wrong where these are made'
from dated
cross join core.as_of
group by dated.source, dated.relation
union all
select
  'rows lost', source || '.' || regexp_replace(split_part(relation, '.', 2), '^(hubspot|stripe|ga4)_', ''), relation, source, 'volume',
  greatest(records_before - records, 0), records_before,
  'the source gives fewer records than on the day before: look whether its export was cut off or a filter was set'
from latest_counts
where records_before is not null
union all
select
  'no account', 'core.opportunities', 'core.opportunities', null, 'reference', count(*) filter (where account_id is null), count(*),
  'associate a company with each deal in the CRM'
from core.opportunities
union all
select
  'no amount', 'core.opportunities', 'core.opportunities', null, 'completeness', count(*) filter (where amount is null and status != 'lost'), count(*),
  'enter the amount of each open or won deal in the CRM'
from core.opportunities
union all
select
  'no rate', 'core.opportunities', 'core.opportunities', null, 'reference', count(*) filter (where amount is not null and project_amount is null), count(*),
  'add the currency to seeds/fx_rates.csv'
from core.opportunities
union all
select
  'no account', 'core.invoices', 'core.invoices', null, 'reference', count(*) filter (where account_id is null), count(*),
  'the customers of these invoices are not in the extract: read the customers of the same account'
from core.invoices
union all
select
  'no rate', 'core.invoices', 'core.invoices', null, 'reference', count(*) filter (where net_amount is not null and project_net_amount is null), count(*),
  'add the currency to seeds/fx_rates.csv'
from core.invoices
union all
select
  'no account', 'core.subscriptions', 'core.subscriptions', null, 'reference', count(*) filter (where account_id is null), count(*),
  'the customers of these subscriptions are not in the extract: read the customers of the same account'
from core.subscriptions
union all
select
  'no rate', 'core.spend', 'core.spend', null, 'reference', count(*) filter (where project_cost is null), count(*),
  'add the currency to seeds/fx_rates.csv'
from core.spend
union all
select
  'no campaign', 'core.spend', 'core.spend', null, 'reference', count(*) filter (where campaigns.campaign_key is null), count(*),
  'read the campaigns of the same accounts as their spend'
from core.spend
left join core.campaigns on campaigns.campaign_key = spend.campaign_key
union all
select
  'no person', 'core.usage', 'core.usage', null, 'reference', count(*) filter (where person_id is null), count(*),
  'send an identify event with the address of each user'
from core.usage
union all
select
  'no person', 'core.tickets', 'core.tickets', null, 'reference', count(*) filter (where person_id is null), count(*),
  'associate a contact with each ticket'
from core.tickets
union all
select
  'no consent row', 'core.consents', 'core.consents', null, 'consent',
  count(*) filter (where consents.person_id is null), count(*),
  'every person has a row for each purpose: mend sql/core/consents.sql'
from core.people
cross join (select distinct purpose from core.consents) as purposes
left join core.consents on consents.person_id = people.person_id and consents.purpose = purposes.purpose
union all
select
  'no consent status', 'core.consents', 'core.consents', null, 'consent', count(*) filter (where consents.status = 'unknown'), count(*),
  'ask for consent, or import what was said; until then silence is a no wherever the law wants an opt-in'
from core.consents
inner join core.people on people.person_id = consents.person_id
where people.crm_contact_id is not null
union all
select
  'no consent time', 'core.consents', 'core.consents', null, 'consent', count(*) filter (where status != 'unknown' and consent_at is null), count(*) filter (where status != 'unknown'),
  'a yes that cannot be dated cannot be proven: store the moment with the word'
from core.consents
union all
select
  'no consent region', 'core.consents', 'core.consents', null, 'consent', count(*) filter (where region = '(unknown)'), count(*),
  'enter the country: until then the strictest rules hold'
from core.consents
union all
select
  'unknown region allowed', 'core.consents', 'core.consents', null, 'consent',
  count(*) filter (where region = '(unknown)' and (regime != 'opt_in' or (is_allowed and status != 'granted'))), count(*) filter (where region = '(unknown)'),
  'an unknown region is to be treated as the strictest: mend sql/core/consents.sql'
from core.consents

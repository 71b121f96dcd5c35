/* ---
description: >
  Forms that people sent through HubSpot, one row each, with the fields that say who they are.
materialized: table
owner: revenue-operations
unique_key: [record_key]
columns:
  record_key: {description: "Key of the record: source:form_submission:id.", data_tests: [not_null, unique]}
  source: {description: "Source of the project.", data_tests: [not_null]}
  submission_id: {description: "Id in HubSpot.", data_tests: [not_null]}
  form_id: {description: "Form."}
  form_name: {description: "Name of the form."}
  email: {description: "Address as typed.", pii: email}
  first_name: {description: "First name as typed.", pii: name}
  last_name: {description: "Last name as typed.", pii: name}
  company_name: {description: "Company as typed."}
  job_title: {description: "Job title as typed."}
  page_url: {description: "Page with its tags."}
  submitted_at: {description: "When it was sent (UTC)."}
--- */
with fields as (
  select
    submissions._source,
    submissions.form_id,
    submissions.conversion_id,
    lower(field.answer ->> '$.name') as name,
    field.answer ->> '$.value' as value
  from raw_hubspot.form_submissions as submissions
  cross join unnest(json_extract(submissions."values", '$[*]')) as field (answer)
),
answers as (
  select
    _source,
    form_id,
    conversion_id,
    max(value) filter (where name = 'email') as email,
    max(value) filter (where name = 'firstname') as first_name,
    max(value) filter (where name = 'lastname') as last_name,
    max(value) filter (where name = 'company') as company_name,
    max(value) filter (where name = 'jobtitle') as job_title
  from fields
  group by _source, form_id, conversion_id
),
form_names as (
  select _source, id, min(name) as name
  from raw_hubspot.forms
  group by _source, id
)
select
  submissions._source || ':form_submission:' || submissions.conversion_id as record_key,
  submissions._source as source,
  submissions.conversion_id as submission_id,
  submissions.form_id,
  form_names.name as form_name,
  answers.email,
  answers.first_name,
  answers.last_name,
  answers.company_name,
  answers.job_title,
  submissions.page_url,
  submissions.submitted_at
from raw_hubspot.form_submissions as submissions
left join answers
  on answers._source = submissions._source
  and answers.form_id = submissions.form_id
  and answers.conversion_id = submissions.conversion_id
left join form_names on form_names._source = submissions._source and form_names.id = submissions.form_id
qualify row_number() over (
  partition by submissions._source, submissions.conversion_id
  order by submissions.submitted_at, submissions.form_id, submissions._row_id
) = 1

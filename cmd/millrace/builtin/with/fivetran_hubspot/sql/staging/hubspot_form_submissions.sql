/* ---
description: >
  Forms that contacts sent, from Fivetran's table contact_form_submission; who sent it is taken from the contact.
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
select
  submissions._source || ':form_submission:' || submissions.conversion_id as record_key,
  submissions._source as source,
  submissions.conversion_id as submission_id,
  submissions.form_id,
  coalesce(forms.name, submissions.title) as form_name,
  contacts.email,
  contacts.first_name,
  contacts.last_name,
  contacts.company_name,
  contacts.job_title,
  submissions.page_url,
  submissions.timestamp as submitted_at
from raw_fivetran_hubspot.contact_form_submission as submissions
left join raw_fivetran_hubspot.form as forms on forms._source = submissions._source and forms.guid = submissions.form_id
left join staging.hubspot_contacts as contacts on contacts.source = submissions._source and contacts.contact_id = submissions.contact_id
where submissions.conversion_id is not null
qualify row_number() over (
  partition by submissions._source, submissions.conversion_id
  order by submissions.timestamp, submissions.form_id, submissions._row_id
) = 1

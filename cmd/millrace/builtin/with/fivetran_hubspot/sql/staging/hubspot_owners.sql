/* ---
description: >
  Users of HubSpot who can own records, from Fivetran's tables owner, owner_team and team.
materialized: table
owner: revenue-operations
columns:
  source: {description: "Source of the project.", data_tests: [not_null]}
  owner_id: {description: "Id in HubSpot.", data_tests: [not_null]}
  email: {description: "Address.", pii: email}
  first_name: {description: "First name.", pii: name}
  last_name: {description: "Last name.", pii: name}
  team: {description: "Primary team."}
  is_archived: {description: "Deactivated in HubSpot.", data_tests: [not_null]}
data_tests:
  - unique_combination: {columns: [source, owner_id]}
--- */
with first_teams as (
  select owner_teams._source, owner_teams.owner_id, min_by(team.name, (case when owner_teams.is_team_primary then 0 else 1 end, owner_teams.team_id)) as name
  from raw_fivetran_hubspot.owner_team as owner_teams
  inner join raw_fivetran_hubspot.team on team._source = owner_teams._source and team.id = owner_teams.team_id
  group by owner_teams._source, owner_teams.owner_id
)
select
  owners._source as source,
  owners.owner_id,
  lower(owners.email) as email,
  owners.first_name,
  owners.last_name,
  first_teams.name as team,
  not coalesce(owners.is_active, true) or coalesce(owners._fivetran_deleted, false) as is_archived
from raw_fivetran_hubspot.owner as owners
left join first_teams on first_teams._source = owners._source and first_teams.owner_id = owners.owner_id
where owners.owner_id is not null
qualify row_number() over (partition by owners._source, owners.owner_id order by owners.updated_at desc nulls last, owners._row_id) = 1

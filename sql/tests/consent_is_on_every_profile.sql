/* ---
description: Every person has a row for each purpose, with a status and the region whose rules hold.
--- */
with purposes as (
  select distinct purpose
  from core.consents
)
select people.person_id, purposes.purpose
from core.people
cross join purposes
left join core.consents on consents.person_id = people.person_id and consents.purpose = purposes.purpose
where consents.person_id is null or consents.status is null or consents.region is null

/* ---
description: The credit of the touches on the way to an opportunity is one opportunity, no more and no less.
--- */
select opportunity_id, milestone, sum(linear_share) as credit
from core.opportunity_paths
group by opportunity_id, milestone
having sum(linear_share) != 1

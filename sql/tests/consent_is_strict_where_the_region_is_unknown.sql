/* ---
description: Whoever's region is not known is treated by the strictest rules - an opt-in, and nothing without it.
--- */
select person_id, purpose, status, regime, is_allowed
from core.consents
where region = '(unknown)' and (regime != 'opt_in' or (is_allowed and status != 'granted'))

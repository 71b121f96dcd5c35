/* ---
description: Media spend of all channels is the media spend of the period.
--- */
select
  period_key,
  sum(media_cost) filter (where dimension = 'channel') as by_channel,
  sum(media_cost) filter (where dimension = 'total') as in_total
from metrics.acquisition
group by period_key
having coalesce(sum(media_cost) filter (where dimension = 'channel'), 0) != coalesce(sum(media_cost) filter (where dimension = 'total'), 0)

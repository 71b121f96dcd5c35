/* ---
description: Media spend over everything is what the ad platforms' rows add up to; no day, campaign or channel is lost on the way.
--- */
with platforms as (
  select coalesce(sum(round(ad_days.cost::decimal(18, 4) * fx_rates.spot_rate, 4)::decimal(18, 4)), 0) as cost
  from staging.ad_days
  cross join meta.run
  inner join core.periods on periods.grain = 'all' and ad_days.ad_date between periods.range_start and periods.read_date
  inner join core.fx_rates
    on fx_rates.currency = coalesce(upper(ad_days.currency), run.currency) and ad_days.ad_date between fx_rates.from_date and fx_rates.to_date
)
select kpi.value, platforms.cost
from metrics.kpi
cross join platforms
where kpi.kpi = 'media_spend' and kpi.grain = 'all' and kpi.dimension = 'total' and kpi.value != platforms.cost

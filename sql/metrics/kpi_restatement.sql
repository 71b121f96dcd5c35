/* ---
description: >
  Every time that a KPI changed after its period had closed: what it was, what it became, when that was known and why. Values
  that were provisional are not in it; that they change is what the word says.
materialized: table
owner: revenue-operations
tags: [kpi]
columns:
  kpi: {description: Name of the KPI., data_tests: [not_null]}
  grain: {description: month or quarter., data_tests: [not_null]}
  period_start: {description: First day of the period., data_tests: [not_null]}
  dimension: {description: total., data_tests: [not_null]}
  segment: {description: all., data_tests: [not_null]}
  old_value: {description: Value that had been stated.}
  new_value: {description: Value that replaced it; null when it cannot be stated any more.}
  unit: {description: Unit of the values.}
  currency: {description: Currency of the values; null when they are not money.}
  cause: {description: What else changed at the same time., data_tests: [not_null]}
  known_at: {description: "When the new value was first stated (logical time of the run, UTC).", data_tests: [not_null]}
data_tests:
  - unique_combination: {columns: [kpi, grain, period_start, dimension, segment, known_at]}
--- */
with versions as (
  select
    *,
    lag(value) over in_time as old_value,
    lag(status) over in_time as old_status
  from metrics.kpi_history
  where valid_to is distinct from valid_from
  window in_time as (partition by kpi, grain, period_start, dimension, segment order by valid_from)
),
changed as (
  select *
  from versions
  where old_status in ('ok', 'restated') and old_value is distinct from value
),
spend_changes as (
  select
    spend_date,
    valid_from,
    project_cost - lag(project_cost) over (partition by campaign_key, spend_date order by valid_from) as cost_change
  from core.spend_history
  where valid_to is distinct from valid_from
),
restated_spend as (
  select
    changed.grain,
    changed.period_start,
    changed.valid_from,
    count(distinct spend_changes.spend_date) as days,
    sum(spend_changes.cost_change) as cost_change
  from (select distinct grain, period_start, valid_from from changed) as changed
  inner join spend_changes
    on spend_changes.valid_from = changed.valid_from
    and spend_changes.cost_change is not null
    and spend_changes.spend_date >= changed.period_start
    and spend_changes.spend_date < changed.period_start + case changed.grain when 'month' then interval 1 month else interval 3 month end
  group by all
),
setting_changes as (
  select
    setting_history.valid_from,
    string_agg(distinct setting_history.setting, ', ' order by setting_history.setting) as settings,
    count(distinct setting_history.setting) as changes
  from core.setting_history
  where setting_history.valid_from > (select min(valid_from) from core.setting_history)
    and setting_history.valid_to is distinct from setting_history.valid_from
  group by setting_history.valid_from
)
select
  changed.kpi,
  changed.grain,
  changed.period_start,
  changed.dimension,
  changed.segment,
  changed.old_value,
  changed.value as new_value,
  changed.unit,
  changed.currency,
  case
    when changed.kpi = 'collected_revenue_cohort' and setting_changes.settings is null then 'payments of the period were given back'
    when setting_changes.settings is not null then case when setting_changes.changes > 3 then setting_changes.changes || ' settings were changed' else 'settings were changed: ' || setting_changes.settings end
    when restated_spend.days is not null and changed.kpi in ('ctr', 'cpa', 'roas_platform', 'cpc', 'cpm')
      then 'ad platforms restated ' || restated_spend.days || ' days of the period'
    when restated_spend.cost_change != 0 and (
      changed.kpi in ('media_spend', 'cpl', 'roas', 'cost_per_mql', 'cost_per_sql', 'payback_months', 'ltv_cac') or starts_with(changed.kpi, 'cac_')
    )
      then 'ad platforms restated ' || restated_spend.days || ' days of the period, their cost by ' || case when restated_spend.cost_change > 0 then '+' else '' end || format('{:,.2f}', restated_spend.cost_change::double)
    else 'records of the period arrived or were changed later'
  end as cause,
  changed.valid_from as known_at
from changed
left join restated_spend
  on restated_spend.grain = changed.grain
  and restated_spend.period_start = changed.period_start
  and restated_spend.valid_from = changed.valid_from
left join setting_changes on setting_changes.valid_from = changed.valid_from

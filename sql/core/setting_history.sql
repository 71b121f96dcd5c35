/* ---
description: Every value that people set and KPIs rest on - assumptions, exchange rates, costs - from when until when it held.
materialized: snapshot
owner: finance
unique_key: [setting]
hard_deletes: invalidate
columns:
  setting: {description: "Name, such as assumption gross_margin, rate EUR from 2026-01-01, cost pay of 2026-01.", data_tests: [not_null, {unique: {where: valid_to is null}}]}
  value: {description: What it was set to.}
  valid_from: {description: "When it was first read (logical time of the run, UTC)."}
  valid_to: {description: When it was changed or taken away; null while it holds.}
data_tests:
  - unique_combination: {columns: [setting, valid_from], where: valid_to is distinct from valid_from}
--- */
select 'assumption ' || name as setting, value::varchar as value
from (
  unpivot (
    select
      gross_margin::varchar as gross_margin,
      ltv_cap_months::varchar as ltv_cap_months,
      ads_restatement_days::varchar as ads_restatement_days,
      lead_conversion_days::varchar as lead_conversion_days,
      funnel_days::varchar as funnel_days,
      journey_days::varchar as journey_days,
      ltv_horizon_months::varchar as ltv_horizon_months,
      discount_rate::varchar as discount_rate
    from core.assumptions
  )
  on gross_margin, ltv_cap_months, ads_restatement_days, lead_conversion_days, funnel_days, journey_days, ltv_horizon_months, discount_rate
  into name name value value
) as assumptions
union all
select 'rate ' || currency || ' from ' || from_date, spot_rate::varchar || ' spot, ' || constant_rate::varchar || ' constant'
from core.fx_rates
union all
select 'cost ' || category || ' of ' || strftime(cost_date, '%Y-%m'), sum(project_cost)::varchar
from core.sales_marketing_costs
group by category, strftime(cost_date, '%Y-%m')

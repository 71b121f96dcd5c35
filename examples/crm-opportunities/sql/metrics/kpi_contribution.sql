/* ---
description: >
  Why a KPI changed from one period to the next: the part that each member of a dimension has in the change of the total.
  For a ratio the part splits into a rate effect (the member's own rate changed) and a mix effect (its weight changed;
  weight gained counts as good when the member is better than the total). For money the mix effect is volume (n) and the
  rate effect is value per record; for a count all is volume. Both use the mean of the two periods, so no order is
  preferred, and the parts of a dimension sum exactly to the delta: what rounding leaves goes to the largest part.
  A dimension is left out where its members do not add up to the total, as with medians.
materialized: table
owner: revenue-operations
tags: [kpi]
columns:
  kpi: {description: Name of the KPI., data_tests: [not_null]}
  grain: {description: month or quarter., data_tests: [not_null]}
  period_start: {description: First day of the later period., data_tests: [not_null]}
  dimension: {description: Dimension that the change is split by., data_tests: [not_null]}
  segment: {description: Member of the dimension., data_tests: [not_null]}
  value: {description: The member's value in the period; null when it cannot be stated.}
  previous: {description: The member's value in the period before; null when it cannot be stated.}
  mix_effect: {description: Part of the delta that comes from the member's weight or volume., data_tests: [not_null]}
  rate_effect: {description: Part of the delta that comes from the member's own rate or value per record., data_tests: [not_null]}
  total_effect: {description: mix_effect + rate_effect., data_tests: [not_null]}
  delta: {description: Change of the total that is split; the same for every member., data_tests: [not_null]}
  share_of_delta: {description: total_effect / delta; null when the total did not change.}
  unit: {description: Unit of the effects.}
  currency: {description: Currency of the effects; null when they are not money.}
data_tests:
  - unique_combination: {columns: [kpi, grain, period_start, dimension, segment]}
  - expression: "mix_effect + rate_effect = total_effect"
--- */
with paired as (
  select
    present.kpi,
    present.grain,
    present.period_start,
    present.dimension,
    present.segment,
    present.unit,
    present.currency,
    present.value,
    earlier.value as previous,
    present.numerator as numerator_1,
    earlier.numerator as numerator_0,
    present.denominator as denominator_1,
    earlier.denominator as denominator_0,
    present.n as volume_1,
    earlier.n as volume_0
  from metrics.kpi as present
  inner join metrics.kpi as earlier
    on earlier.kpi = present.kpi
    and earlier.grain = present.grain
    and earlier.dimension = present.dimension
    and earlier.segment = present.segment
    and earlier.period_start = case present.grain
      when 'month' then (present.period_start - interval 1 month)::date
      else (present.period_start - interval 3 month)::date
    end
  where present.grain in ('month', 'quarter') and present.numerator is not null and earlier.numerator is not null
),
totals as (
  select *, value - previous as delta
  from paired
  where dimension = 'total' and value is not null and previous is not null
),
additive as (
  select members.kpi, members.grain, members.period_start, members.dimension
  from paired as members
  inner join totals using (kpi, grain, period_start)
  where members.dimension != 'total'
  group by members.kpi, members.grain, members.period_start, members.dimension
  having sum(members.numerator_1) = max(totals.numerator_1)
    and sum(members.numerator_0) = max(totals.numerator_0)
    and sum(members.denominator_1) is not distinct from max(totals.denominator_1)
    and sum(members.denominator_0) is not distinct from max(totals.denominator_0)
    and (max(totals.unit) != 'money' or max(totals.denominator_1) is not null or (
      sum(members.volume_1) = max(totals.volume_1) and sum(members.volume_0) = max(totals.volume_0)
    ))
),
weighed as (
  select
    members.kpi,
    members.grain,
    members.period_start,
    members.dimension,
    members.segment,
    members.unit,
    members.currency,
    members.value,
    members.previous,
    totals.delta,
    case when totals.denominator_1 is not null then members.denominator_1 / nullif(totals.denominator_1, 0) else members.volume_1 end as weight_1,
    case when totals.denominator_1 is not null then members.denominator_0 / nullif(totals.denominator_0, 0) else members.volume_0 end as weight_0,
    case when totals.denominator_1 is not null then members.numerator_1 / nullif(members.denominator_1, 0) else members.numerator_1 / nullif(members.volume_1, 0) end as rate_1,
    case when totals.denominator_1 is not null then members.numerator_0 / nullif(members.denominator_0, 0) else members.numerator_0 / nullif(members.volume_0, 0) end as rate_0,
    case when totals.denominator_1 is not null then (totals.value + totals.previous) / 2 else 0 end as usual_rate
  from paired as members
  inner join totals using (kpi, grain, period_start)
  inner join additive
    on additive.kpi = members.kpi
    and additive.grain = members.grain
    and additive.period_start = members.period_start
    and additive.dimension = members.dimension
),
split as (
  select
    *,
    coalesce(round((weight_1 - weight_0) * ((coalesce(rate_1, rate_0) + coalesce(rate_0, rate_1)) / 2 - usual_rate), 8), 0)::decimal(28, 8) as mix_part,
    coalesce(round((weight_1 + weight_0) / 2 * (coalesce(rate_1, rate_0) - coalesce(rate_0, rate_1)), 8), 0)::decimal(28, 8) as rate_part
  from weighed
),
settled as (
  select
    *,
    case
      when row_number() over (
        partition by kpi, grain, period_start, dimension
        order by abs(mix_part + rate_part) desc, segment
      ) = 1
        then delta - sum(mix_part + rate_part) over (partition by kpi, grain, period_start, dimension)
      else 0
    end as rounding
  from split
)
select
  kpi,
  grain,
  period_start,
  dimension,
  segment,
  value,
  previous,
  (mix_part + rounding)::decimal(28, 8) as mix_effect,
  rate_part as rate_effect,
  (mix_part + rounding + rate_part)::decimal(28, 8) as total_effect,
  delta::decimal(28, 8) as delta,
  round((mix_part + rounding + rate_part) / nullif(delta, 0), 8)::decimal(28, 8) as share_of_delta,
  unit,
  currency
from settled

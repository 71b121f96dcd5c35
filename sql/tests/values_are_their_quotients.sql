/* ---
description: A ratio is its numerator over its denominator, and a sum is its numerator; what is shown can be worked out again by hand.
--- */
select kpi.kpi, kpi.grain, kpi.period_start, kpi.dimension, kpi.segment, kpi.value, kpi.numerator, kpi.denominator
from metrics.kpi
inner join metrics.kpi_definition as definitions on definitions.kpi = kpi.kpi
where kpi.value is not null
  and case
    when definitions.rollup in ('ratio', 'stock_ratio', 'segments') then abs(kpi.value - kpi.numerator / kpi.denominator) > 0.00000001 + abs(kpi.value) / 1000000
    when definitions.rollup in ('sum', 'stock', 'periods') then kpi.value != kpi.numerator
    else false
  end

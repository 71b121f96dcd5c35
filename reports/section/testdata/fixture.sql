-- A small sales team over fourteen months: enough for changes, contributions, an anomaly and a forecast. Everything
-- follows from row numbers, so the same rows come out every time.
create schema metrics;
create schema quality;

create table metrics.kpi_definition as
select * from (values
  ('revenue', 'Revenue', 'money', 'up', 'value of the deals won', 'bookings and not cash'),
  ('win_rate', 'Win rate', 'ratio', 'up', 'won / (won + lost)', null),
  ('sales_cycle', 'Sales cycle', 'days', 'down', 'median days to a won deal', null),
  ('mean_deal', 'Mean deal', 'money', 'up', 'value of the deals won / their number', null),
  ('refund_rate', 'Refund rate', 'ratio', 'down', 'refunds / payments', null)
) as t (kpi, label, unit, better, formula, remark);

create table deals as
select
  i,
  (date '2024-11-01' + interval (i // 40) month)::date as period_start,
  ['North', 'South', 'West'][i % 3 + 1] as region,
  ['Ann', 'Bo', 'Cy', 'Di', 'Ed'][(i * 7) % 5 + 1] as agent,
  -- Fewer deals are won in the last month, most of all by Bo.
  (i * i * 31 + i * 17 + 11) % 97 < case when i // 40 = 13 then 46 when i % 2 = 0 then 60 else 66 end
    and not (i // 40 = 13 and (i * 7) % 5 = 1 and i % 3 != 0) as won,
  (800 + (i * 37) % 900 + (i // 40) * 12)::decimal(18, 4) as amount,
  30 + (i * 13) % 45 as days
from generate_series(0, 559) as t (i);

create table metrics.kpi as
with spread as (
  select deals.*, grain, case grain when 'all' then null when 'month' then period_start else date_trunc('quarter', period_start)::date end as period,
    dimension, case dimension when 'total' then 'all' when 'region' then region else agent end as segment
  from deals
  cross join (values ('month'), ('quarter'), ('all')) as g (grain)
  cross join (values ('total'), ('region'), ('agent')) as d (dimension)
),
grouped as (
  select grain, period, dimension, segment, count(*) as closed, count(*) filter (where won) as won,
    coalesce(sum(amount) filter (where won), 0) as amount, quantile_cont(days, 0.5) filter (where won) as days
  from spread
  group by all
)
select 'revenue' as kpi, grain, period as period_start, dimension, segment, amount::decimal(18, 4) as numerator, null::decimal(18, 4) as denominator,
  amount::decimal(28, 8) as value, won as n, 'money' as unit, 'EUR' as currency, 'ok' as status, null as reason
from grouped
union all
select 'win_rate', grain, period, dimension, segment, won, closed, round(won / closed, 8)::decimal(28, 8), closed, 'ratio', null, 'ok', null
from grouped
union all
select 'sales_cycle', grain, period, dimension, segment, null, null, round(days, 8)::decimal(28, 8), won, 'days', null, 'ok', null
from grouped
union all
select 'mean_deal', grain, period, dimension, segment, amount, won, round(amount / nullif(won, 0), 8)::decimal(28, 8), won, 'money', 'EUR',
  case when won = 0 then 'na' else 'ok' end, case when won = 0 then 'no deal was won' end
from grouped
union all
select 'refund_rate', grain, period, dimension, segment, 0, 0, null, 0, 'ratio', null, 'na', 'no payment in this period'
from grouped;

create table metrics.kpi_target as
select * from (values
  ('win_rate', 'total', 'all', 'month', 0.62::decimal(28, 8), 'up', 'agreed'),
  ('sales_cycle', 'total', 'all', 'month', 60::decimal(28, 8), 'down', 'agreed')
) as t (kpi, dimension, segment, grain, target, direction, note);

create table quality.checks as
select * from (values
  ('without_id', 'crm.deals', 'completeness', 0.012::decimal(18, 8), 0.03::decimal(18, 8), 0.05::decimal(18, 8), 560, 'pass', '7 of 560 rows have no identifier'),
  ('duplicates', 'crm.deals', 'duplicates', 0.025, 0.01, 0.02, 560, 'fail', '14 of 560 rows appear twice')
) as t (check_name, object, category, value, warn_above, fail_above, checked_rows, status, detail);

create table quality.score as
select date '2025-12-31' as as_of_date, 50.0::decimal(5, 1) as score, 1 as passed, 0 as warned, 1 as failed, 0 as not_applicable;

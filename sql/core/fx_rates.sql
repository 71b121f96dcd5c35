/* ---
description: >
  What one unit of a currency is worth in the project's currency, from seeds/fx_rates.csv, in intervals of days. The spot
  rate holds for what changes hands on a day (deals, bills, spend); the constant rate never changes, so that recurring
  revenue does not move with a currency.
materialized: table
owner: finance
columns:
  currency: {description: ISO 4217 code in upper case., data_tests: [not_null]}
  from_date: {description: First day of the spot rate., data_tests: [not_null]}
  to_date: {description: Last day of the spot rate., data_tests: [not_null]}
  spot_rate: {description: Project currency for one unit on these days., data_tests: [not_null]}
  constant_rate: {description: Project currency for one unit in recurring revenue., data_tests: [not_null]}
data_tests:
  - unique_combination: {columns: [currency, from_date]}
--- */
with quoted as (
  select
    upper(trim(fx_rates.currency::varchar)) as currency,
    fx_rates.from_date::date as from_date,
    fx_rates.usd_spot::decimal(18, 8) as usd_spot,
    last_value(fx_rates.usd_constant::decimal(18, 8)) over (
      partition by upper(trim(fx_rates.currency::varchar))
      order by fx_rates.from_date::date
      rows between unbounded preceding and unbounded following
    ) as usd_constant
  from seeds.fx_rates
),
days as (
  select distinct from_date from quoted
),
project_rates as (
  select days.from_date, quoted.usd_spot, quoted.usd_constant
  from days
  cross join meta.run
  asof join quoted on quoted.currency = run.currency and days.from_date >= quoted.from_date
),
combined as (
  select
    currencies.currency,
    project_rates.from_date,
    (quoted.usd_spot / project_rates.usd_spot)::decimal(18, 8) as spot_rate,
    (quoted.usd_constant / project_rates.usd_constant)::decimal(18, 8) as constant_rate
  from project_rates
  cross join (select distinct currency from quoted) as currencies
  asof join quoted on quoted.currency = currencies.currency and project_rates.from_date >= quoted.from_date
)
select
  currency,
  from_date,
  coalesce(lead(from_date) over (partition by currency order by from_date) - interval 1 day, timestamp '9999-12-31')::date as to_date,
  spot_rate,
  constant_rate
from combined

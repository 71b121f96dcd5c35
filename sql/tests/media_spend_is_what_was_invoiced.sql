/* ---
description: >
  The spend that a platform reports for a month is what it invoiced for it, within half a per cent (credits for invalid clicks are
  on invoices only). Only months for which seeds/media_invoices.csv has an invoice are held.
severity: warn
--- */
with invoiced as (
  select
    date_trunc('month', media_invoices.month::date)::date as month,
    lower(trim(media_invoices.platform::varchar)) as platform,
    coalesce(upper(trim(media_invoices.currency::varchar)), run.currency) as currency,
    sum(media_invoices.amount::decimal(18, 4)) as amount
  from seeds.media_invoices
  cross join meta.run
  group by all
),
spent as (
  select date_trunc('month', spend_date)::date as month, platform, currency, sum(cost) as amount
  from core.spend
  group by all
)
select invoiced.month, invoiced.platform, invoiced.currency, invoiced.amount as invoiced, coalesce(spent.amount, 0) as spent
from invoiced
left join spent on spent.month = invoiced.month and spent.platform = invoiced.platform and spent.currency = invoiced.currency
where abs(invoiced.amount - coalesce(spent.amount, 0)) * 200 > abs(invoiced.amount)

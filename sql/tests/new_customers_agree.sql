/* ---
description: The customers that acquisition cost is divided by are those that are new in recurring revenue.
--- */
select acquisition.period_key, acquisition.dimension, acquisition.segment, acquisition.new_customers, customer_base.customers_new
from metrics.acquisition
inner join metrics.customer_base
  on customer_base.period_key = acquisition.period_key
  and customer_base.dimension = acquisition.dimension
  and customer_base.segment = acquisition.segment
where acquisition.new_customers != customer_base.customers_new

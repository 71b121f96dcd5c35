/* ---
description: >
  Events as they arrived, counted per kind and day, before those without an id or delivered twice are left out: what data
  quality judges a stream of events by. Empty until it is pointed at a table of your own: replace the statement by a select
  from your raw relation with these columns.
materialized: table
owner: product
columns:
  source: {description: "Source of the project.", data_tests: [not_null]}
  event_type: {description: "Kind of event.", data_tests: [not_null]}
  relation: {description: "Relation that the events are made into; what reads it depends on them.", data_tests: [not_null]}
  event_date: {description: "Day (UTC).", data_tests: [not_null]}
  events: {description: "Events that arrived."}
  without_id: {description: "Of them without an id that says who did it."}
  delivered_again: {description: "Of them with the id of an event that had arrived already."}
  repeated: {description: "Of them the same event by the same user or browser within a second of another one, under another id."}
data_tests:
  - unique_combination: {columns: [source, event_type, event_date]}
--- */
select
  null::varchar as source,
  null::varchar as event_type,
  null::varchar as relation,
  null::date as event_date,
  null::bigint as events,
  null::bigint as without_id,
  null::bigint as delivered_again,
  null::bigint as repeated
where false

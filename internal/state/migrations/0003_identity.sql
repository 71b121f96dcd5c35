create table identity_overrides (
    override_id integer primary key autoincrement,
    kind        text not null,                 -- merge, split, lock, block, prefer
    entity      text not null,                 -- person, company
    body        blob not null,                 -- encrypted: record keys, attribute, value
    author      text not null,
    reason      text not null,
    at          text not null
) strict;

create table identity_revocations (
    seq         integer primary key autoincrement,
    override_id integer not null unique references identity_overrides (override_id),
    author      text not null,
    reason      text not null,
    at          text not null
) strict;

create table identity_tombstones (
    key_id text primary key,                   -- keyed hash of kind and normalised value
    kind   text not null,                      -- email, phone, record, ...
    ticket text not null,                      -- request that asked for the erasure
    at     text not null
) strict, without rowid;

-- What a plan of millions of rows needs: which source row stands behind an acknowledged entry, counts kept instead of
-- counted, plans in pieces.
alter table acked add column source blob;          -- keyed hash of the relation's row that is acknowledged in full; null: not known
create index acked_by_version on acked (scope, version);

create table acked_gone (
    scope   text not null,
    key_id  text not null,
    version integer not null,                      -- at which the entry was removed
    primary key (scope, key_id)
) strict, without rowid;

create table ledger_snapshots (
    scope   text primary key,
    file    text not null,                         -- in the folder acked beside the state file; a copy of hashes, made again when it is lost
    version integer not null,                      -- of the ledger that it shows
    entries integer not null
) strict, without rowid;

create table ledger_fields (
    scope  text not null,
    field  text not null,
    filled integer not null,                       -- entries in which the field holds a value of ours
    primary key (scope, field)
) strict, without rowid;

alter table ledgers add column entries integer not null default 0;
alter table ledgers add column counted integer not null default 0;   -- 0: counts were not made yet

alter table plans add column rows_hash text;       -- null: the rows stand in plans.rows, as older versions wrote them

create table plan_rows (
    plan_id text not null,                         -- a draft's own name until the plan is stored
    chunk   integer not null,
    body    blob not null,                         -- encrypted
    primary key (plan_id, chunk)
) strict, without rowid;

alter table outbox add column source blob;
create index outbox_by_subject on outbox (subject) where subject is not null;

-- What people changed at a destination after we had written it, as the next look found it.
create table edits (
    seq       integer primary key autoincrement,
    scope     text not null,
    sync      text not null,
    key_id    text not null,
    subject   text,
    remote_id text,
    field     text not null,
    outbox_id text not null,                       -- the row that met it
    kept      integer not null,                    -- 1: the person's value stands
    body      blob not null,                       -- encrypted: what we had written, what stood there
    seen_at   text not null,
    unique (outbox_id, field)
) strict;

-- Money that may be spent because of a row: reserved before the call, settled by its outcome.
create table reservations (
    outbox_id text primary key,
    budget    text not null,
    key_id    text not null,
    amount    integer not null,                    -- ten-thousandths of the currency: what the row commits beyond what is committed already
    total     integer not null,                    -- what the key commits once the row has arrived
    state     text not null,                       -- reserved, settled, released
    at        text not null
) strict, without rowid;

create table commitments (
    budget  text not null,
    key_id  text not null,
    amount  integer not null,
    primary key (budget, key_id)
) strict, without rowid;

-- Whether a sync is well; one row a sync, so that a failure and a recovery are told once each.
create table health (
    sync    text primary key,
    state   text not null,                         -- well, failing
    since   text not null,
    message text
) strict, without rowid;

create table health_log (
    seq     integer primary key autoincrement,
    sync    text not null,
    state   text not null,
    message text,
    at      text not null
) strict;

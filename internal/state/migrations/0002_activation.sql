create table meta (
    name  text primary key,
    value text not null
) strict, without rowid;

create table decisions (
    seq              integer primary key autoincrement,
    decision_id      text not null unique,
    previous_id      text,
    policy           text not null,
    policy_version   text not null,
    subject          text not null,
    mode             text not null,
    held             integer not null,
    trigger          text not null,
    choice           text not null,
    score            real,
    propensity       real not null,
    reason           text not null,
    consent          text,
    inputs           text not null,            -- JSON
    inputs_hash      text not null,
    candidates       text not null,            -- JSON
    rule_hits        text not null,            -- JSON
    relation         text not null,
    relation_version text not null,
    build_id         text not null,
    run_id           text not null,
    decided_at       text not null
) strict;

create table decisions_current (
    policy      text not null,
    subject     text not null,
    decision_id text not null references decisions (decision_id),
    primary key (policy, subject)
) strict, without rowid;

create table reviews (
    decision_id text not null references decisions (decision_id),
    reviewer    text not null,
    verdict     text not null,
    note        text,
    at          text not null
) strict;

create table switches (
    scope  text not null,
    name   text not null,
    by     text not null,
    reason text,
    at     text not null,
    primary key (scope, name)
) strict, without rowid;

create table switch_log (
    seq    integer primary key autoincrement,
    action text not null,                      -- stop, start
    scope  text not null,
    name   text not null,
    by     text not null,
    reason text,
    at     text not null
) strict;

create table consents (
    seq     integer primary key autoincrement,
    subject text not null,
    purpose text not null,                     -- * means every purpose
    channel text not null,                     -- * means every channel
    status  text not null check (status in ('granted', 'denied')),
    source  text not null,
    at      text not null
) strict;

create index consents_by_subject on consents (subject);

create table touches (
    seq      integer primary key autoincrement,
    subject  text not null,
    channel  text not null,
    workflow text not null,
    ref      text not null,                    -- outbox id or message id; the same touch is counted once
    at       text not null,
    unique (subject, channel, ref)
) strict;

create table plans (
    plan_id    text primary key,
    hash       text not null,
    kind       text not null,                  -- sync, undo
    sync       text not null,
    scope      text not null,                  -- the ledger that it moves
    verdict    text not null,
    state      text not null,
    build_id   text not null,
    body       text not null,                  -- JSON: counts, breakers, masked samples; no values of people
    rows       blob not null,                  -- encrypted: keys' hashes, operations, fields
    run_id     text not null,
    created_by text not null,
    created_at text not null,
    expires_at text not null,
    summary    text,                           -- JSON, after apply
    ended_at   text
) strict;

create index plans_by_sync on plans (sync, created_at);

create table approvals (
    seq     integer primary key autoincrement,
    plan_id text not null references plans (plan_id),
    hash    text not null,
    verdict text not null,                     -- approved, refused
    by      text not null,
    how     text not null,                     -- policy, person
    reason  text,
    at      text not null
) strict;

create table outbox (
    outbox_id    text primary key,
    seq          integer not null,             -- order within the plan
    plan_id      text not null references plans (plan_id),
    sync         text not null,
    scope        text not null,
    key_id       text not null,                -- keyed hash of the row's key
    op           text not null,
    state        text not null,
    attempts     integer not null default 0,
    next_at      text,
    payload      blob not null,                -- encrypted: key, values
    payload_hash text not null,                -- keyed
    fields       text not null,                -- JSON list of names
    subject      text,
    decision_id  text,
    idem_key     text not null,
    attempt_id   integer,
    job_id       text,
    remote_id    text,
    created_it   integer not null default 0,   -- the destination said that the record is new
    class        text,
    message      text,
    undoes       text,                         -- the outbox row that this one takes back
    created_at   text not null,
    updated_at   text not null
) strict;

create index outbox_by_state on outbox (scope, state, plan_id, seq);
create index outbox_by_key on outbox (scope, key_id, created_at);
create index outbox_by_plan on outbox (plan_id, seq);

create table attempts (
    attempt_id integer primary key autoincrement,
    plan_id    text not null,
    sync       text not null,
    op         text not null,
    rows       integer not null,
    started_at text not null,
    ended_at   text,
    class      text,
    message    text,
    request_id text,
    job_id     text
) strict;

create table attempt_rows (
    attempt_id integer not null references attempts (attempt_id),
    outbox_id  text not null,
    outcome    text not null,
    message    text,
    primary key (attempt_id, outbox_id)
) strict, without rowid;

create index attempt_rows_by_outbox on attempt_rows (outbox_id);

create table preimages (
    outbox_id text primary key,
    existed   integer not null,
    remote_id text,
    body      blob not null,                   -- encrypted: the remote values of the fields to be written
    read_at   text not null
) strict, without rowid;

create table ledgers (
    scope   text primary key,
    version integer not null
) strict, without rowid;

create table acked (
    scope      text not null,
    key_id     text not null,
    body       blob not null,                  -- encrypted: key and acknowledged values by field
    claim      text not null,                  -- acked, settled, accepted, shortfall
    remote_id  text,
    created_it integer not null default 0,
    outbox_id  text not null,
    version    integer not null,
    acked_at   text not null,
    primary key (scope, key_id)
) strict, without rowid;

create table jobs (
    job_id     text not null,
    scope      text not null,
    sync       text not null,
    plan_id    text not null,
    rows       integer not null,
    state      text not null,                  -- processing, settled, shortfall, failed
    reported   integer,                        -- rows that the destination counts as taken
    message    text,
    started_at text not null,
    checked_at text,
    primary key (scope, job_id)
) strict, without rowid;

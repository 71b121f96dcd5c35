create table runs (
    run_id      text primary key,
    command     text not null,
    target      text not null,
    args        text not null default '[]',   -- JSON list of strings, without values of secrets
    version     text not null default '',     -- of the binary
    host        text not null default '',
    pid         integer not null default 0,
    resumes     text,                         -- the killed run that this one resumes
    logical_now text,
    started_at  text not null,
    ended_at    text,
    status      text not null default 'running',
    error       text,
    summary     text                          -- JSON, as the command defines it
) strict;

create index runs_by_start on runs (started_at, run_id);

create table steps (
    run_id     text not null references runs (run_id),
    step       text not null,
    seq        integer not null,
    started_at text not null,
    ended_at   text,
    status     text not null default 'running',
    rows       integer not null default 0,
    detail     text,
    error      text,
    primary key (run_id, step)
) strict, without rowid;

create table deliveries (
    key         text primary key,             -- report, period, channel and content: see reports
    report      text not null,
    channel     text not null,
    run_id      text not null default '',
    status      text not null,
    receipt     text,                         -- JSON as the channel gave it: where it is, its remote id
    error       text,
    intended_at text not null,
    recorded_at text
) strict, without rowid;

create index deliveries_by_report on deliveries (report, intended_at);

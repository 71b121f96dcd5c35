-- Erasures that people asked for. While one is not done its body says what is left to do; afterwards nothing here says who.
create table erasures (
    ticket  text primary key,
    body    blob not null,                         -- encrypted: the person's identifiers; empty once it is done
    by      text not null,
    reason  text,
    at      text not null,
    done_at text,
    summary text                                   -- JSON: what was taken out where, in numbers
) strict;

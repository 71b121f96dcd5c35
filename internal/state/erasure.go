package state

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Erased is what names a person, for as long as their erasure is under way.
type Erased struct {
	Subjects []string `json:"subjects"` // ids of the person, merged ones too
	Records  []string `json:"records"`  // keys of records: source:object:id
	Kept     []string `json:"kept"`     // keys of records that stay without what is personal; a company is one of them too
	Emails   []string `json:"emails"`
	IDs      []string `json:"ids"` // "source:id", as privacy.ID
}

// Keys are what syncs may know the person by, as keys of rows.
func (e Erased) Keys() []string {
	out := append([]string{}, e.Emails...)
	out = append(out, e.Subjects...)
	out = append(out, e.Records...)
	for _, id := range e.IDs {
		for i := range id {
			if id[i] == ':' {
				out = append(out, id[i+1:])
				break
			}
		}
	}
	return out
}

// Erasure is one request to forget a person.
type Erasure struct {
	Ticket  string
	Person  Erased // empty once it is done
	By      string
	Reason  string
	At      time.Time
	Done    time.Time // zero: under way
	Summary json.RawMessage
}

// Erasures is the log of requests to forget people, and what keeps one going across a crash.
type Erasures struct{ d *DB }

// Begin records a request together with the tombstones that keep the person out from now on, in one transaction. Beginning
// it again is no error and changes nothing.
func (s Erasures) Begin(ctx context.Context, e Erasure, stones []Tombstone) error {
	body, err := json.Marshal(e.Person)
	if err != nil {
		return err
	}
	return s.d.tx(ctx, "record an erasure", func(t *sql.Tx) error {
		if _, err := t.ExecContext(ctx, `insert into erasures (ticket, body, by, reason, at) values (?,?,?,?,?) on conflict (ticket) do nothing`,
			e.Ticket, s.d.vault.seal("erasure "+e.Ticket, body), e.By, nullable(e.Reason), stamp(e.At)); err != nil {
			return err
		}
		for _, x := range stones {
			if _, err := t.ExecContext(ctx, `insert into identity_tombstones (key_id, kind, ticket, at) values (?,?,?,?) on conflict (key_id) do nothing`,
				x.KeyID, x.Kind, x.Ticket, stamp(x.At)); err != nil {
				return err
			}
		}
		return nil
	})
}

// List is every request in the order of its time.
func (s Erasures) List(ctx context.Context) ([]Erasure, error) {
	return all(ctx, s.d.db, "read erasures", func(r scanner) (Erasure, error) {
		var e Erasure
		var sealed []byte
		var summary string
		if err := r.Scan(&e.Ticket, &sealed, &e.By, text{&e.Reason}, instant{&e.At}, instant{&e.Done}, text{&summary}); err != nil {
			return e, err
		}
		if summary != "" {
			e.Summary = json.RawMessage(summary)
		}
		if len(sealed) == 0 {
			return e, nil
		}
		plain, err := s.d.vault.open("erasure "+e.Ticket, sealed)
		if err != nil {
			return e, err
		}
		return e, json.Unmarshal(plain, &e.Person)
	}, `select ticket, body, by, reason, at, done_at, summary from erasures order by at, ticket`)
}

// Finish closes a request and forgets whom it was about.
func (s Erasures) Finish(ctx context.Context, ticket string, summary any, at time.Time) error {
	text, err := json.Marshal(summary)
	if err != nil {
		return err
	}
	_, err = s.d.exec(ctx, "finish an erasure", `update erasures set body = x'', done_at = ?, summary = ? where ticket = ?`, stamp(at), string(text), ticket)
	return err
}

// Forgotten counts what the state file held of a person.
type Forgotten struct {
	Decisions int64 `json:"decisions"`
	Consents  int64 `json:"consents"`
	Touches   int64 `json:"touches"`
	Sent      int64 `json:"sent"` // rows of the outbox, with what they wrote and what stood there before
	Acked     int64 `json:"acknowledged"`
	Overrides int64 `json:"overrides"`
}

// Count says what the state file holds of a person and changes nothing.
func (s Erasures) Count(ctx context.Context, p Erased) (f Forgotten, err error) {
	rollback := errors.New("only counted")
	err = s.d.tx(ctx, "count what is known of a person", func(t *sql.Tx) error {
		if f, err = s.forget(ctx, t, p); err != nil {
			return err
		}
		return rollback
	})
	if errors.Is(err, rollback) {
		err = nil
	}
	return f, err
}

// Forget takes a person out of the state file: decisions and reviews about them, what they were sent and what stood there
// before, acknowledged values, touches, consents, what people said about their records. Rows of the outbox stay as numbers:
// that something was sent, not to whom or what. Afterwards the file is compacted, so that nothing is left in pages that
// SQLite has freed.
func (s Erasures) Forget(ctx context.Context, p Erased) (f Forgotten, err error) {
	err = s.d.tx(ctx, "forget a person", func(t *sql.Tx) error {
		f, err = s.forget(ctx, t, p)
		return err
	})
	if err != nil {
		return f, err
	}
	n, err := s.d.Overrides.Forget(ctx, p.Records, append(append([]string{}, p.Emails...), p.Records...))
	if err != nil {
		return f, err
	}
	f.Overrides = int64(n)
	for _, q := range []string{"vacuum", "pragma wal_checkpoint(truncate)"} {
		if _, err := s.d.db.ExecContext(ctx, q); err != nil {
			return f, fmt.Errorf("compact the state file: %w", err)
		}
	}
	return f, nil
}

func (s Erasures) forget(ctx context.Context, t *sql.Tx, p Erased) (f Forgotten, err error) {
	if _, err := t.ExecContext(ctx, `create temp table if not exists forget_subjects (id text primary key) strict`); err != nil {
		return f, err
	}
	if _, err := t.ExecContext(ctx, `create temp table if not exists forget_keys (id text primary key) strict`); err != nil {
		return f, err
	}
	for table, values := range map[string][]string{"forget_subjects": p.Subjects, "forget_keys": s.keyIDs(p)} {
		if _, err := t.ExecContext(ctx, `delete from `+table); err != nil {
			return f, err
		}
		for _, v := range values {
			if _, err := t.ExecContext(ctx, `insert or ignore into `+table+` (id) values (?)`, v); err != nil {
				return f, err
			}
		}
	}
	// Keys under which the person was sent although no identifier of theirs is the key.
	if _, err := t.ExecContext(ctx, `insert or ignore into forget_keys select key_id from outbox where subject in (select id from forget_subjects)`); err != nil {
		return f, err
	}
	const subjects, keys = `(select id from forget_subjects)`, `(select id from forget_keys)`
	rows := `(select outbox_id from outbox where subject in ` + subjects + ` or key_id in ` + keys + `)`
	for _, step := range []struct {
		q string
		n *int64
	}{
		{`delete from reviews where decision_id in (select decision_id from decisions where subject in ` + subjects + `)`, nil},
		{`delete from decisions_current where subject in ` + subjects, nil},
		{`delete from decisions where subject in ` + subjects, &f.Decisions},
		{`delete from consents where subject in ` + subjects, &f.Consents},
		{`delete from touches where subject in ` + subjects, &f.Touches},
		{`delete from preimages where outbox_id in ` + rows, nil},
		{`delete from edits where subject in ` + subjects + ` or key_id in ` + keys, nil},
		{`update attempt_rows set message = null where outbox_id in ` + rows, nil},
		{`insert into acked_gone (scope, key_id, version) select a.scope, a.key_id, l.version + 1 from acked a inner join ledgers l on l.scope = a.scope where a.key_id in ` + keys + `
			on conflict (scope, key_id) do update set version = excluded.version`, nil},
		{`update ledgers set version = version + 1, counted = 0 where scope in (select scope from acked where key_id in ` + keys + `)`, nil},
		{`delete from acked where key_id in ` + keys, &f.Acked},
		// A plan that was not applied may name the person; its rows are sealed as a whole, so they go as a whole.
		{`update plans set state = 'void' where state in ('waiting', 'approved')`, nil},
		{`delete from plan_rows where plan_id in (select plan_id from plans where state not in ('applying'))`, nil},
		{`update plans set rows = x'' where state not in ('applying')`, nil},
	} {
		res, err := t.ExecContext(ctx, step.q)
		if err != nil {
			return f, err
		}
		if step.n != nil {
			if *step.n, err = res.RowsAffected(); err != nil {
				return f, err
			}
		}
	}
	return f, s.blank(ctx, t, rows, &f.Sent)
}

// blank empties rows of the outbox; what has not been sent is not sent any more.
func (s Erasures) blank(ctx context.Context, t *sql.Tx, which string, n *int64) error {
	ids, err := all(ctx, t, "read the outbox", func(r scanner) (string, error) {
		var id string
		return id, r.Scan(&id)
	}, `select outbox_id from outbox where outbox_id in `+which)
	if err != nil {
		return err
	}
	for _, id := range ids {
		if _, err := t.ExecContext(ctx, `update outbox set payload = ?, payload_hash = '', subject = null, decision_id = null, remote_id = null, message = null, source = null,
			key_id = outbox_id, state = case when state in ('pending', 'retry') then 'cancelled' else state end where outbox_id = ?`,
			s.d.vault.seal("outbox "+id, []byte(`{"k":""}`)), id); err != nil {
			return err
		}
	}
	*n = int64(len(ids))
	return nil
}

// KeyIDs are the keyed hashes under which syncs may have sent the person: of their identifiers, and of whatever key stood
// in a row about them.
func (s Erasures) KeyIDs(ctx context.Context, p Erased) ([]string, error) {
	out := s.keyIDs(p)
	for _, subject := range p.Subjects {
		more, err := all(ctx, s.d.db, "look for a person in the outbox", func(r scanner) (string, error) {
			var id string
			return id, r.Scan(&id)
		}, `select distinct key_id from outbox where subject = ?`, subject)
		if err != nil {
			return nil, err
		}
		out = append(out, more...)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

func (s Erasures) keyIDs(p Erased) []string {
	var out []string
	for _, k := range p.Keys() {
		out = append(out, s.d.vault.ID("key", k))
	}
	return out
}

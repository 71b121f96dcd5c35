package state

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"
)

// Edit is a value that somebody changed at a destination after we had written it: feedback on what we wrote.
type Edit struct {
	Scope, Sync, KeyID, Subject, RemoteID, Field string
	Kept                                         bool // the person's value stands
	Wrote, Holds                                 json.RawMessage
	OutboxID                                     string    // read only
	Seen                                         time.Time // read only
}

// Edits is the record of what people changed. Values are encrypted at rest.
type Edits struct{ d *DB }

func (s Edits) record(ctx context.Context, t *sql.Tx, outboxID string, es []Edit, at time.Time) error {
	for _, e := range es {
		body, err := json.Marshal([2]json.RawMessage{orNull(e.Wrote), orNull(e.Holds)})
		if err != nil {
			return err
		}
		if _, err := t.ExecContext(ctx, `insert or ignore into edits (scope, sync, key_id, subject, remote_id, field, outbox_id, kept, body, seen_at) values (?,?,?,?,?,?,?,?,?,?)`,
			e.Scope, e.Sync, e.KeyID, nullable(e.Subject), nullable(e.RemoteID), e.Field, outboxID, e.Kept, s.d.vault.seal("edit "+outboxID+" "+e.Field, body), stamp(at)); err != nil {
			return err
		}
	}
	return nil
}

func orNull(j json.RawMessage) json.RawMessage {
	if len(j) == 0 {
		return json.RawMessage("null")
	}
	return j
}

// List gives the newest edits first; an empty sync means all.
func (s Edits) List(ctx context.Context, sync string, n int) ([]Edit, error) {
	return all(ctx, s.d.db, "read edits", func(r scanner) (Edit, error) {
		var e Edit
		var body []byte
		if err := r.Scan(&e.Scope, &e.Sync, &e.KeyID, text{&e.Subject}, text{&e.RemoteID}, &e.Field, &e.OutboxID, &e.Kept, &body, instant{&e.Seen}); err != nil {
			return e, err
		}
		plain, err := s.d.vault.open("edit "+e.OutboxID+" "+e.Field, body)
		if err != nil {
			return e, err
		}
		var both [2]json.RawMessage
		err = json.Unmarshal(plain, &both)
		e.Wrote, e.Holds = both[0], both[1]
		return e, err
	}, `select scope, sync, key_id, subject, remote_id, field, outbox_id, kept, body, seen_at from edits where (? = '' or sync = ?) order by seq desc limit ?`, sync, sync, n)
}

// States of a sync's health.
const (
	Well    = "well"
	Failing = "failing"
)

// Health keeps whether syncs are well, so that a failure and a recovery are each told once.
type Health struct{ d *DB }

// Note records how a sync is now. It reports whether that is news: the state changed.
func (s Health) Note(ctx context.Context, sync, now, message string, at time.Time) (news bool, err error) {
	err = s.d.tx(ctx, "record health of "+sync, func(t *sql.Tx) error {
		was := Well // a sync that nobody has heard of is well
		if err := t.QueryRowContext(ctx, `select coalesce((select state from health where sync = ?), 'well')`, sync).Scan(&was); err != nil {
			return err
		}
		if news = was != now; !news {
			return nil
		}
		if _, err := t.ExecContext(ctx, `insert into health (sync, state, since, message) values (?,?,?,?) on conflict (sync) do update set
			state = excluded.state, since = excluded.since, message = excluded.message`, sync, now, stamp(at), nullable(message)); err != nil {
			return err
		}
		_, err := t.ExecContext(ctx, `insert into health_log (sync, state, message, at) values (?,?,?,?)`, sync, now, nullable(message), stamp(at))
		return err
	})
	return news, err
}

// Asked notes that people were asked about a plan, and reports whether they had been before.
func (s Health) Asked(ctx context.Context, planID string, at time.Time) (before bool, err error) {
	n, err := s.d.exec(ctx, "record that people were asked", `insert into meta (name, value) values (?, ?) on conflict (name) do nothing`, "asked "+planID, at.UTC().Format(timeLayout))
	return n == 0, err
}

// Planned gives the logical time of the last run that planned a sync; zero when none has.
func (s Health) Planned(ctx context.Context, sync string) (time.Time, error) {
	var at time.Time
	err := s.d.db.QueryRowContext(ctx, `select (select value from meta where name = ?)`, "planned "+sync).Scan(instant{&at})
	return at, err
}

// NotePlanned records it.
func (s Health) NotePlanned(ctx context.Context, sync string, at time.Time) error {
	_, err := s.d.exec(ctx, "record that a sync was planned", `insert into meta (name, value) values (?, ?) on conflict (name) do update set value = excluded.value`, "planned "+sync, at.UTC().Format(timeLayout))
	return err
}

package state

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Field is the acknowledged value of one field.
type Field struct {
	V json.RawMessage `json:"v"`
	// Theirs: the destination holds somebody else's value, which the field's policy respects. V is what was wanted when
	// that was seen; it is not wanted again before it changes.
	Theirs bool `json:"t,omitempty"`
	// Held is the earlier value that an undo of ours put back, while Theirs is set.
	Held json.RawMessage `json:"h,omitempty"`
}

// Entry is what one key's ledger says.
type Entry struct {
	KeyID     string
	Key       string
	Subject   string // person or account, when the sync names one
	Fields    map[string]Field
	Claim     string // acked, settled or shortfall: see the states of a row
	RemoteID  string
	CreatedIt bool // the record is in the destination because of us
	OutboxID  string
	AckedAt   time.Time
	Source    []byte // fingerprint of the relation's row that stands acknowledged in full; nil: not known
}

type entryBody struct {
	Key     string           `json:"k"`
	Subject string           `json:"s,omitempty"`
	Fields  map[string]Field `json:"f,omitempty"`
}

// Ledger is what destinations have acknowledged, by scope (sync, account and object) and key.
type Ledger struct{ d *DB }

// Version changes with every change of the scope's ledger; 0 means that nothing was ever acknowledged.
func (s Ledger) Version(ctx context.Context, scope string) (int64, error) {
	var v int64
	err := s.d.db.QueryRowContext(ctx, `select coalesce((select version from ledgers where scope = ?), 0)`, scope).Scan(&v)
	if err != nil {
		return 0, fmt.Errorf("read ledger: %w", err)
	}
	return v, nil
}

// Some gives the entries of the named keys; keys without one are left out.
func (s Ledger) Some(ctx context.Context, scope string, keyIDs []string) (map[string]Entry, error) {
	out := make(map[string]Entry, len(keyIDs))
	for len(keyIDs) > 0 {
		part := keyIDs[:min(len(keyIDs), 500)]
		keyIDs = keyIDs[len(part):]
		args := []any{scope}
		for _, k := range part {
			args = append(args, k)
		}
		list, err := all(ctx, s.d.db, "read ledger", func(r scanner) (Entry, error) { return s.scan(r, scope) },
			`select key_id, body, claim, remote_id, created_it, outbox_id, acked_at, source from acked where scope = ? and key_id in (`+marks(len(part))+`)`, args...)
		if err != nil {
			return nil, err
		}
		for _, e := range list {
			out[e.KeyID] = e
		}
	}
	return out, nil
}

func (s Ledger) scan(r scanner, scope string) (Entry, error) {
	var e Entry
	var sealed []byte
	if err := r.Scan(&e.KeyID, &sealed, &e.Claim, text{&e.RemoteID}, &e.CreatedIt, &e.OutboxID, instant{&e.AckedAt}, &e.Source); err != nil {
		return e, err
	}
	plain, err := s.d.vault.open("acked "+scope+" "+e.KeyID, sealed)
	if err != nil {
		return e, err
	}
	var b entryBody
	if err := json.Unmarshal(plain, &b); err != nil {
		return e, err
	}
	e.Key, e.Subject, e.Fields = b.Key, b.Subject, b.Fields
	return e, nil
}

// Change moves one entry. It is applied together with the outcome that proves it (P6).
type Change struct {
	Scope, KeyID, Key, Subject string
	Set                        map[string]Field
	Remove                     bool // the record or membership is gone
	Claim                      string
	RemoteID                   string
	CreatedIt                  bool
	Source                     []byte // fingerprint of the relation's row that the entry now holds in full; nil: not known
}

// ledgerTx moves entries within one transaction, with its statements prepared once. Close it before the commit.
type ledgerTx struct {
	l                                      Ledger
	bump, read, write, remove, gone, field *sql.Stmt
	versions                               map[string]int64            // one step of the version for a transaction
	entries                                map[string]int              // change of the number of entries, by scope
	filled                                 map[string]map[string]int64 // change of ledger_fields
}

func (s Ledger) begin(ctx context.Context, t *sql.Tx) (*ledgerTx, error) {
	x := &ledgerTx{l: s, versions: map[string]int64{}, entries: map[string]int{}, filled: map[string]map[string]int64{}}
	for q, into := range map[string]**sql.Stmt{
		// A ledger that begins now is counted from its first entry.
		`insert into ledgers (scope, version, counted) values (?, 1, 1) on conflict (scope) do update set version = version + 1 returning version`: &x.bump,
		`select key_id, body, claim, remote_id, created_it, outbox_id, acked_at, source from acked where scope = ? and key_id = ?`:                 &x.read,
		`delete from acked where scope = ? and key_id = ?`: &x.remove,
		`insert into acked_gone (scope, key_id, version) values (?,?,?) on conflict (scope, key_id) do update set version = excluded.version`:        &x.gone,
		`insert into ledger_fields (scope, field, filled) values (?,?,?) on conflict (scope, field) do update set filled = filled + excluded.filled`: &x.field,
		`insert into acked (scope, key_id, body, claim, remote_id, created_it, outbox_id, version, acked_at, source) values (?,?,?,?,?,?,?,?,?,?)
			on conflict (scope, key_id) do update set body = excluded.body, claim = excluded.claim, remote_id = excluded.remote_id, created_it = excluded.created_it,
			outbox_id = excluded.outbox_id, version = excluded.version, acked_at = excluded.acked_at, source = excluded.source`: &x.write,
	} {
		st, err := t.PrepareContext(ctx, q) // closed with the transaction
		if err != nil {
			return nil, err
		}
		*into = st
	}
	return x, nil
}

func holds(v json.RawMessage) bool { return len(v) > 0 && string(v) != "null" && string(v) != `""` }

func (x *ledgerTx) count(scope, field string, by int64) {
	if x.filled[scope] == nil {
		x.filled[scope] = map[string]int64{}
	}
	x.filled[scope][field] += by
}

func (x *ledgerTx) apply(ctx context.Context, c Change, outboxID string, at time.Time) error {
	version, ok := x.versions[c.Scope]
	if !ok {
		if err := x.bump.QueryRowContext(ctx, c.Scope).Scan(&version); err != nil {
			return err
		}
		x.versions[c.Scope] = version
	}
	e, err := x.l.scan(x.read.QueryRowContext(ctx, c.Scope, c.KeyID), c.Scope)
	known := err == nil
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if c.Remove {
		if !known {
			return nil
		}
		for f, v := range e.Fields {
			if holds(v.V) {
				x.count(c.Scope, f, -1)
			}
		}
		x.entries[c.Scope]--
		if _, err := x.gone.ExecContext(ctx, c.Scope, c.KeyID, version); err != nil {
			return err
		}
		_, err := x.remove.ExecContext(ctx, c.Scope, c.KeyID)
		return err
	}
	if !known {
		x.entries[c.Scope]++
	}
	if e.Fields == nil {
		e.Fields = map[string]Field{}
	}
	for f, v := range c.Set {
		was, is := holds(e.Fields[f].V), holds(v.V)
		if was != is {
			by := int64(1)
			if was {
				by = -1
			}
			x.count(c.Scope, f, by)
		}
		e.Fields[f] = v
	}
	body, err := json.Marshal(entryBody{Key: c.Key, Subject: c.Subject, Fields: e.Fields})
	if err != nil {
		return err
	}
	remote := c.RemoteID
	if remote == "" {
		remote = e.RemoteID
	}
	_, err = x.write.ExecContext(ctx, c.Scope, c.KeyID, x.l.d.vault.seal("acked "+c.Scope+" "+c.KeyID, body), c.Claim, nullable(remote), c.CreatedIt || e.CreatedIt,
		outboxID, version, stamp(at), c.Source)
	return err
}

// close writes the counts that follow from the changes.
func (x *ledgerTx) close(ctx context.Context, t *sql.Tx) error {
	for scope, fields := range x.filled {
		for f, by := range fields {
			if by == 0 {
				continue
			}
			if _, err := x.field.ExecContext(ctx, scope, f, by); err != nil {
				return err
			}
		}
	}
	for scope, by := range x.entries {
		if _, err := t.ExecContext(ctx, `update ledgers set entries = entries + ? where scope = ?`, by, scope); err != nil {
			return err
		}
	}
	return nil
}

// Outcome is what became of one row of a batch.
type Outcome struct {
	ID        string
	State     string
	Class     string
	Message   string
	RemoteID  string
	CreatedIt bool
	JobID     string
	NextAt    time.Time
	Change    *Change
	Undid     string // the outbox row that this one took back
	// ForgetImage drops the pre-image: nothing was written, so the next attempt reads a new one.
	ForgetImage bool
	Uncount     bool   // the attempt does not count: the call was refused for another row's sake
	Touch       *Touch // somebody was reached, or may have been
	Spends      bool   // money was reserved for the row
	Edits       []Edit // what somebody has changed at the destination since we wrote it
}

// AttemptEnd is how a call ended.
type AttemptEnd struct {
	ID        int64 // 0: the outcomes come from no call (read-back, a verdict of the gate)
	Class     string
	Message   string
	RequestID string
	JobID     string
	JobRows   int
	At        time.Time
}

// Record writes what became of rows, the changes of the ledger that follow from it, and the end of the attempt, in one
// transaction: after a crash either all of it is known or none.
func (s Outbox) Record(ctx context.Context, end AttemptEnd, rows []Outcome) error {
	return s.d.tx(ctx, "record outcomes", func(t *sql.Tx) error {
		if end.ID != 0 {
			if _, err := t.ExecContext(ctx, `update attempts set ended_at = ?, class = ?, message = ?, request_id = ?, job_id = ? where attempt_id = ?`,
				stamp(end.At), nullable(end.Class), nullable(end.Message), nullable(end.RequestID), nullable(end.JobID), end.ID); err != nil {
				return err
			}
			if end.JobID != "" {
				if _, err := t.ExecContext(ctx, `insert into jobs (job_id, scope, sync, plan_id, rows, state, started_at)
					select ?, o.scope, a.sync, a.plan_id, ?, 'processing', ? from attempts a join outbox o on o.attempt_id = a.attempt_id where a.attempt_id = ? limit 1
					on conflict (scope, job_id) do nothing`, end.JobID, end.JobRows, stamp(end.At), end.ID); err != nil {
					return err
				}
			}
		}
		return s.outcomes(ctx, t, end, rows)
	})
}

func (s Outbox) outcomes(ctx context.Context, t *sql.Tx, end AttemptEnd, rows []Outcome) error {
	move, err := t.PrepareContext(ctx, `update outbox set state = ?, class = ?, message = ?, next_at = ?, updated_at = ?,
		remote_id = coalesce(?, remote_id), created_it = max(created_it, ?), job_id = coalesce(?, job_id), attempts = attempts - ? where outbox_id = ?`)
	if err != nil {
		return err
	}
	defer move.Close()
	note, err := t.PrepareContext(ctx, `insert into attempt_rows (attempt_id, outbox_id, outcome, message) values (?,?,?,?)
		on conflict (attempt_id, outbox_id) do update set outcome = excluded.outcome, message = excluded.message`)
	if err != nil {
		return err
	}
	defer note.Close()
	ledger, err := s.d.Ledger.begin(ctx, t)
	if err != nil {
		return err
	}
	for _, r := range rows {
		res, err := move.ExecContext(ctx, r.State, nullable(r.Class), nullable(r.Message), stamp(r.NextAt), stamp(end.At), nullable(r.RemoteID), r.CreatedIt, nullable(r.JobID), r.Uncount, r.ID)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n != 1 {
			return errors.Join(err, fmt.Errorf("there is no row %s in the outbox", r.ID))
		}
		if r.ForgetImage {
			if _, err := t.ExecContext(ctx, `delete from preimages where outbox_id = ?`, r.ID); err != nil {
				return err
			}
		}
		if end.ID != 0 {
			if _, err := note.ExecContext(ctx, end.ID, r.ID, r.State, nullable(r.Message)); err != nil {
				return err
			}
		}
		if r.Touch != nil {
			if _, err := t.ExecContext(ctx, `insert or ignore into touches (subject, channel, workflow, ref, at) values (?,?,?,?,?)`,
				r.Touch.Subject, r.Touch.Channel, r.Touch.Workflow, r.Touch.Ref, stamp(r.Touch.At)); err != nil {
				return err
			}
		}
		if r.Spends {
			if err := settleSpend(ctx, t, r.ID, r.State, end.At); err != nil {
				return err
			}
		}
		if err := s.d.Edits.record(ctx, t, r.ID, r.Edits, end.At); err != nil {
			return err
		}
		if r.Change != nil {
			if err := ledger.apply(ctx, *r.Change, r.ID, end.At); err != nil {
				return err
			}
		}
		if r.Undid != "" {
			if _, err := t.ExecContext(ctx, `update outbox set state = ?, updated_at = ? where outbox_id = ?`, RowUndone, stamp(end.At), r.Undid); err != nil {
				return err
			}
		}
	}
	return ledger.close(ctx, t)
}

// Job is an asynchronous piece of work at a destination that only counts.
type Job struct {
	ID, Scope, Sync, PlanID string
	Rows                    int
	State                   string // processing, settled, shortfall, failed
	Reported                *int   // rows that the destination counts as taken
	Message                 string
	Started, Checked        time.Time
}

// Jobs gives a scope's jobs in a state, oldest first; empty means all.
func (s Outbox) Jobs(ctx context.Context, scope, jobState string) ([]Job, error) {
	return all(ctx, s.d.db, "read jobs", func(r scanner) (Job, error) {
		var j Job
		var reported sql.NullInt64
		err := r.Scan(&j.ID, &j.Scope, &j.Sync, &j.PlanID, &j.Rows, &j.State, &reported, text{&j.Message}, instant{&j.Started}, instant{&j.Checked})
		if reported.Valid {
			n := int(reported.Int64)
			j.Reported = &n
		}
		return j, err
	}, `select job_id, scope, sync, plan_id, rows, state, reported, message, started_at, checked_at from jobs
		where (? = '' or scope = ?) and (? = '' or state = ?) order by started_at, job_id`, scope, scope, jobState, jobState)
}

// SettleJob records what a job's status says, with the outcomes of its rows and the ledger's changes, in one transaction.
func (s Outbox) SettleJob(ctx context.Context, j Job, rows []Outcome) error {
	return s.d.tx(ctx, "record the end of job "+j.ID, func(t *sql.Tx) error {
		var reported any
		if j.Reported != nil {
			reported = *j.Reported
		}
		if _, err := t.ExecContext(ctx, `update jobs set state = ?, reported = ?, message = ?, checked_at = ? where scope = ? and job_id = ?`,
			j.State, reported, nullable(j.Message), stamp(j.Checked), j.Scope, j.ID); err != nil {
			return err
		}
		return s.outcomes(ctx, t, AttemptEnd{At: j.Checked}, rows)
	})
}

package state

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"
)

// States of a row in the outbox. A row ends in exactly one of the last eight.
const (
	RowPending    = "pending"    // approved, waiting its turn
	RowRetry      = "retry"      // refused for now, waits for its time
	RowInflight   = "inflight"   // asked; the answer is not recorded yet
	RowUnknown    = "unknown"    // asked; the answer was lost
	RowAccepted   = "accepted"   // taken by a destination that only counts; its job has not ended
	RowAcked      = "acked"      // the destination said yes to this row
	RowSettled    = "settled"    // the job that held the row ended without a shortfall
	RowShortfall  = "shortfall"  // the job took fewer rows than it was given and does not say which
	RowRejected   = "rejected"   // the destination said no to this row
	RowDead       = "dead"       // tried as often as allowed
	RowCancelled  = "cancelled"  // the gate said no at the moment of sending
	RowSuperseded = "superseded" // a newer plan wants something else for the key
	RowUndone     = "undone"     // was acked, and taken back since
)

// Payload is what a row writes. It is encrypted at rest.
type Payload struct {
	Key      string                     `json:"k"`
	RemoteID string                     `json:"r,omitempty"`
	Set      map[string]json.RawMessage `json:"s,omitempty"`
	Expect   map[string]json.RawMessage `json:"e,omitempty"` // write a field only while the destination holds this
	Zone     string                     `json:"z,omitempty"` // the person's time zone
}

// OutboxRow is one change on its way.
type OutboxRow struct {
	ID          string
	Seq         int
	PlanID      string
	Sync        string
	Scope       string
	KeyID       string
	Op          string
	State       string
	Attempts    int
	NextAt      time.Time
	Payload     Payload
	PayloadHash string
	Fields      []string
	Subject     string
	DecisionID  string
	IdemKey     string
	AttemptID   int64
	JobID       string
	RemoteID    string
	CreatedIt   bool
	Class       string
	Message     string
	Undoes      string
	Source      []byte // fingerprint of the relation's row, for the ledger; nil: not known
	Created     time.Time
	Updated     time.Time
}

// Outbox is the queue of changes. Rows are never removed here; each is moved from state to state.
type Outbox struct{ d *DB }

// Enqueue puts a plan's rows into the outbox as pending and marks the plan as being applied, in one transaction. Rows that
// are there already stay as they are, so it can be repeated after a crash. Rows of earlier plans for the same keys that
// have not been sent are superseded.
//
// The rows are taken one by one while the transaction is open; an error among them leaves everything as it was.
func (s Outbox) Enqueue(ctx context.Context, planID string, rows iter.Seq2[OutboxRow, error], at time.Time) error {
	return s.d.tx(ctx, "queue plan "+planID, func(t *sql.Tx) error {
		res, err := t.ExecContext(ctx, `update plans set state = ? where plan_id = ? and state in (?, ?)`, PlanApplying, planID, PlanApproved, PlanApplying)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, fmt.Errorf("plan %s is not approved any more", planID))
		}
		over, err := t.PrepareContext(ctx, `update outbox set state = ?, updated_at = ? where scope = ? and key_id = ? and plan_id <> ? and state in (?, ?)`)
		if err != nil {
			return err
		}
		defer over.Close()
		ins, err := t.PrepareContext(ctx, `insert into outbox (outbox_id, seq, plan_id, sync, scope, key_id, op, state, payload, payload_hash, fields, subject,
			decision_id, idem_key, undoes, source, created_at, updated_at) values (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) on conflict (outbox_id) do nothing`)
		if err != nil {
			return err
		}
		defer ins.Close()
		for r, err := range rows {
			if err != nil {
				return err
			}
			if _, err := over.ExecContext(ctx, RowSuperseded, stamp(at), r.Scope, r.KeyID, planID, RowPending, RowRetry); err != nil {
				return err
			}
			payload, err := json.Marshal(r.Payload)
			if err != nil {
				return err
			}
			fields, err := json.Marshal(append([]string{}, r.Fields...))
			if err != nil {
				return err
			}
			if _, err := ins.ExecContext(ctx, r.ID, r.Seq, planID, r.Sync, r.Scope, r.KeyID, r.Op, RowPending, s.d.vault.seal("outbox "+r.ID, payload), r.PayloadHash,
				string(fields), nullable(r.Subject), nullable(r.DecisionID), r.IdemKey, nullable(r.Undoes), r.Source, stamp(at), stamp(at)); err != nil {
				return err
			}
		}
		return nil
	})
}

const outboxColumns = `outbox_id, seq, plan_id, sync, scope, key_id, op, state, attempts, next_at, payload, payload_hash, fields, subject, decision_id,
	idem_key, attempt_id, job_id, remote_id, created_it, class, message, undoes, source, created_at, updated_at`

func (s Outbox) scan(r scanner) (OutboxRow, error) {
	var v OutboxRow
	var payload []byte
	var fields string
	var attempt sql.NullInt64
	err := r.Scan(&v.ID, &v.Seq, &v.PlanID, &v.Sync, &v.Scope, &v.KeyID, &v.Op, &v.State, &v.Attempts, instant{&v.NextAt}, &payload, &v.PayloadHash, &fields,
		text{&v.Subject}, text{&v.DecisionID}, &v.IdemKey, &attempt, text{&v.JobID}, text{&v.RemoteID}, &v.CreatedIt, text{&v.Class}, text{&v.Message},
		text{&v.Undoes}, &v.Source, instant{&v.Created}, instant{&v.Updated})
	if err != nil {
		return v, err
	}
	v.AttemptID = attempt.Int64
	plain, err := s.d.vault.open("outbox "+v.ID, payload)
	if err != nil {
		return v, err
	}
	return v, errors.Join(json.Unmarshal(plain, &v.Payload), json.Unmarshal([]byte(fields), &v.Fields))
}

// Filter chooses rows. Empty fields mean all; Due, when set, leaves out rows whose time has not come.
type Filter struct {
	Scope  string
	PlanID string
	Job    string
	States []string
	Due    time.Time
	Limit  int
}

func (f Filter) where() (string, []any) {
	q, args := "1 = 1", []any{}
	add := func(cond string, v ...any) {
		q += " and " + cond
		args = append(args, v...)
	}
	if f.Scope != "" {
		add("scope = ?", f.Scope)
	}
	if f.PlanID != "" {
		add("plan_id = ?", f.PlanID)
	}
	if f.Job != "" {
		add("job_id = ?", f.Job)
	}
	if len(f.States) > 0 {
		v := make([]any, len(f.States))
		for i, x := range f.States {
			v[i] = x
		}
		add("state in ("+marks(len(v))+")", v...)
	}
	if !f.Due.IsZero() {
		add("(next_at is null or next_at <= ?)", stamp(f.Due))
	}
	return q, args
}

// Rows gives the chosen rows in the order of their plan.
func (s Outbox) Rows(ctx context.Context, f Filter) ([]OutboxRow, error) {
	q, args := f.where()
	limit := -1
	if f.Limit > 0 {
		limit = f.Limit
	}
	return all(ctx, s.d.db, "read outbox", s.scan, `select `+outboxColumns+` from outbox where `+q+` order by plan_id, seq limit ?`, append(args, limit)...)
}

// Next gives up to limit rows of a scope that may be sent now, in the order of their plan. A row waits while an earlier one
// for its key has no outcome, whatever state that is in: changes of one key never overtake each other.
func (s Outbox) Next(ctx context.Context, scope string, now time.Time, limit int) ([]OutboxRow, error) {
	// Two queries, so that each follows the index: a queue of a million rows costs no more than a short one.
	const q = `select ` + outboxColumns + ` from outbox as o where scope = ? and state = ? and (next_at is null or next_at <= ?) and not exists (
			select 1 from outbox as earlier where earlier.scope = o.scope and earlier.key_id = o.key_id and earlier.rowid < o.rowid
			and earlier.state in ('pending', 'retry', 'inflight', 'unknown'))
		order by plan_id, seq limit ?`
	waiting, err := all(ctx, s.d.db, "read outbox", s.scan, q, scope, RowPending, stamp(now), limit)
	if err != nil {
		return nil, err
	}
	again, err := all(ctx, s.d.db, "read outbox", s.scan, q, scope, RowRetry, stamp(now), limit)
	if err != nil {
		return nil, err
	}
	out := append(waiting, again...)
	slices.SortStableFunc(out, func(a, b OutboxRow) int {
		if c := strings.Compare(a.PlanID, b.PlanID); c != 0 {
			return c
		}
		return a.Seq - b.Seq
	})
	return out[:min(limit, len(out))], nil
}

// NextDue is the earliest time at which a waiting row of the filter may be tried; zero when none waits.
func (s Outbox) NextDue(ctx context.Context, f Filter) (time.Time, error) {
	q, args := f.where()
	var at time.Time
	if err := s.d.db.QueryRowContext(ctx, `select min(next_at) from outbox where `+q, args...).Scan(instant{&at}); err != nil {
		return at, fmt.Errorf("read outbox: %w", err)
	}
	return at, nil
}

// Counts gives the number of rows by state.
func (s Outbox) Counts(ctx context.Context, f Filter) (map[string]int, error) {
	q, args := f.where()
	type pair struct {
		state string
		n     int
	}
	list, err := all(ctx, s.d.db, "count outbox", func(r scanner) (pair, error) {
		var p pair
		return p, r.Scan(&p.state, &p.n)
	}, `select state, count(*) from outbox where `+q+` group by state`, args...)
	out := map[string]int{}
	for _, p := range list {
		out[p.state] = p.n
	}
	return out, err
}

// Reason counts the rows of a plan that ended or wait for one reason.
type Reason struct {
	State, Message string
	Rows           int
}

// Reasons counts rows in the given states by what was said about them, the most frequent first.
func (s Outbox) Reasons(ctx context.Context, f Filter) ([]Reason, error) {
	q, args := f.where()
	return all(ctx, s.d.db, "count reasons", func(r scanner) (Reason, error) {
		var v Reason
		return v, r.Scan(&v.State, text{&v.Message}, &v.Rows)
	}, `select state, message, count(*) from outbox where `+q+` group by state, message order by count(*) desc, state, message`, args...)
}

// Plans gives the plans of a scope that have rows in one of the states, oldest first.
func (s Outbox) Plans(ctx context.Context, scope string, states ...string) ([]string, error) {
	q, args := Filter{Scope: scope, States: states}.where()
	return all(ctx, s.d.db, "read outbox", func(r scanner) (string, error) {
		var id string
		return id, r.Scan(&id)
	}, `select plan_id from outbox where `+q+` group by plan_id order by min(rowid)`, args...)
}

// Latest gives, for each of the named keys of a scope, the state and payload hash of its newest row; a plan uses it to
// leave out what was refused, taken back, or is still on its way. Keys that were never sent are left out.
func (s Outbox) Latest(ctx context.Context, scope string, keyIDs []string) (map[string]LatestRow, error) {
	out := make(map[string]LatestRow, len(keyIDs))
	type pair struct {
		key string
		row LatestRow
	}
	for len(keyIDs) > 0 {
		part := keyIDs[:min(len(keyIDs), 500)]
		keyIDs = keyIDs[len(part):]
		args := []any{scope}
		for _, k := range part {
			args = append(args, k)
		}
		list, err := all(ctx, s.d.db, "read outbox", func(r scanner) (pair, error) {
			var p pair
			return p, r.Scan(&p.key, &p.row.ID, &p.row.State, &p.row.Hash, &p.row.Op, text{&p.row.Message})
		}, `select key_id, outbox_id, state, payload_hash, op, message from (
				select *, row_number() over (partition by key_id order by rowid desc) as nth from outbox
				where scope = ? and key_id in (`+marks(len(part))+`) and undoes is null and state <> 'superseded')
			where nth = 1`, args...)
		if err != nil {
			return nil, err
		}
		for _, p := range list {
			out[p.key] = p.row
		}
	}
	return out, nil
}

// LatestRow is what became of the newest row for a key.
type LatestRow struct{ ID, State, Hash, Op, Message string }

// PreImage is what the destination held before a write, of the fields to be written only. It is encrypted at rest.
type PreImage struct {
	OutboxID string
	Existed  bool
	RemoteID string
	Values   map[string]json.RawMessage
	ReadAt   time.Time
}

// Begin records that a batch is about to be sent: the attempt, the pre-images, and its rows as in flight, in one
// transaction that is durable before the first byte leaves. It gives the attempt's id.
func (s Outbox) Begin(ctx context.Context, planID, sync, op string, ids []string, images []PreImage, at time.Time) (int64, error) {
	var attempt int64
	err := s.d.tx(ctx, "record that a batch is sent", func(t *sql.Tx) error {
		res, err := t.ExecContext(ctx, `insert into attempts (plan_id, sync, op, rows, started_at) values (?,?,?,?,?)`, planID, sync, op, len(ids), stamp(at))
		if err != nil {
			return err
		}
		if attempt, err = res.LastInsertId(); err != nil {
			return err
		}
		put, err := t.PrepareContext(ctx, `insert into preimages (outbox_id, existed, remote_id, body, read_at) values (?,?,?,?,?) on conflict (outbox_id) do nothing`)
		if err != nil {
			return err
		}
		defer put.Close()
		move, err := t.PrepareContext(ctx, `update outbox set state = ?, attempts = attempts + 1, attempt_id = ?, next_at = null, updated_at = ?
				where outbox_id = ? and state in (?, ?)`)
		if err != nil {
			return err
		}
		defer move.Close()
		for _, im := range images {
			body, err := json.Marshal(im.Values)
			if err != nil {
				return err
			}
			// The first image stays: a later one, read after an attempt that was lost, may show our own write.
			if _, err := put.ExecContext(ctx, im.OutboxID, im.Existed, nullable(im.RemoteID), s.d.vault.seal("preimage "+im.OutboxID, body), stamp(im.ReadAt)); err != nil {
				return err
			}
		}
		for _, id := range ids {
			res, err := move.ExecContext(ctx, RowInflight, attempt, stamp(at), id, RowPending, RowRetry)
			if err != nil {
				return err
			}
			if n, err := res.RowsAffected(); err != nil || n != 1 {
				return errors.Join(err, fmt.Errorf("row %s is not waiting to be sent", id))
			}
		}
		return nil
	})
	return attempt, err
}

// Images gives the pre-images of a plan's rows, by outbox id.
func (s Outbox) Images(ctx context.Context, planID string) (map[string]PreImage, error) {
	list, err := all(ctx, s.d.db, "read pre-images", func(r scanner) (PreImage, error) {
		var im PreImage
		var body []byte
		if err := r.Scan(&im.OutboxID, &im.Existed, text{&im.RemoteID}, &body, instant{&im.ReadAt}); err != nil {
			return im, err
		}
		plain, err := s.d.vault.open("preimage "+im.OutboxID, body)
		if err != nil {
			return im, err
		}
		return im, json.Unmarshal(plain, &im.Values)
	}, `select p.outbox_id, p.existed, p.remote_id, p.body, p.read_at from preimages p join outbox o on o.outbox_id = p.outbox_id where o.plan_id = ?`, planID)
	out := make(map[string]PreImage, len(list))
	for _, im := range list {
		out[im.OutboxID] = im
	}
	return out, err
}

// Image gives one row's pre-image.
func (s Outbox) Image(ctx context.Context, outboxID string) (PreImage, bool, error) {
	im := PreImage{OutboxID: outboxID}
	var body []byte
	err := s.d.db.QueryRowContext(ctx, `select existed, remote_id, body, read_at from preimages where outbox_id = ?`, outboxID).
		Scan(&im.Existed, text{&im.RemoteID}, &body, instant{&im.ReadAt})
	if errors.Is(err, sql.ErrNoRows) {
		return im, false, nil
	}
	var plain []byte
	if err == nil {
		plain, err = s.d.vault.open("preimage "+outboxID, body)
	}
	if err == nil {
		err = json.Unmarshal(plain, &im.Values)
	}
	if err != nil {
		return im, false, fmt.Errorf("read pre-image: %w", err)
	}
	return im, true, nil
}

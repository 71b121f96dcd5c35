package state

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"millrace/internal/fault"
)

// States of a plan.
const (
	PlanWaiting  = "waiting"  // a person must approve it
	PlanBlocked  = "blocked"  // nobody can approve it: the file or the data must change
	PlanApproved = "approved" // by the recorded policy or by a person
	PlanApplying = "applying" // its rows are in the outbox
	PlanApplied  = "applied"  // every row has an outcome
	PlanRefused  = "refused"  // a person said no
	PlanVoid     = "void"     // replaced by a newer plan, expired, or what it was made from changed
)

// Plan is a stored plan. Body holds no values of people; Rows are encrypted at rest.
type Plan struct {
	ID      string // from its hash
	Hash    string
	Kind    string // sync, undo
	Sync    string
	Scope   string
	Verdict string
	State   string
	BuildID string
	Body    json.RawMessage
	Rows    []byte // of plans made by older versions; newer ones have pieces, see Draft
	// RowsHash is the SHA-256 of the plan's rows in order; empty for plans made by older versions.
	RowsHash string
	RunID    string
	By       string // who asked for it
	Created  time.Time
	Expires  time.Time
	Summary  json.RawMessage
	Ended    time.Time
}

// Approval is a verdict of a person, or of the recorded policy, about one plan.
type Approval struct {
	PlanID, Hash string
	Approved     bool
	By           string // a person's name, or the file whose limits approve
	How          string // policy, person
	Reason       string
	At           time.Time
}

// Plans are the immutable plans and what was said about them.
type Plans struct{ d *DB }

// Save stores a plan; saving the same one again changes nothing, except that a void one may be asked for anew. Older
// plans of the same sync that nobody has acted on become void: what they were made from is history.
func (s Plans) Save(ctx context.Context, p Plan, draft *Draft) error {
	return s.d.tx(ctx, "store plan "+p.ID, func(t *sql.Tx) error {
		if _, err := t.ExecContext(ctx, `update plans set state = ? where sync = ? and kind = ? and plan_id <> ? and state in (?, ?, ?)`,
			PlanVoid, p.Sync, p.Kind, p.ID, PlanWaiting, PlanBlocked, PlanApproved); err != nil {
			return err
		}
		_, err := t.ExecContext(ctx, `insert into plans (plan_id, hash, kind, sync, scope, verdict, state, build_id, body, rows, rows_hash, run_id, created_by, created_at, expires_at)
			values (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?) on conflict (plan_id) do update set state = excluded.state, run_id = excluded.run_id,
			created_by = excluded.created_by, created_at = excluded.created_at, expires_at = excluded.expires_at where plans.state = 'void' and
			not exists (select 1 from outbox where outbox.plan_id = plans.plan_id)`,
			p.ID, p.Hash, p.Kind, p.Sync, p.Scope, p.Verdict, p.State, p.BuildID, string(p.Body), s.d.vault.seal("plan "+p.ID, p.Rows), nullable(p.RowsHash), p.RunID, p.By,
			stamp(p.Created), stamp(p.Expires))
		if err != nil || draft == nil {
			return err
		}
		return draft.become(ctx, t, p.ID)
	})
}

const planColumns = `coalesce(rows_hash, ''), plan_id, hash, kind, sync, scope, verdict, state, build_id, body, run_id, created_by, created_at, expires_at, summary, ended_at`

func scanPlan(r scanner) (Plan, error) {
	var p Plan
	var body, summary string
	err := r.Scan(&p.RowsHash, &p.ID, &p.Hash, &p.Kind, &p.Sync, &p.Scope, &p.Verdict, &p.State, &p.BuildID, &body, &p.RunID, &p.By,
		instant{&p.Created}, instant{&p.Expires}, text{&summary}, instant{&p.Ended})
	p.Body = json.RawMessage(body)
	if summary != "" {
		p.Summary = json.RawMessage(summary)
	}
	return p, err
}

// Get reads one plan with its rows; false when there is none of that id.
func (s Plans) Get(ctx context.Context, id string) (Plan, bool, error) {
	p, err := scanPlan(s.d.db.QueryRowContext(ctx, `select `+planColumns+` from plans where plan_id = ?`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return Plan{}, false, nil
	}
	var sealed []byte
	if err == nil {
		err = s.d.db.QueryRowContext(ctx, `select rows from plans where plan_id = ?`, id).Scan(&sealed)
	}
	if err == nil {
		p.Rows, err = s.d.vault.open("plan "+id, sealed)
	}
	if err != nil {
		return Plan{}, false, fmt.Errorf("read plan %s: %w", id, err)
	}
	return p, true, nil
}

// List gives the newest plans first, without their rows. Empty sync or no states mean all.
func (s Plans) List(ctx context.Context, sync string, n int, states ...string) ([]Plan, error) {
	args := []any{sync, sync}
	where := ""
	if len(states) > 0 {
		where = " and state in (" + marks(len(states)) + ")"
		for _, x := range states {
			args = append(args, x)
		}
	}
	return all(ctx, s.d.db, "read plans", scanPlan, `select `+planColumns+` from plans where (? = '' or sync = ?)`+where+
		` order by created_at desc, rowid desc limit ?`, append(args, n)...)
}

// Expire makes plans void that waited until now and whose time is over; it gives their ids.
func (s Plans) Expire(ctx context.Context, now time.Time) ([]string, error) {
	var ids []string
	err := s.d.tx(ctx, "expire plans", func(t *sql.Tx) error {
		var err error
		ids, err = all(ctx, t, "expire plans", func(r scanner) (string, error) {
			var id string
			return id, r.Scan(&id)
		}, `update plans set state = ? where state in (?, ?, ?) and expires_at <= ? returning plan_id`, PlanVoid, PlanWaiting, PlanApproved, PlanBlocked, stamp(now))
		return err
	})
	return ids, err
}

// Decide records an approval or a refusal and moves the plan. The verdict binds to the plan's hash: another hash is
// refused, as is a plan that is not waiting any more.
func (s Plans) Decide(ctx context.Context, a Approval) error {
	return s.d.tx(ctx, "record verdict on plan "+a.PlanID, func(t *sql.Tx) error {
		to, verdict := PlanApproved, "approved"
		if !a.Approved {
			to, verdict = PlanRefused, "refused"
		}
		// A refusal also takes back an approval that nothing was done with yet.
		res, err := t.ExecContext(ctx, `update plans set state = ? where plan_id = ? and hash = ? and (state = ? or (? = ? and state = ?))`,
			to, a.PlanID, a.Hash, PlanWaiting, to, PlanRefused, PlanApproved)
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			if err != nil {
				return err
			}
			return &fault.Error{Msg: "the plan is not waiting for a verdict, or it is not the plan that was shown", Value: a.PlanID,
				Hint: "Look at it again with `millrace plan --show " + a.PlanID + "`."}
		}
		_, err = t.ExecContext(ctx, `insert into approvals (plan_id, hash, verdict, by, how, reason, at) values (?,?,?,?,?,?,?)`,
			a.PlanID, a.Hash, verdict, a.By, a.How, nullable(a.Reason), stamp(a.At))
		return err
	})
}

// NotePolicy records that a plan was within the limits of its file, beside a plan that was saved as approved.
func (s Plans) NotePolicy(ctx context.Context, a Approval) error {
	_, err := s.d.exec(ctx, "record approval of plan "+a.PlanID, `insert into approvals (plan_id, hash, verdict, by, how, reason, at)
		select ?, ?, 'approved', ?, 'policy', ?, ? where not exists (select 1 from approvals where plan_id = ? and how = 'policy' and at = ?)`,
		a.PlanID, a.Hash, a.By, nullable(a.Reason), stamp(a.At), a.PlanID, stamp(a.At))
	return err
}

// Approvals gives what was said about a plan, oldest first.
func (s Plans) Approvals(ctx context.Context, id string) ([]Approval, error) {
	return all(ctx, s.d.db, "read approvals of plan "+id, func(r scanner) (Approval, error) {
		var a Approval
		var verdict string
		err := r.Scan(&a.PlanID, &a.Hash, &verdict, &a.By, &a.How, text{&a.Reason}, instant{&a.At})
		a.Approved = verdict == "approved"
		return a, err
	}, `select plan_id, hash, verdict, by, how, reason, at from approvals where plan_id = ? order by seq`, id)
}

// Finish marks a plan as applied.
func (s Plans) Finish(ctx context.Context, id string, summary json.RawMessage, at time.Time) error {
	_, err := s.d.exec(ctx, "record end of plan "+id, `update plans set state = ?, summary = ?, ended_at = ? where plan_id = ?`,
		PlanApplied, string(summary), stamp(at), id)
	return err
}

// Void makes a plan void that nothing was done with yet.
func (s Plans) Void(ctx context.Context, id string) error {
	_, err := s.d.exec(ctx, "make plan "+id+" void", `update plans set state = ? where plan_id = ? and state in (?, ?, ?)`,
		PlanVoid, id, PlanWaiting, PlanApproved, PlanBlocked)
	return err
}

// VoidOthers makes void every plan of a sync that nobody has acted on: the sync has nothing to do any more.
func (s Plans) VoidOthers(ctx context.Context, sync, kind string) error {
	_, err := s.d.exec(ctx, "make older plans of "+sync+" void", `update plans set state = ? where sync = ? and kind = ? and state in (?, ?, ?)`,
		PlanVoid, sync, kind, PlanWaiting, PlanBlocked, PlanApproved)
	return err
}

// Pinned gives the builds that plans still need: those that wait, are approved, or are being applied.
func (s Plans) Pinned(ctx context.Context) ([]string, error) {
	return all(ctx, s.d.db, "read pinned builds", func(r scanner) (string, error) {
		var id string
		return id, r.Scan(&id)
	}, `select distinct build_id from plans where state in (?, ?, ?) and build_id <> '' order by 1`, PlanWaiting, PlanApproved, PlanApplying)
}

package state

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// LogFilter chooses rows of the outbox for a person who asks what happened. Empty fields mean all.
type LogFilter struct {
	Sync, PlanID, RowID, RunID, DecisionID string
	Person                                 string   // subject as the syncs name it
	KeyIDs                                 []string // with Person: or one of these keys
	States                                 []string
	Limit                                  int
}

// LogRow is one row and what was done with it.
type LogRow struct {
	OutboxRow
	RunID    string // the run that made the plan
	PlanBy   string // who asked for it
	Verdict  string // of the plan's limits
	Approved string // who approved it
	Tries    []Try
}

// Try is one call that carried a row.
type Try struct {
	AttemptID      int64
	Started, Ended time.Time
	Outcome        string // state that the row was given
	Message        string
	Class          string // of the whole call, when it failed
	RequestID      string
	JobID          string
}

// Log gives rows, the newest first, with every call that carried them.
func (s Outbox) Log(ctx context.Context, f LogFilter) ([]LogRow, error) {
	q, args := "1 = 1", []any{}
	eq := func(column, v string) {
		if v != "" {
			q += " and " + column + " = ?"
			args = append(args, v)
		}
	}
	eq("o.sync", f.Sync)
	eq("o.plan_id", f.PlanID)
	eq("o.outbox_id", f.RowID)
	eq("o.decision_id", f.DecisionID)
	eq("p.run_id", f.RunID)
	if f.Person != "" {
		q += " and (o.subject = ?"
		args = append(args, f.Person)
		for _, k := range f.KeyIDs {
			q += " or o.key_id = ?"
			args = append(args, k)
		}
		q += ")"
	}
	if len(f.States) > 0 {
		q += " and o.state in (" + marks(len(f.States)) + ")"
		for _, x := range f.States {
			args = append(args, x)
		}
	}
	if f.Limit <= 0 {
		f.Limit = -1
	}
	type found struct {
		id string
		LogRow
	}
	list, err := all(ctx, s.d.db, "read what was sent", func(r scanner) (found, error) {
		var v found
		return v, r.Scan(&v.id, &v.RunID, &v.PlanBy, &v.Verdict, text{&v.Approved})
	}, `select o.outbox_id, p.run_id, p.created_by, p.verdict, (select by || ' (' || how || ')' from approvals a where a.plan_id = p.plan_id and a.verdict = 'approved' order by seq desc limit 1)
		from outbox o join plans p on p.plan_id = o.plan_id where `+q+` order by o.rowid desc limit ?`, append(args, f.Limit)...)
	if err != nil {
		return nil, err
	}
	out := make([]LogRow, len(list))
	for i, v := range list {
		row, err := s.scan(s.d.db.QueryRowContext(ctx, `select `+outboxColumns+` from outbox where outbox_id = ?`, v.id))
		if err != nil {
			return nil, err
		}
		out[i] = v.LogRow
		out[i].OutboxRow = row
		out[i].Tries, err = all(ctx, s.d.db, "read attempts", func(r scanner) (Try, error) {
			var t Try
			return t, r.Scan(&t.AttemptID, instant{&t.Started}, instant{&t.Ended}, text{&t.Outcome}, text{&t.Message}, text{&t.Class}, text{&t.RequestID}, text{&t.JobID})
		}, `select a.attempt_id, a.started_at, a.ended_at, r.outcome, coalesce(r.message, a.message), a.class, a.request_id, a.job_id
			from attempt_rows r join attempts a on a.attempt_id = r.attempt_id where r.outbox_id = ? order by a.attempt_id`, v.id)
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Row gives one row by its id; false when there is none.
func (s Outbox) Row(ctx context.Context, id string) (OutboxRow, bool, error) {
	v, err := s.scan(s.d.db.QueryRowContext(ctx, `select `+outboxColumns+` from outbox where outbox_id = ?`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return v, false, nil
	}
	return v, err == nil, err
}

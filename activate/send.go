package activate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"millrace/internal/httpx"
	"millrace/internal/state"
)

// send makes one call, splitting it when the destination refuses it as a whole.
func (r *delivery) send(ctx context.Context, group []outgoing, looked bool) (int, error) {
	work := [][]outgoing{group}
	moved := 0
	for len(work) > 0 {
		part := work[len(work)-1]
		work = work[:len(work)-1]
		rest, err := r.call(ctx, part, looked)
		moved += len(part)
		for _, p := range rest {
			moved -= len(p)
			work = append(work, p)
		}
		if err != nil {
			return moved, err
		}
	}
	return moved, nil
}

// call sends one batch and records what came back. It gives what must be sent again in smaller parts.
func (r *delivery) call(ctx context.Context, part []outgoing, looked bool) ([][]outgoing, error) {
	e := r.e
	b := Batch{Target: r.target, Op: Op(part[0].row.Op)}
	if b.Op == Restore {
		b.Op = Update
	}
	ids := make([]string, len(part))
	var images []state.PreImage
	for i, o := range part {
		// The proof is checked where the row leaves, not where it was made.
		if c, err := o.approved.Change(); err != nil || c.ID != o.row.ID {
			return nil, errors.Join(err, fmt.Errorf("row %s was not approved", o.row.ID))
		}
		ids[i] = o.row.ID
		row := asRow(o.row, o.values)
		if o.record.RemoteID != "" {
			row.RemoteID = o.record.RemoteID
		}
		b.Rows = append(b.Rows, row)
		if looked && b.Op != Erase { // what is to be forgotten is not kept here
			im := state.PreImage{OutboxID: o.row.ID, Existed: o.record.Exists, RemoteID: o.record.RemoteID, Values: map[string]json.RawMessage{}, ReadAt: e.Clock()}
			for f := range o.values {
				v := o.record.Values[f]
				if v == nil {
					v = json.RawMessage("null")
				}
				im.Values[f] = v
			}
			images = append(images, im)
		}
	}
	attempt, err := e.State.Outbox.Begin(ctx, part[0].row.PlanID, r.s.Name, part[0].row.Op, ids, images, e.Clock())
	if err != nil {
		return nil, err
	}
	if err := e.point("batch:begun"); err != nil {
		return nil, err
	}
	answer, err := r.hand(ctx, b)
	if perr := e.point("batch:sent"); perr != nil {
		return nil, perr
	}
	end := state.AttemptEnd{ID: attempt, RequestID: answer.RequestID}
	if err != nil {
		return r.failed(ctx, part, end, err)
	}
	outs := make([]state.Outcome, 0, len(part))
	accepted := 0
	for i, res := range outcomes(b, answer) {
		if res.Status == Accepted {
			accepted++
			outs = append(outs, state.Outcome{ID: part[i].row.ID, State: state.RowAccepted, JobID: answer.JobID, Message: res.Message})
			continue
		}
		outs = append(outs, r.answered(&part[i], res, b.Op, looked))
	}
	if accepted > 0 {
		end.JobID, end.JobRows = answer.JobID, accepted
	}
	if err := r.record(ctx, end, outs); err != nil {
		return nil, err
	}
	return nil, e.point("batch:recorded")
}

// answered turns what the destination said about one row, at once or at the end of its job, into an outcome.
func (r *delivery) answered(o *outgoing, res Result, op Op, looked bool) state.Outcome {
	r.done++
	switch res.Status {
	case Acked:
		if !r.caps.TellsNew && looked && !o.record.Exists && (op == Upsert || op == Insert) {
			res.Created = true
		}
		return *r.acked(o, res)
	case Rejected:
		r.refused++
		return state.Outcome{ID: o.row.ID, State: state.RowRejected, Class: res.Class, Message: res.Message, RemoteID: res.RemoteID}
	case Retry:
		r.done--
		return r.again(o.row, httpx.Transient, res.Message, nil)
	}
	return state.Outcome{ID: o.row.ID, State: state.RowUnknown, Class: "unknown", Message: res.Message}
}

// failed handles an error about a whole call.
func (r *delivery) failed(ctx context.Context, part []outgoing, end state.AttemptEnd, err error) ([][]outgoing, error) {
	end.Class, end.Message = class(err), err.Error()
	all := func(f func(outgoing) state.Outcome) []state.Outcome {
		out := make([]state.Outcome, len(part))
		for i, o := range part {
			out[i] = f(o)
		}
		return out
	}
	back := func(o outgoing) state.Outcome {
		return state.Outcome{ID: o.row.ID, State: state.RowPending, Uncount: true}
	}
	var named *RefusedRows
	if errors.As(err, &named) {
		var rest []outgoing
		outs := all(func(o outgoing) state.Outcome {
			if why, bad := named.Rows[o.row.ID]; bad {
				r.done++
				r.refused++
				return state.Outcome{ID: o.row.ID, State: state.RowRejected, Class: "row", Message: why}
			}
			rest = append(rest, o)
			return back(o)
		})
		if len(rest) < len(part) {
			if err := r.record(ctx, end, outs); err != nil {
				return nil, err
			}
			if len(rest) == 0 {
				return nil, r.e.point("batch:recorded")
			}
			return [][]outgoing{rest}, r.e.point("batch:recorded")
		}
	}
	switch httpx.ClassOf(err) {
	case httpx.Auth, httpx.Config:
		if e := r.record(ctx, end, all(back)); e != nil {
			return nil, e
		}
		return nil, &errStop{why: err.Error()}
	case httpx.Transient, httpx.Rate:
		return nil, r.record(ctx, end, all(func(o outgoing) state.Outcome { return r.again(o.row, httpx.ClassOf(err), err.Error(), err) }))
	case httpx.Permanent:
		if len(part) == 1 {
			r.done++
			r.refused++
			return nil, r.record(ctx, end, all(func(o outgoing) state.Outcome {
				return state.Outcome{ID: o.row.ID, State: state.RowRejected, Class: "row", Message: err.Error()}
			}))
		}
		// One row spoils the call and the answer does not say which: halve until it stands alone.
		if e := r.record(ctx, end, all(back)); e != nil {
			return nil, e
		}
		half := len(part) / 2
		return [][]outgoing{part[half:], part[:half]}, r.e.point("batch:recorded")
	}
	// Everything else may have taken effect (P6). That includes an answer that could not be read.
	e := r.record(ctx, end, all(func(o outgoing) state.Outcome {
		return state.Outcome{ID: o.row.ID, State: state.RowUnknown, Class: "unknown", Message: err.Error()}
	}))
	if e != nil {
		return nil, e
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return nil, r.e.point("batch:recorded")
}

// again puts a row off, or gives it up when it was tried often enough. The row in hand was read before its attempt was
// counted.
func (r *delivery) again(row state.OutboxRow, c httpx.Class, message string, err error) state.Outcome {
	attempts := row.Attempts + 1
	if attempts >= maxAttempts {
		r.done++
		r.refused++
		return state.Outcome{ID: row.ID, State: state.RowDead, Class: string(c), Message: fmt.Sprintf("given up after %d attempts: %s", attempts, message)}
	}
	return state.Outcome{ID: row.ID, State: state.RowRetry, Class: string(c), Message: message, NextAt: r.after(attempts, err)}
}

// after is when to try again: full jitter on an exponential ceiling, never before the destination asked for.
func (r *delivery) after(attempts int, err error) time.Time {
	ceiling := math.Min(float64(backoffCap), float64(backoffBase)*math.Pow(2, float64(attempts-1)))
	wait := time.Duration(r.e.Rand() * ceiling)
	var h *httpx.Error
	if errors.As(err, &h) && h.RetryAfter > wait {
		wait = h.RetryAfter
	}
	return r.e.Clock().Add(wait)
}

func class(err error) string {
	if c := httpx.ClassOf(err); c != "" {
		return string(c)
	}
	return "unknown"
}

// effects adds to outcomes what follows from them beside the ledger: people who were reached, or may have been, and money.
func (r *delivery) effects(outs []state.Outcome) {
	f := r.s.File
	for i := range outs {
		o := &outs[i]
		o.Spends = f.Spend != nil
		if !f.Touch {
			continue
		}
		switch o.State {
		case state.RowAcked, state.RowAccepted, state.RowSettled, state.RowUnknown:
			if row, ok := r.subjects[o.ID]; ok && row != "" {
				o.Touch = &state.Touch{Subject: row, Channel: f.Channel, Workflow: r.s.Name, Ref: o.ID, At: r.now()}
			}
		}
	}
}

// record writes outcomes even when the caller has given up meanwhile.
func (r *delivery) record(ctx context.Context, end state.AttemptEnd, outs []state.Outcome) error {
	if len(outs) == 0 && end.ID == 0 {
		return nil
	}
	ctx, cancel := recording(ctx)
	defer cancel()
	r.effects(outs)
	end.At, end.Message = r.e.Clock(), withoutPeople(end.Message)
	for i := range outs {
		outs[i].Message = withoutPeople(outs[i].Message)
	}
	return r.e.State.Outbox.Record(ctx, end, outs)
}

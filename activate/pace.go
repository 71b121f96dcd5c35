package activate

import (
	"context"
	"fmt"
	"strings"
	"time"

	"millrace/internal/canon"
	"millrace/internal/state"
)

// awake puts rows off whose person has quiet hours now. They are not lost: each waits until the hours end.
func (r *delivery) awake(ts []ticket) ([]ticket, []state.Outcome) {
	q := r.s.File.Quiet
	if q == nil {
		return ts, nil
	}
	now := r.now()
	var out []state.Outcome
	kept := make([]ticket, 0, len(ts))
	for _, t := range ts {
		until := q.quietUntil(now, t.row.Payload.Zone)
		if until.IsZero() || takesAway(Op(t.row.Op)) {
			kept = append(kept, t)
			continue
		}
		out = append(out, state.Outcome{ID: t.row.ID, State: state.RowRetry, Class: string(QuietHours), Message: "quiet hours: waits until " + until.Format("2006-01-02 15:04 MST"),
			NextAt: r.e.Clock().Add(until.Sub(now))})
	}
	return kept, out
}

// afford reserves the money that rows commit, before their call. What the budget does not have is refused for this plan.
func (r *delivery) afford(ctx context.Context, send []outgoing) ([]outgoing, []state.Outcome, error) {
	sp := r.s.File.Spend
	if sp == nil {
		return send, nil, nil
	}
	limit, err := state.Money(sp.Limit, 1)
	if err != nil {
		return nil, nil, err
	}
	var out []state.Outcome
	kept := make([]outgoing, 0, len(send))
	for _, o := range send {
		v, writes := o.values[sp.Field]
		if !writes || canon.IsEmpty(v) {
			kept = append(kept, o)
			continue
		}
		total, err := state.Money(canon.Text(v), sp.Scale)
		if err != nil {
			out = append(out, state.Outcome{ID: o.row.ID, State: state.RowRejected, Class: "row", Message: sp.Field + " is not an amount of money"})
			continue
		}
		base := int64(0)
		if held := o.record.Values[sp.Field]; !canon.IsEmpty(held) {
			if base, err = state.Money(canon.Text(held), sp.Scale); err != nil {
				base = 0 // not money until now
			}
		}
		ok, left, err := r.e.State.Spend.Reserve(ctx, sp.Budget, limit, state.Claim{OutboxID: o.row.ID, KeyID: o.row.KeyID, Base: base, Total: total}, r.e.Clock())
		if err != nil {
			return nil, nil, err
		}
		if !ok {
			out = append(out, state.Outcome{ID: o.row.ID, State: state.RowCancelled, Class: string(OverBudget),
				Message: strings.TrimSpace(fmt.Sprintf("%s: budget %s of %s %s has %s left", OverBudget, sp.Budget, state.MoneyText(limit), sp.Currency, state.MoneyText(max(left, 0))))})
			continue
		}
		kept = append(kept, o)
	}
	return kept, out, nil
}

// stage is where a large plan stands on its way from a few rows to all of them.
type stage struct {
	total   int
	canary  int
	done    int // rows that were sent, as far as this process knows
	next    int // up to here without counting again
	checked int // 0: nothing, 1: the canary was read back, 2: the tenth was looked at
}

// smallPlan is the number of rows, in canaries, up to which a plan is sent without one.
const smallPlan = 8

// room says how many rows of a plan may be sent now: first a few, which are read back and compared; then a tenth; then the
// rest. A plan that fails on the way stops.
func (r *delivery) room(ctx context.Context, planID string) (int, error) {
	n := *r.s.File.Guard.Canary
	st := r.stages[planID]
	if st == nil {
		st = &stage{canary: n}
		if n == 0 {
			st.checked = 2
		}
		r.stages[planID] = st
	}
	if st.checked == 2 {
		return r.caps.MaxBatch, nil
	}
	// Counting costs a look at every row of the plan, and ends with the tenth.
	if st.total > 0 && st.done < st.next {
		return st.next - st.done, nil
	}
	counts, err := r.e.State.Outbox.Counts(ctx, state.Filter{PlanID: planID})
	if err != nil {
		return 0, err
	}
	st.total = 0
	for _, c := range counts {
		st.total += c
	}
	st.done = st.total - counts[state.RowPending] - counts[state.RowRetry]
	if st.total < smallPlan*n {
		st.checked = 2
		return r.caps.MaxBatch, nil
	}
	tenth := max(st.total/10, 2*n)
	if st.next = st.canary; st.done < st.next {
		return st.next - st.done, nil
	}
	if st.checked == 0 {
		if r.caps.PerRow && counts[state.RowAcked]+counts[state.RowRejected] == 0 {
			if counts[state.RowAccepted] > 0 {
				return 0, nil // their job has not ended: it is waited for
			}
			if n := counts[state.RowUnknown] + counts[state.RowInflight]; n > 0 {
				return 0, &errStop{why: fmt.Sprintf("of the first %d rows it is not known whether they arrived, so the rest waits. Look there, then say what became of them: millrace activate settle %s", n, r.s.Name)}
			}
		}
		if err := r.readBack(ctx, planID, st.canary); err != nil {
			return 0, err
		}
		st.checked = 1
	}
	if st.next = tenth; st.done < st.next {
		return st.next - st.done, nil
	}
	refused := counts[state.RowRejected] + counts[state.RowDead]
	if float64(refused) >= refusedShare*float64(st.done) {
		return 0, &errStop{why: fmt.Sprintf("of the first %d rows %d were refused for good: the rest was not sent; look at the reasons first", st.done, refused)}
	}
	st.checked = 2
	return r.caps.MaxBatch, nil
}

// readBack compares the first rows of a plan with what the destination holds now.
func (r *delivery) readBack(ctx context.Context, planID string, n int) error {
	reader, ok := r.d.(Reader)
	if !ok {
		return nil
	}
	rows, err := r.e.State.Outbox.Rows(ctx, state.Filter{PlanID: planID, States: []string{state.RowAcked}, Limit: n})
	if err != nil || len(rows) == 0 {
		return err
	}
	ids := make([]string, len(rows))
	for i, x := range rows {
		ids[i] = x.KeyID
	}
	ledger, err := r.e.State.Ledger.Some(ctx, r.scope, ids)
	if err != nil {
		return err
	}
	wrong, example := 0, ""
	for try := 0; ; try++ {
		wrong = 0
		for rest := rows; len(rest) > 0; {
			part := rest[:min(len(rest), r.caps.MaxBatch)]
			rest = rest[len(part):]
			ask := make([]Row, len(part))
			for i, x := range part {
				ask[i] = asRow(x, nil)
			}
			records, err := reader.Read(ctx, r.target, ask)
			if err != nil {
				return &errStop{why: fmt.Sprintf("the first %d rows could not be read back, so the rest waits: %v", len(rows), err)}
			}
			for _, x := range part {
				rec := records[x.ID]
				if Op(x.Op) == Archive {
					continue
				}
				for f := range x.Payload.Set {
					v := ledger[x.KeyID].Fields[f]
					if v.Theirs || f == r.target.Key {
						continue
					}
					if !rec.Exists || !reader.Same(v.V, rec.Values[f]) {
						wrong++
						example = f
						break
					}
				}
			}
		}
		if wrong == 0 {
			return nil
		}
		if try == 2 {
			break
		}
		if err := r.e.Sleep(ctx, 2*time.Second); err != nil { // some systems show a write a moment later
			return err
		}
	}
	return &errStop{why: fmt.Sprintf("of the first %d rows %d do not hold what was sent (%s, for example), although %s said yes: the rest was not sent. Look at one of them there, then go on with `millrace apply %s`, or take it back with `millrace undo %s`",
		len(rows), wrong, example, r.s.File.Destination, planID, planID)}
}

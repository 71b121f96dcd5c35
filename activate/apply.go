package activate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sort"
	"time"

	"millrace/internal/fault"
	"millrace/internal/state"
)

// Applied is what an apply did, and where its plan stands.
type Applied struct {
	Plan        string         `json:"plan_id"`
	Sync        string         `json:"sync"`
	Destination string         `json:"destination"`
	Planned     int            `json:"planned"`
	States      map[string]int `json:"states"` // rows by state of the outbox
	Problems    []Problem      `json:"problems,omitempty"`
	Stopped     string         `json:"stopped,omitempty"` // why it ended before every row had an outcome
	Trouble     bool           `json:"trouble,omitempty"` // it ended so because something went wrong, not because somebody wished it
	Done        bool           `json:"done"`              // every row has one
}

// Problem is a reason for which rows did not arrive.
type Problem struct {
	State   string `json:"state"`
	Message string `json:"message"`
	Rows    int    `json:"rows"`
}

// Acked counts rows that the destination said yes to, one by one or as part of a batch without a shortfall.
func (r *Applied) Acked() int { return r.States[state.RowAcked] + r.States[state.RowSettled] }

// Rejected counts rows that will not arrive as they stand.
func (r *Applied) Rejected() int { return r.States[state.RowRejected] + r.States[state.RowDead] }

// Unknown counts rows of which it is not known whether they arrived.
func (r *Applied) Unknown() int {
	return r.States[state.RowUnknown] + r.States[state.RowInflight] + r.States[state.RowShortfall]
}

// Clean reports that nothing is left to look at.
func (r *Applied) Clean() bool { return r.Rejected() == 0 && r.Unknown() == 0 && r.Stopped == "" }

// errStop ends an apply in good order: rows that were not sent stay in the outbox.
type errStop struct {
	why    string
	wished bool // somebody threw a switch, or the sync is not live: no trouble
}

func (e *errStop) Error() string { return e.why }

// Continue settles what an earlier apply left: rows in flight when a process died, lost answers, jobs that had not
// ended, rows that wait for another try. Call it before a plan is made; with nothing left it asks the destination nothing.
func (e *Engine) Continue(ctx context.Context, s *Sync, d Destination) (*Applied, error) {
	r, err := e.delivery(ctx, s, d)
	if err != nil {
		return nil, err
	}
	open, err := e.State.Outbox.Counts(ctx, state.Filter{Scope: r.scope, States: openStates})
	if err != nil {
		return nil, err
	}
	if len(open) == 0 {
		return nil, e.finishAll(ctx, r)
	}
	if live, why := e.mayLive(s); !live {
		return &Applied{Sync: s.Name, Destination: s.File.Destination, States: open, Stopped: why}, nil
	}
	if err := r.work(ctx); err != nil {
		return r.result(ctx, "", err)
	}
	return r.result(ctx, "", nil)
}

// Apply sends an approved plan. It can be called again after any crash, and then goes on where the outbox stands.
func (e *Engine) Apply(ctx context.Context, s *Sync, d Destination, planID string) (*Applied, error) {
	if _, err := e.State.Plans.Expire(ctx, e.Now); err != nil {
		return nil, err
	}
	p, err := e.Load(ctx, planID)
	if err != nil {
		return nil, err
	}
	switch p.State {
	case state.PlanApproved, state.PlanApplying, state.PlanApplied:
	case state.PlanWaiting:
		return nil, &fault.Error{Msg: "the plan waits for a person", Value: planID, Exit: fault.ExitDiffer, Hint: "Look at it with `millrace plan --show " + planID + "`, then `millrace approve " + planID + "`."}
	case state.PlanVoid:
		return nil, &fault.Error{Msg: "the plan is void: it expired, or a newer one took its place", Value: planID, Hint: "Make a new one with `millrace plan`."}
	default:
		return nil, &fault.Error{Msg: "the plan is " + p.State, Value: planID, Hint: "Make a new one with `millrace plan`."}
	}
	if p.Sync != s.Name {
		return nil, &fault.Error{Msg: "the plan belongs to sync " + p.Sync, Value: planID, Hint: "Apply it with that sync's file."}
	}
	r, err := e.delivery(ctx, s, d)
	if err != nil {
		return nil, err
	}
	if p.State == state.PlanApplied {
		return r.result(ctx, planID, nil)
	}
	if live, why := e.mayLive(s); !live {
		return nil, &fault.Error{Msg: "nothing is sent: " + why, Value: planID, Hint: "A sync goes out only under --target prod with `live: true` in its file."}
	}
	if p.State == state.PlanApproved {
		if p.rowsHash == "" {
			return nil, e.void(ctx, p, "it was made by an older version of Millrace")
		}
		if s.Hash() != p.ConfigHash {
			return nil, e.void(ctx, p, "the sync's file has changed since the plan was made")
		}
		if p.Account != r.caps.Account {
			return nil, e.void(ctx, p, "the sync points at another account than the plan")
		}
	}
	if err := d.Check(ctx, s.Target()); err != nil {
		return nil, fault.Wrap(err, "sync %s: %s", s.Name, s.File.Destination)
	}
	// What an earlier apply left unknown must be settled first: this plan may write the same keys.
	if err := r.settleAll(ctx); err != nil {
		return r.result(ctx, planID, err)
	}
	if p.State == state.PlanApproved {
		if err := e.enqueue(ctx, s, d, p, r); err != nil {
			return nil, err
		}
	}
	return r.result(ctx, planID, r.work(ctx))
}

func (e *Engine) void(ctx context.Context, p *Plan, why string) error {
	if err := e.State.Plans.Void(ctx, p.ID); err != nil {
		return err
	}
	return &fault.Error{Msg: "the plan is void: " + why, Value: p.ID, Hint: "Make a new one with `millrace plan`."}
}

// errNotFound ends the queueing of a plan whose row does not follow any more.
type errNotFound struct{ row int }

func (e *errNotFound) Error() string {
	return fmt.Sprintf("row %d of the plan does not follow any more", e.row)
}

// enqueue finds the plan's rows again in the pinned build, checks that they are the ones that were approved, and puts
// them into the outbox. The rows pass through one by one.
//
// The ledger may have moved since: a job of an earlier plan ended. That makes this plan void only when it touches one of
// its rows, which then is not found again.
func (e *Engine) enqueue(ctx context.Context, s *Sync, d Destination, p *Plan, r *delivery) error {
	var rows iter.Seq2[state.OutboxRow, error]
	if p.Kind == "undo" {
		found, err := e.undoCandidates(ctx, s, p.Undoes)
		if err != nil {
			return err
		}
		type place struct {
			k string
			o Op
			h string
		}
		at := make(map[place]*candidate, len(found))
		for _, c := range found {
			at[place{c.k, c.op, c.hash}] = c
		}
		rows = e.planned(ctx, s, p, r, func(_ context.Context, x planRow, _ string) (*candidate, error) { return at[place{x.K, x.O, x.H}], nil })
	} else if p.Kind == "erase" {
		rows = e.planned(ctx, s, p, r, func(ctx context.Context, _ planRow, keyID string) (*candidate, error) {
			entries, err := e.State.Ledger.Some(ctx, r.scope, []string{keyID})
			entry, ok := entries[keyID]
			if err != nil || !ok {
				return nil, err
			}
			c, _ := e.eraseCandidate(s, d, r.caps, entry)
			return c, nil
		})
	} else {
		w, done, err := e.Open(ctx, p.BuildID)
		if err != nil {
			return fault.Hint(fault.Wrap(err, "sync %s: open build %s, which the plan was made from", s.Name, p.BuildID), "Make a new plan with `millrace plan`.")
		}
		defer func() { _ = done() }() // read-only
		cutoff := s.refreshBefore(r.caps, p.Created)
		cmp, err := e.compare(ctx, s, w, r.scope, cutoff)
		if err != nil {
			return err
		}
		defer func() { _ = cmp.close() }() // temporary tables only
		walk := &walk{e: e, s: s, d: d, scope: r.scope, cmp: cmp, df: &difference{drops: map[string]int{}}, cutoff: cutoff}
		next, stop := iter.Pull2(walk.all(ctx))
		defer stop()
		walk.target = s.Target()
		walk.keyer, _ = d.(Keyer)
		var named map[string]*candidate
		rows = e.planned(ctx, s, p, r, func(ctx context.Context, x planRow, keyID string) (*candidate, error) {
			if x.O == Archive && s.File.Mode == ModeFullMirror {
				if named == nil {
					var err error
					if named, err = walk.named(ctx); err != nil {
						return nil, err
					}
				}
				return named[x.K], nil
			}
			if x.O == Remove || x.O == Archive {
				entries, err := e.State.Ledger.Some(ctx, r.scope, []string{keyID})
				if entry, ok := entries[keyID]; ok && err == nil {
					c := walk.takeOut(entry, x.O)
					c.finish()
					return c, nil
				}
				return nil, err
			}
			// Both come in the order of the relation's keys; what the gate refused when the plan was made is passed over.
			for {
				c, err, more := next()
				if err != nil || !more {
					return nil, err
				}
				if c.k == x.K && c.op == x.O {
					return c, nil
				}
			}
		})
	}
	if err := e.point("enqueue:before"); err != nil {
		return err
	}
	err := e.State.Outbox.Enqueue(ctx, p.ID, rows, e.Clock())
	var lost *errNotFound
	if errors.As(err, &lost) {
		return e.void(ctx, p, fmt.Sprintf("row %d of it does not follow any more from build %s and from what the destination has acknowledged", lost.row, p.BuildID))
	}
	if err != nil {
		return err
	}
	return e.point("enqueue:after")
}

// planned turns the plan's stored rows into rows of the outbox. find gives the change that a row stands for, nil when there
// is none; the change must be the one whose hash was approved.
func (e *Engine) planned(ctx context.Context, s *Sync, p *Plan, r *delivery, find func(context.Context, planRow, string) (*candidate, error)) iter.Seq2[state.OutboxRow, error] {
	return func(yield func(state.OutboxRow, error) bool) {
		i := 0
		for line, err := range e.State.Plans.Lines(ctx, p.ID, p.rowsHash) {
			var pr planRow
			if err == nil {
				err = json.Unmarshal(line.Text, &pr)
			}
			var c *candidate
			if err == nil {
				c, err = find(ctx, pr, line.Aside)
			}
			if err == nil && (c == nil || c.hash != pr.H || c.k != pr.K || c.op != pr.O) {
				err = &errNotFound{i + 1}
			}
			if err != nil {
				yield(state.OutboxRow{}, err)
				return
			}
			sum := sha256.Sum256([]byte(p.Hash + "|" + pr.K + "|" + string(pr.O)))
			about := fmt.Sprintf("%s|%s|%s|%s|%s|%d", r.caps.Account, s.File.Object, pr.K, pr.O, pr.H, p.LedgerVersion)
			if c.op == Event || c.op == Insert {
				about = fmt.Sprintf("%s|%s|%s|%s", r.caps.Account, s.File.Object, pr.K, pr.O) // of the business event, not of the run
			}
			idem := sha256.Sum256([]byte(about))
			row := state.OutboxRow{ID: "o_" + hex.EncodeToString(sum[:10]), Seq: i, PlanID: p.ID, Sync: s.Name, Scope: r.scope, KeyID: c.keyID, Op: string(c.op),
				Payload: state.Payload{Key: c.key, Set: c.set, RemoteID: c.remoteID, Expect: c.expect, Zone: c.zone}, PayloadHash: e.payloadHash(c), Fields: c.fields(),
				Subject: c.subject, DecisionID: c.decision, IdemKey: hex.EncodeToString(idem[:16]), Undoes: c.undoes, Source: c.source}
			if !yield(row, nil) {
				return
			}
			i++
		}
	}
}

var openStates = []string{state.RowPending, state.RowRetry, state.RowInflight, state.RowUnknown, state.RowAccepted}

// result counts where a plan stands; without a plan, where every plan of the scope that is not done stands. cause is what
// ended the work; an orderly stop becomes part of the result, anything else is returned.
func (r *delivery) result(ctx context.Context, planID string, cause error) (*Applied, error) {
	out := &Applied{Plan: planID, Sync: r.s.Name, Destination: r.s.File.Destination, States: map[string]int{}}
	var stop *errStop
	if errors.As(cause, &stop) {
		out.Stopped, out.Trouble, cause = stop.why, !stop.wished, nil
	}
	if cause != nil {
		return nil, cause
	}
	plans := r.touched
	if planID != "" {
		plans = map[string]bool{planID: true}
	}
	if err := r.e.finishAll(ctx, r); err != nil {
		return nil, err
	}
	for id := range plans {
		counts, err := r.e.State.Outbox.Counts(ctx, state.Filter{PlanID: id})
		if err != nil {
			return nil, err
		}
		for st, n := range counts {
			out.States[st] += n
			out.Planned += n
		}
		why, err := r.e.State.Outbox.Reasons(ctx, state.Filter{PlanID: id, States: []string{state.RowRejected, state.RowDead, state.RowUnknown, state.RowRetry, state.RowCancelled, state.RowShortfall}})
		if err != nil {
			return nil, err
		}
	next:
		for _, x := range why {
			for i := range out.Problems {
				if out.Problems[i].State == x.State && out.Problems[i].Message == x.Message {
					out.Problems[i].Rows += x.Rows
					continue next
				}
			}
			out.Problems = append(out.Problems, Problem{x.State, x.Message, x.Rows})
		}
	}
	sort.Slice(out.Problems, func(i, j int) bool {
		a, b := out.Problems[i], out.Problems[j]
		if a.Rows != b.Rows {
			return a.Rows > b.Rows
		}
		return a.State+a.Message < b.State+b.Message
	})
	out.Done = true
	for _, st := range openStates {
		out.Done = out.Done && out.States[st] == 0
	}
	return out, nil
}

// finishAll marks plans of the scope as applied whose rows all have an outcome.
func (e *Engine) finishAll(ctx context.Context, r *delivery) error {
	plans, err := e.State.Plans.List(ctx, r.s.Name, 100, state.PlanApplying)
	if err != nil {
		return err
	}
	for _, p := range plans {
		if p.Scope != r.scope {
			continue
		}
		counts, err := e.State.Outbox.Counts(ctx, state.Filter{PlanID: p.ID})
		if err != nil {
			return err
		}
		if slices.ContainsFunc(openStates, func(st string) bool { return counts[st] > 0 }) {
			continue
		}
		if err := e.point("finish:before"); err != nil {
			return err
		}
		summary, err := json.Marshal(counts)
		if err != nil {
			return err
		}
		if err := e.State.Plans.Finish(ctx, p.ID, summary, e.Clock()); err != nil {
			return err
		}
		if err := e.point("finish:after"); err != nil {
			return err
		}
	}
	if err := e.compact(ctx, r.scope); err != nil {
		e.log().Warn("the snapshot of the ledger could not be made; plans are slower until it is", "scope", r.scope, "error", err.Error())
	}
	return nil
}

// recording keeps writing what is known after the caller has given up, but not for ever.
func recording(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
}

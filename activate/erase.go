package activate

import (
	"context"
	"fmt"
	"slices"

	"millrace/internal/fault"
	"millrace/internal/state"
)

// takesAway reports whether an operation ends something: no cap, quiet hour or holdout stands in its way.
func takesAway(op Op) bool { return op == Remove || op == Archive || op == Restore || op == Erase }

// hand gives a batch to the destination.
func (r *delivery) hand(ctx context.Context, b Batch) (Answer, error) {
	if b.Op != Erase {
		return r.d.Send(ctx, b)
	}
	eraser, ok := r.d.(Eraser)
	if !ok {
		return Answer{}, &fault.Error{Msg: r.s.File.Destination + " cannot forget a person", Hint: "Erase them there by hand."}
	}
	return eraser.Erase(ctx, b.Target, b.Rows)
}

// PlanErase makes the plan by which a destination forgets a person: what the ledger says that we have sent there under one of
// the keys is erased for good where the destination can do that, else taken out of the audience, else archived. The plan is
// approved by the request that by, a person, has recorded under ticket: nobody has to approve an erasure twice. nothing is
// true when the ledger holds nothing of the person; why says what has to be done by hand when the destination cannot do any
// of it.
//
// A row that waits to be sent under one of the keys is superseded when the plan is applied. What we never wrote is not
// touched: a record that others made and we never wrote to is theirs.
func (e *Engine) PlanErase(ctx context.Context, s *Sync, d Destination, keyIDs []string, ticket, by string) (p *Plan, why string, err error) {
	caps, err := d.Capabilities(s.File.Object)
	if err != nil {
		return nil, "", fault.Wrap(err, "sync %s", s.Name)
	}
	scope := s.scope(caps)
	entries, err := e.State.Ledger.Some(ctx, scope, keyIDs)
	if err != nil || len(entries) == 0 {
		return nil, "", err
	}
	p = &Plan{Kind: "erase", Sync: s.Name, Destination: s.File.Destination, Account: caps.Account, Object: s.File.Object, Mode: s.File.Mode, Relation: s.File.Relation,
		ConfigHash: s.Hash(), Ops: map[string]int{}, Drops: map[string]int{}, Undo: UndoNone, By: by, Created: e.Now.UTC(), Fields: []*fieldCount{}, Samples: []Sample{},
		Verdict: VerdictWithin, Breakers: []Breaker{{Name: "erasure", Verdict: VerdictWithin, Message: fmt.Sprintf("asked for by %s (%s)", by, ticket)}}}
	p.Expires = p.Created.Add(s.File.Guard.Expires)
	p.Live, p.NotLive = e.mayLive(s)
	if p.LedgerVersion, err = e.State.Ledger.Version(ctx, scope); err != nil {
		return nil, "", err
	}
	draft, err := e.State.Plans.Draft(ctx)
	if err != nil {
		return nil, "", err
	}
	ids := make([]string, 0, len(entries))
	for id := range entries {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		c, ok := e.eraseCandidate(s, d, caps, entries[id])
		if !ok {
			return nil, s.File.Destination + " can neither erase, remove nor archive " + s.File.Object + ": erase the person there by hand", draft.Drop(ctx)
		}
		p.Changes++
		p.Ops[string(c.op)]++
		if err := addRow(ctx, draft, c); err != nil {
			return nil, "", err
		}
	}
	p.estimate(caps)
	return p, "", e.store(ctx, p, scope, draft)
}

// Held says how much of what we have sent under the keys a destination still holds, and how an erasure takes it away, for a
// person to read. It does not go to the network.
func (e *Engine) Held(ctx context.Context, s *Sync, d Destination, keyIDs []string) (n int, how string, err error) {
	caps, err := d.Capabilities(s.File.Object)
	if err != nil {
		return 0, "", fault.Wrap(err, "sync %s", s.Name)
	}
	entries, err := e.State.Ledger.Some(ctx, s.scope(caps), keyIDs)
	if err != nil {
		return 0, "", err
	}
	how = "cannot: erase the person there by hand"
	for _, entry := range entries {
		if c, ok := e.eraseCandidate(s, d, caps, entry); ok {
			how = map[Op]string{Erase: "deletes there for good", Remove: "takes out of the audience", Archive: "archives there"}[c.op]
		}
	}
	if live, why := e.mayLive(s); !live {
		how += ", but " + why
	}
	return len(entries), how, nil
}

// eraseCandidate is the change that takes one entry away; false when the destination has no way to.
func (e *Engine) eraseCandidate(s *Sync, d Destination, caps Capabilities, entry state.Entry) (*candidate, bool) {
	w := walk{e: e, s: s, d: d}
	_, erases := d.(Eraser)
	var c *candidate
	switch {
	case erases:
		c = e.candidate(want{key: entry.Key, subject: entry.Subject}, Erase)
		c.remoteID = entry.RemoteID
	case s.File.Mode == ModeAudience && slices.Contains(caps.Ops, Remove):
		c = w.takeOut(entry, Remove)
	case slices.Contains(caps.Ops, Archive) && entry.RemoteID != "":
		c = w.takeOut(entry, Archive)
		c.expect = nil // a person who asked to be forgotten is, whoever has edited the record since
	default:
		return nil, false
	}
	c.finish()
	return c, true
}

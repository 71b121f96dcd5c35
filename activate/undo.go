package activate

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sort"

	"millrace/internal/canon"
	"millrace/internal/fault"
	"millrace/internal/state"
)

type jsonValue = json.RawMessage

// Conflict is something that an undo leaves alone because somebody has changed it since.
type Conflict struct {
	Key      string   `json:"key"` // masked
	RemoteID string   `json:"remote_id,omitempty"`
	Fields   []string `json:"fields"`
}

// undoCandidates derives what takes a plan back from the outbox and the values read before each write.
func (e *Engine) undoCandidates(ctx context.Context, s *Sync, planID string) ([]*candidate, error) {
	rows, err := e.State.Outbox.Rows(ctx, state.Filter{PlanID: planID, States: []string{state.RowAcked, state.RowSettled, state.RowShortfall}})
	if err != nil {
		return nil, err
	}
	images, err := e.State.Outbox.Images(ctx, planID)
	if err != nil {
		return nil, err
	}
	var out []*candidate
	for _, x := range rows {
		c := e.candidate(want{key: x.Payload.Key, subject: x.Subject}, Restore)
		c.undoes, c.remoteID = x.ID, x.RemoteID
		switch Op(x.Op) {
		case Add:
			c.op, c.set = Remove, x.Payload.Set
		case Remove:
			c.op, c.set = Add, x.Payload.Set
		default:
			im, ok := images[x.ID]
			if !ok {
				continue // nothing was written: the destination held the values already
			}
			c.expect = map[string]jsonValue{}
			if !im.Existed && !x.CreatedIt {
				continue // somebody else made it between our look and our write: it is not ours to take away
			}
			if !im.Existed {
				c.op = Archive
				for f, v := range x.Payload.Set {
					c.expect[f] = v
				}
				break
			}
			for f, v := range im.Values {
				c.set[f] = v
				c.expect[f] = x.Payload.Set[f]
			}
		}
		c.finish()
		out = append(out, c)
	}
	sort.SliceStable(out, func(i, j int) bool {
		if (out[i].op == Remove) != (out[j].op == Remove) {
			return out[i].op == Remove
		}
		return out[i].key < out[j].key
	})
	return out, nil
}

// PlanUndo makes the plan that takes an applied plan back. Each value is restored only where the destination still holds
// what was written; what somebody changed since is listed. It waits for a person, always. What cannot be undone is
// said: workflows that the write fired are not taken back.
func (e *Engine) PlanUndo(ctx context.Context, s *Sync, d Destination, planID string) (*Plan, error) {
	orig, err := e.Load(ctx, planID)
	if err != nil {
		return nil, err
	}
	caps, err := d.Capabilities(s.File.Object)
	if err != nil {
		return nil, fault.Wrap(err, "sync %s", s.Name)
	}
	switch {
	case orig.Kind != "sync":
		return nil, &fault.Error{Msg: "this plan is an undo itself", Value: planID, Hint: "Run the sync again with `millrace plan` and `millrace apply`."}
	case orig.Sync != s.Name:
		return nil, &fault.Error{Msg: "the plan belongs to sync " + orig.Sync, Value: planID, Hint: "Undo it with that sync's file."}
	case orig.Account != caps.Account || orig.Object != s.File.Object:
		return nil, &fault.Error{Msg: "the sync points at another account or object than the plan did", Value: planID, Hint: "Restore the file as it was, then undo."}
	case orig.State != state.PlanApplied && orig.State != state.PlanApplying:
		return nil, &fault.Error{Msg: "the plan is " + orig.State + "; nothing of it was sent", Value: planID, Hint: "There is nothing to undo."}
	case caps.Undo == UndoNone:
		return nil, &fault.Error{Msg: "what goes to " + s.File.Destination + " cannot be taken back", Value: planID, Hint: "Stop it with `millrace stop " + s.Name + "`, and correct the effect by hand."}
	}
	candidates, err := e.undoCandidates(ctx, s, planID)
	if err != nil {
		return nil, err
	}
	scope := s.scope(caps)
	p := &Plan{Kind: "undo", Sync: s.Name, Destination: s.File.Destination, Account: caps.Account, Object: s.File.Object, Mode: s.File.Mode, Relation: orig.Relation,
		BuildID: orig.BuildID, Version: orig.Version, ConfigHash: s.Hash(), Ops: map[string]int{}, Drops: map[string]int{}, Undo: caps.Undo, Undoes: planID, By: e.By, Created: e.Now.UTC(),
		Fields: []*fieldCount{}, Samples: []Sample{}}
	p.Expires = p.Created.Add(s.File.Guard.Expires)
	p.Live, p.NotLive = e.mayLive(s)
	if p.LedgerVersion, err = e.State.Ledger.Version(ctx, scope); err != nil {
		return nil, err
	}
	var changes []*candidate
	if reader, ok := d.(Reader); ok {
		if changes, err = e.conflicts(ctx, s, reader, caps, candidates, p); err != nil {
			return nil, err
		}
	} else {
		changes = candidates
	}
	p.Changes = len(changes)
	draft, err := e.State.Plans.Draft(ctx)
	if err != nil {
		return nil, err
	}
	counts := map[string]*fieldCount{}
	for _, c := range changes {
		p.Ops[string(c.op)]++
		if c.op == Restore {
			for f, v := range c.set {
				n := counts[f]
				if n == nil {
					n = &fieldCount{Field: f}
					counts[f] = n
					p.Fields = append(p.Fields, n)
				}
				if canon.IsEmpty(v) {
					n.Blanked++
				} else {
					n.Changed++
				}
			}
		}
		if err := addRow(ctx, draft, c); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(p.Fields, func(a, b *fieldCount) int {
		if a.Field < b.Field {
			return -1
		}
		return 1
	})
	p.estimate(caps)
	p.Verdict = VerdictHold
	p.Breakers = []Breaker{{Name: "undo", Value: float64(p.Changes), Verdict: VerdictHold, Message: fmt.Sprintf("takes back plan %s: %d rows; workflows that it fired are not taken back", planID, p.Changes)}}
	if p.Changes == 0 {
		p.Verdict = VerdictEmpty
	}
	return p, e.store(ctx, p, scope, draft)
}

// conflicts looks at what the destination holds now and leaves out what would restore nothing.
func (e *Engine) conflicts(ctx context.Context, s *Sync, reader Reader, caps Capabilities, cs []*candidate, p *Plan) ([]*candidate, error) {
	t := s.Target()
	var out []*candidate
	for rest := cs; len(rest) > 0; {
		part := rest[:min(len(rest), caps.MaxBatch)]
		rest = rest[len(part):]
		rows := make([]Row, len(part))
		for i, c := range part {
			rows[i] = Row{ID: c.undoes, Key: c.key, RemoteID: c.remoteID}
		}
		records, err := reader.Read(ctx, t, rows)
		if err != nil {
			return nil, fault.Wrap(err, "sync %s: read what %s holds now", s.Name, s.File.Destination)
		}
		for _, c := range part {
			rec := records[c.undoes]
			if !rec.Exists {
				p.Drops["gone"]++ // somebody took the record away
				continue
			}
			var changed []string
			for f, wrote := range c.expect {
				if !reader.Same(wrote, rec.Values[f]) && (c.op == Archive || !reader.Same(c.set[f], rec.Values[f])) {
					changed = append(changed, f)
				}
			}
			if len(changed) > 0 {
				slices.Sort(changed)
				p.Conflicts = append(p.Conflicts, Conflict{Key: mask(c.key), RemoteID: rec.RemoteID, Fields: changed})
			}
			if c.op == Archive && len(changed) > 0 || c.op == Restore && len(changed) == len(c.expect) {
				p.Drops["changed_since"]++
				continue
			}
			out = append(out, c)
		}
	}
	return out, nil
}

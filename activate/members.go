package activate

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"iter"

	"millrace/internal/canon"
	"millrace/internal/fault"
	"millrace/internal/state"
)

// takeOut makes the change that takes an entry away: a member out of an audience, a record that we made.
func (w *walk) takeOut(entry state.Entry, op Op) *candidate {
	c := w.e.candidate(want{key: entry.Key, subject: entry.Subject}, op)
	c.old, c.remoteID = entry.Fields, ""
	if op == Archive {
		c.remoteID, c.expect = entry.RemoteID, map[string]json.RawMessage{}
		for f, v := range entry.Fields {
			if !v.Theirs && !canon.IsEmpty(v.V) {
				c.expect[f] = v.V
			}
		}
		return c
	}
	for f, v := range entry.Fields {
		c.set[f] = v.V
	}
	return c
}

// absent gives the entries whose key stands in no row any more.
func (w *walk) absent(ctx context.Context, fn func(state.Entry)) error {
	var ids []string
	flush := func() error {
		entries, err := w.e.State.Ledger.Some(ctx, w.scope, ids)
		for _, entry := range entries {
			fn(entry)
		}
		ids = ids[:0]
		return err
	}
	for id, met := range w.cmp.left {
		if met {
			continue
		}
		if ids = append(ids, hex.EncodeToString(id[:])); len(ids) == chunkSize {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// gone gives what a mirror archives: records that we made and whose row has left the relation. Records that we only wrote
// to stay as they are.
func (w *walk) gone(ctx context.Context) ([]*candidate, error) {
	var out []*candidate
	err := w.absent(ctx, func(entry state.Entry) {
		if !entry.CreatedIt || entry.RemoteID == "" {
			w.df.drops[dropNotOurs]++
			return
		}
		out = append(out, w.takeOut(entry, Archive))
	})
	return out, err
}

// strangers gives what a full mirror archives: every record that has no row. Nothing is concluded from a record without a key.
func (w *walk) strangers(ctx context.Context) ([]*candidate, error) {
	present := map[keyBytes]struct{}{}
	meet := func(rows iter.Seq2[sourceRow, error]) error {
		for row, err := range rows {
			if err != nil {
				return err
			}
			key, err := w.normal(row.text(0))
			if err != nil {
				continue
			}
			id, err := w.id(key)
			if err != nil {
				return err
			}
			present[id] = struct{}{}
		}
		return nil
	}
	if err := meet(w.cmp.rows(ctx)); err != nil {
		return nil, err
	}
	if w.cmp.settled != nil {
		if err := meet(w.cmp.settled(ctx)); err != nil {
			return nil, err
		}
	}
	named, err := w.named(ctx)
	if err != nil {
		return nil, err
	}
	var out []*candidate
	for _, c := range named {
		id, err := state.KeyBytes(c.keyID)
		if err != nil {
			return nil, err
		}
		if _, has := present[id]; !has {
			out = append(out, c)
		}
	}
	w.df.listed = len(named)
	return out, nil
}

// named gives an archiving candidate for every record that the destination names, by the hash of its key.
func (w *walk) named(ctx context.Context) (map[string]*candidate, error) {
	lister, ok := w.d.(Lister)
	if !ok {
		return nil, fmt.Errorf("destination %s cannot name its records, which a full mirror needs", w.s.File.Destination)
	}
	out := map[string]*candidate{}
	for x, err := range lister.List(ctx, w.s.Target()) {
		if err != nil {
			return nil, fault.Wrap(err, "sync %s: list what %s holds", w.s.Name, w.s.File.Destination)
		}
		key, err := w.normal(x.Key)
		if err != nil || key == "" || x.RemoteID == "" {
			continue
		}
		c := w.e.candidate(want{key: key}, Archive)
		c.remoteID = x.RemoteID
		c.finish()
		out[c.k] = c
	}
	return out, nil
}

func sameMembers(entry state.Entry, known bool, v want) bool {
	same := known && len(entry.Fields) == len(v.values)
	for f, x := range v.values {
		same = same && string(entry.Fields[f].V) == string(x)
	}
	return same
}

// audience finds who joins, as one bit for each row that may differ, and who leaves: members without a row, members under
// identifiers that changed, and members whom the gate does not let in any more, whether their row changed or not.
func (w *walk) audience(ctx context.Context) (join []uint64, leave []*candidate, err error) {
	df := w.df
	n := 0
	set := func(yes bool) {
		if n%64 == 0 {
			join = append(join, 0)
		}
		if yes {
			join[n/64] |= 1 << (n % 64)
		}
		n++
	}
	err = w.chunks(ctx, true, func(wants []want, entries map[string]state.Entry) error {
		adds := make([]*candidate, len(wants))
		for i, v := range wants {
			adds[i] = w.e.candidate(v, Add)
			adds[i].set = v.values
		}
		allowed, err := w.allowed(ctx, adds)
		if err != nil {
			return err
		}
		for i, c := range adds {
			entry, member := entries[c.keyID]
			same := sameMembers(entry, member, c.want)
			old := member && !w.cutoff.IsZero() && entry.AckedAt.Before(w.cutoff)
			switch {
			case len(c.values) == 0: // nobody can be matched by nothing
				df.drops[dropBadValue]++
				if df.bad == "" {
					df.bad = mask(c.key) + " has no identifier"
				}
				if member {
					leave = append(leave, w.takeOut(entry, Remove))
				}
				set(false)
			case !allowed[i]:
				if member {
					leave = append(leave, w.takeOut(entry, Remove))
				}
				set(false)
			case same && !old:
				df.unchanged++
				set(false)
			case same:
				set(true) // said again before it expires
			default:
				if member {
					leave = append(leave, w.takeOut(entry, Remove)) // under the old identifiers
				}
				set(true)
			}
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	if w.ask == nil {
		return join, nil, nil // at apply, who leaves is found in the ledger
	}
	if err := w.absent(ctx, func(entry state.Entry) { leave = append(leave, w.takeOut(entry, Remove)) }); err != nil {
		return nil, nil, err
	}
	out, err := w.unwelcome(ctx)
	return join, append(leave, out...), err
}

func (w *walk) allowed(ctx context.Context, cs []*candidate) ([]bool, error) {
	if w.ask != nil {
		return w.ask(ctx, cs)
	}
	out := make([]bool, len(cs))
	for i := range out {
		out[i] = true
	}
	return out, nil
}

// unwelcome finds members whose row has not changed and whom the gate does not let in any more.
func (w *walk) unwelcome(ctx context.Context) ([]*candidate, error) {
	if w.cmp.settled == nil {
		return nil, nil
	}
	var out, chunk []*candidate
	flush := func() error {
		if len(chunk) == 0 {
			return nil
		}
		ok, err := w.ask(ctx, chunk)
		if err != nil {
			return err
		}
		var ids []string
		for i, c := range chunk {
			if !ok[i] {
				ids = append(ids, c.keyID)
			}
		}
		entries, err := w.e.State.Ledger.Some(ctx, w.scope, ids)
		for _, entry := range entries {
			out = append(out, w.takeOut(entry, Remove))
			w.df.unchanged--
		}
		chunk = chunk[:0]
		return err
	}
	for row, err := range w.cmp.settled(ctx) {
		if err != nil {
			return nil, err
		}
		key, err := w.normal(row.text(0))
		if err != nil {
			continue
		}
		if id, err := w.id(key); err != nil || w.twice[id] {
			if err != nil {
				return nil, err
			}
			continue // nothing is concluded from a row that stands twice
		}
		c := w.e.candidate(want{key: key, subject: row.text(1), decision: row.text(2)}, Add)
		for _, f := range w.s.fields {
			c.set[f.name] = json.RawMessage("null") // the gate judges names of fields, not values
		}
		if chunk = append(chunk, c); len(chunk) == 50*chunkSize {
			if err := flush(); err != nil {
				return nil, err
			}
		}
	}
	return out, flush()
}

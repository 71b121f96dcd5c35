package activate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sort"

	"millrace/internal/canon"
	"millrace/internal/fault"
	"millrace/internal/state"
)

// want is one row as the relation has it.
type want struct {
	key, subject, decision string
	values                 map[string]json.RawMessage // by field; empty ones that are skipped are left out
}

// candidate is one change that would bring the destination to what the relation says.
type candidate struct {
	want
	k     string // hash of the key, for plans
	keyID string // keyed hash of the key, for the state file
	op    Op
	set   map[string]json.RawMessage
	old   map[string]state.Field
	isNew bool // nothing is acknowledged for the key
	hash  string

	// Undo only: the outbox row that is taken back, its record, and what the destination must still hold.
	undoes   string
	remoteID string
	expect   map[string]json.RawMessage
}

func (c *candidate) fields() []string { return slices.Sorted(maps.Keys(c.set)) }

// finish computes the hash of what the candidate would write.
func (c *candidate) finish() {
	h := sha256.New()
	fmt.Fprintf(h, "%s|%d:%s", c.op, len(c.key), c.key)
	for _, f := range c.fields() {
		fmt.Fprintf(h, "|%d:%s=%d:%s", len(f), f, len(c.set[f]), c.set[f])
	}
	for _, f := range slices.Sorted(maps.Keys(c.expect)) {
		fmt.Fprintf(h, "|while %d:%s=%d:%s", len(f), f, len(c.expect[f]), c.expect[f])
	}
	c.hash = hex.EncodeToString(h.Sum(nil)[:16])
}

// fieldCount is the histogram of one field.
type fieldCount struct {
	Field   string `json:"field"`
	Filled  int    `json:"filled"`  // from nothing that we know to a value
	Changed int    `json:"changed"` // from one value of ours to another
	Blanked int    `json:"blanked"` // from a value of ours to nothing
	Ours    int    `json:"ours"`    // rows in which a value of ours stands before the plan
}

// difference is everything that a plan is made of.
type difference struct {
	rows       int // of the relation
	known      int // keys in the ledger
	unchanged  int
	candidates []*candidate // removes before the rest, then by key
	drops      map[string]int
	fields     map[string]*fieldCount
	duplicates int
	example    string          // one duplicated key, masked
	bad        string          // first bad value or key, for a person, masked
	unsure     map[string]bool // keys whose rows are faulty: nothing is concluded from their absence
}

// Reasons for leaving rows out that come from the data, beside decision.Reason.
const (
	dropNullKey   = "null_key"
	dropDuplicate = "duplicate_key"
	dropBadKey    = "bad_key"
	dropBadValue  = "bad_value"
	dropQueued    = "queued"    // on its way already
	dropUnsettled = "unsettled" // sent, and the answer is not known: settle it first
	dropRefused   = "refused_before"
	dropUndone    = "undone" // taken back; not sent again before it changes
)

// read gives the relation's rows with normal keys. Rows that cannot be sent are counted as drops.
func (s *Sync) read(ctx context.Context, w Warehouse, d Destination, diff *difference) ([]want, error) {
	t := s.Target()
	var out []want
	seen := map[string]int{} // key → place in out, -1 when it is a duplicate
	for row, err := range w.Query(ctx, s.query()) {
		if err != nil {
			return nil, fault.Wrap(err, "sync %s: read %s", s.Name, s.File.Relation)
		}
		diff.rows++
		if len(row) != 3+len(s.fields) {
			return nil, fmt.Errorf("sync %s: the query gave %d columns instead of %d", s.Name, len(row), 3+len(s.fields))
		}
		key, _ := row[0].(string)
		if key == "" {
			diff.drops[dropNullKey]++
			continue
		}
		if k, ok := d.(Keyer); ok {
			normal, err := k.NormalKey(t, key)
			if err != nil {
				diff.drops[dropBadKey]++
				if diff.bad == "" {
					diff.bad = fmt.Sprintf("%s %s: %v", s.File.Key.Field, mask(key), err)
				}
				continue
			}
			key = normal
		}
		if at, twice := seen[key]; twice {
			if at >= 0 {
				out[at].key = "" // neither row is the right one
				seen[key] = -1
				diff.drops[dropDuplicate]++
				diff.duplicates++
				diff.unsure[key] = true
				if diff.example == "" {
					diff.example = mask(key)
				}
			}
			diff.drops[dropDuplicate]++
			continue
		}
		v := want{key: key, values: map[string]json.RawMessage{}}
		v.subject, _ = row[1].(string)
		v.decision, _ = row[2].(string)
		bad := false
		for i, f := range s.fields {
			j, err := canon.JSON(row[3+i])
			if err != nil {
				bad = true
				diff.drops[dropBadValue]++
				if diff.bad == "" {
					diff.bad = fmt.Sprintf("%s of %s: %v", f.Column, mask(key), err)
				}
				break
			}
			switch {
			case canon.IsEmpty(j) && f.Null == "skip":
			case canon.IsEmpty(j):
				v.values[f.name] = json.RawMessage("null")
			default:
				v.values[f.name] = j
			}
		}
		if bad {
			seen[key] = -1
			diff.unsure[key] = true
			continue
		}
		seen[key] = len(out)
		out = append(out, v)
	}
	return slices.DeleteFunc(out, func(v want) bool { return v.key == "" }), nil
}

// diff compares the relation with the ledger. may, when set, says which subjects an audience may hold; nil gives every
// change that is possible, so that a plan's rows can be found again at apply whatever the gate says by then.
func (e *Engine) diff(ctx context.Context, s *Sync, w Warehouse, d Destination, scope string, may func(context.Context, []*candidate) ([]bool, error)) (*difference, error) {
	out := &difference{drops: map[string]int{}, fields: map[string]*fieldCount{}, unsure: map[string]bool{}}
	wants, err := s.read(ctx, w, d, out)
	if err != nil {
		return nil, err
	}
	ledger, err := e.State.Ledger.All(ctx, scope)
	if err != nil {
		return nil, err
	}
	out.known = len(ledger)
	for _, f := range s.fields {
		n := &fieldCount{Field: f.name}
		for _, entry := range ledger {
			if v, ok := entry.Fields[f.name]; ok && !canon.IsEmpty(v.V) {
				n.Ours++
			}
		}
		out.fields[f.name] = n
	}
	if s.File.Mode == ModeAudience {
		err = e.diffAudience(ctx, s, wants, ledger, out, may)
	} else {
		e.diffRecords(s, wants, ledger, out)
	}
	if err != nil {
		return nil, err
	}
	for _, c := range out.candidates {
		c.finish()
	}
	rank := map[Op]int{Remove: 0, Archive: 0}
	sort.SliceStable(out.candidates, func(i, j int) bool {
		a, b := out.candidates[i], out.candidates[j]
		ra, oka := rank[a.op]
		rb, okb := rank[b.op]
		if oka != okb {
			return oka
		}
		if ra != rb {
			return ra < rb
		}
		return a.key < b.key
	})
	return out, nil
}

func (e *Engine) candidate(v want, op Op) *candidate {
	sum := sha256.Sum256([]byte(v.key))
	return &candidate{want: v, k: hex.EncodeToString(sum[:12]), keyID: e.State.Vault().ID("key", v.key), op: op, set: map[string]json.RawMessage{}}
}

func (e *Engine) diffRecords(s *Sync, wants []want, ledger map[string]state.Entry, out *difference) {
	for _, v := range wants {
		c := e.candidate(v, s.ops()[0])
		entry, known := ledger[c.keyID]
		c.isNew, c.old = !known, entry.Fields
		if known && (s.File.Mode == ModeInsert || s.File.Mode == ModeEvent) {
			out.unchanged++ // once is once, whatever the row says now
			continue
		}
		for _, f := range s.fields {
			value, has := v.values[f.name]
			if !has || f.name == s.File.Key.Field {
				continue
			}
			old, written := entry.Fields[f.name]
			if written && string(old.V) == string(value) {
				continue
			}
			if canon.IsEmpty(value) && (!written || canon.IsEmpty(old.V)) {
				continue // clear empties what we wrote, never what we know nothing of
			}
			c.set[f.name] = value
			n := out.fields[f.name]
			switch {
			case canon.IsEmpty(value):
				n.Blanked++
			case written && !canon.IsEmpty(old.V):
				n.Changed++
			default:
				n.Filled++
			}
		}
		if len(c.set) == 0 {
			out.unchanged++ // also for a key that we have not met: an empty record helps nobody
			continue
		}
		out.candidates = append(out.candidates, c)
	}
}

func (e *Engine) diffAudience(ctx context.Context, s *Sync, wants []want, ledger map[string]state.Entry, out *difference, may func(context.Context, []*candidate) ([]bool, error)) error {
	adds := make([]*candidate, 0, len(wants))
	for _, v := range wants {
		if len(v.values) == 0 {
			out.drops[dropBadValue]++ // nobody can be matched by nothing
			if out.bad == "" {
				out.bad = mask(v.key) + " has no identifier"
			}
			continue
		}
		c := e.candidate(v, Add)
		c.set = v.values
		adds = append(adds, c)
	}
	allowed := make([]bool, len(adds))
	if may == nil {
		for i := range allowed {
			allowed[i] = true
		}
	} else {
		var err error
		if allowed, err = may(ctx, adds); err != nil {
			return err
		}
	}
	takeOut := func(entry state.Entry) {
		r := e.candidate(want{key: entry.Key, subject: entry.Subject}, Remove)
		for f, v := range entry.Fields {
			r.set[f] = v.V
		}
		r.old = entry.Fields
		out.candidates = append(out.candidates, r)
	}
	stays := map[string]bool{}
	for key := range out.unsure {
		stays[e.State.Vault().ID("key", key)] = true
	}
	for i, c := range adds {
		entry, member := ledger[c.keyID]
		c.isNew = !member
		same := member && len(entry.Fields) == len(c.set)
		for f, v := range c.set {
			same = same && string(entry.Fields[f].V) == string(v)
		}
		switch {
		case member && !allowed[i]:
			continue // left for the loop below: a member who may not stay is taken out
		case member && same:
			stays[c.keyID] = true
			out.unchanged++
			if may != nil {
				continue
			}
			takeOut(entry) // possible, if the gate refused the member when the plan was made
			continue
		case member:
			stays[c.keyID] = true
			takeOut(entry) // under the old identifiers
		}
		if allowed[i] {
			out.candidates = append(out.candidates, c)
			for f := range c.set {
				out.fields[f].Filled++
			}
		}
	}
	for id, entry := range ledger {
		if !stays[id] {
			takeOut(entry)
		}
	}
	return nil
}

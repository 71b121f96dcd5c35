package activate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sort"
	"strconv"
	"time"

	"millrace/internal/canon"
	"millrace/internal/state"
)

// want is one row as the relation has it.
type want struct {
	key, subject, decision string
	zone                   string                     // the person's time zone, when the sync asks for it
	values                 map[string]json.RawMessage // by field; empty ones that are skipped are left out
	source                 []byte                     // fingerprint of the relation's row; nil: not known
	id                     string                     // keyed hash of the key; empty: not computed yet
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
	again bool // nothing changes: what is there is said once more before it expires
	hash  string

	// Undo only: the outbox row that is taken back, its record, and what the destination must still hold.
	undoes   string
	remoteID string
	expect   map[string]json.RawMessage
}

func (c *candidate) fields() []string { return slices.Sorted(maps.Keys(c.set)) }

// finish computes the hash of what the candidate would write.
func (c *candidate) finish() {
	var b []byte
	sized := func(before, text string) {
		b = append(b, before...)
		b = strconv.AppendInt(b, int64(len(text)), 10)
		b = append(append(b, ':'), text...)
	}
	b = append(b, c.op...)
	sized("|", c.key)
	for _, f := range c.fields() {
		sized("|", f)
		sized("=", string(c.set[f]))
	}
	for _, f := range slices.Sorted(maps.Keys(c.expect)) {
		sized("|while ", f)
		sized("=", string(c.expect[f]))
	}
	sum := sha256.Sum256(b)
	c.hash = hex.EncodeToString(sum[:16])
}

// fieldCount is the histogram of one field.
type fieldCount struct {
	Field   string `json:"field"`
	Filled  int    `json:"filled"`  // from nothing that we know to a value
	Changed int    `json:"changed"` // from one value of ours to another
	Blanked int    `json:"blanked"` // from a value of ours to nothing
	Ours    int    `json:"ours"`    // rows in which a value of ours stands before the plan
}

// difference is what a plan counts.
type difference struct {
	rows       int // of the relation
	listed     int // records that the destination named, for a full mirror
	known      int // keys in the ledger
	unchanged  int
	drops      map[string]int
	filled     map[string]int // by field: entries of the ledger with a value of ours
	duplicates int
	example    string // the first of the duplicated keys
	bad        string // first bad value or key, for a person, masked
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
	dropUndone    = "undone"     // taken back; not sent again before it changes
	dropNotOurs   = "not_ours"   // gone from the relation, but the record was not made by us
	dropOther     = "not_failed" // a retry leaves alone what has not failed
	dropTooLong   = "too_long"
	dropNoOption  = "no_option"
)

// walk is one pass from a comparison to candidates.
type walk struct {
	e     *Engine
	s     *Sync
	d     Destination
	scope string
	cmp   *comparison
	df    *difference
	// ask says which changes the gate lets through; nil lets all through, so that the rows of a plan can be found again at
	// apply whatever the gate says by then.
	ask    func(context.Context, []*candidate) ([]bool, error)
	cutoff time.Time // memberships acknowledged before are said again
	infos  map[string]FieldInfo
	keyer  Keyer
	target Target

	twice map[keyBytes]bool // keys that stand in more than one row
}

// chunkSize is how many rows are held at once.
const chunkSize = 2000

// walk compares the relation with the ledger and hands the candidates over, in an order that depends on nothing but the
// data: what is taken away first, by key, then the rest by the relation's key. Memory holds a chunk, a hash for each row
// that may differ, and what is taken away.
func (w *walk) run(ctx context.Context, emit func([]*candidate) error) error {
	w.target = w.s.Target()
	w.keyer, _ = w.d.(Keyer)
	df := w.df
	stats, err := w.e.State.Ledger.Stats(ctx, w.scope)
	if err != nil {
		return err
	}
	df.known, df.filled = stats.Entries, stats.Filled
	df.rows, df.unchanged = w.cmp.total, w.cmp.same
	if w.cmp.nullKeys > 0 {
		df.drops[dropNullKey] += w.cmp.nullKeys
	}
	w.twice = map[keyBytes]bool{}
	for key, n := range w.cmp.twice {
		if key, err = w.normal(key); err != nil {
			return err
		}
		df.unchanged -= n
		df.drops[dropDuplicate] += n
		if err := w.duplicate(key); err != nil {
			return err
		}
	}
	if err := w.meetKeys(ctx); err != nil {
		return err
	}
	var emitRow func(i int) bool
	switch w.s.File.Mode {
	case ModeAudience:
		join, leave, err := w.audience(ctx)
		if err != nil {
			return err
		}
		if err := emitAll(leave, emit); err != nil {
			return err
		}
		emitRow = func(i int) bool { return join[i/64]&(1<<(i%64)) != 0 }
	case ModeMirror:
		if w.ask == nil {
			break
		}
		gone, err := w.gone(ctx)
		if err != nil {
			return err
		}
		if err := emitAll(gone, emit); err != nil {
			return err
		}
	}
	if w.s.File.Mode == ModeFullMirror && w.ask != nil {
		strangers, err := w.strangers(ctx)
		if err != nil {
			return err
		}
		if err := emitAll(strangers, emit); err != nil {
			return err
		}
	}
	n := 0
	return w.chunks(ctx, emitRow == nil, func(wants []want, entries map[string]state.Entry) error {
		var out []*candidate
		for _, v := range wants {
			i := n
			n++
			c := w.e.candidate(v, w.s.ops()[len(w.s.ops())-1])
			entry, known := entries[c.keyID]
			c.isNew, c.old = !known, entry.Fields
			if emitRow != nil {
				if !emitRow(i) {
					continue
				}
				c.set = v.values
				c.again = sameMembers(entry, known, v)
			} else if !w.record(c, entry, known) {
				df.unchanged++
				continue
			}
			c.finish()
			out = append(out, c)
		}
		if len(out) == 0 {
			return nil
		}
		return emit(out)
	})
}

// all gives the candidates one by one.
func (w *walk) all(ctx context.Context) iter.Seq2[*candidate, error] {
	return func(yield func(*candidate, error) bool) {
		enough := errors.New("enough")
		err := w.run(ctx, func(cs []*candidate) error {
			for _, c := range cs {
				if !yield(c, nil) {
					return enough
				}
			}
			return nil
		})
		if err != nil && !errors.Is(err, enough) {
			yield(nil, err)
		}
	}
}

func emitAll(cs []*candidate, emit func([]*candidate) error) error {
	sort.Slice(cs, func(i, j int) bool { return cs[i].key < cs[j].key })
	for len(cs) > 0 {
		part := cs[:min(len(cs), chunkSize)]
		cs = cs[len(part):]
		for _, c := range part {
			c.finish()
		}
		if err := emit(part); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) normal(key string) (string, error) {
	if w.keyer == nil {
		return key, nil
	}
	return w.keyer.NormalKey(w.target, key)
}

func (w *walk) id(key string) (keyBytes, error) {
	return state.KeyBytes(w.e.State.Vault().ID("key", key))
}

// duplicate notes a key that stands in more than one row.
func (w *walk) duplicate(key string) error {
	id, err := w.id(key)
	if err != nil || w.twice[id] {
		return err
	}
	w.twice[id] = true
	w.df.duplicates++
	if w.df.example == "" || key < w.df.example {
		w.df.example = key
	}
	return nil
}

// meetKeys looks at the keys of all rows that may differ: which stand twice, and which entries still have a row.
func (w *walk) meetKeys(ctx context.Context) error {
	seen := map[keyBytes]struct{}{}
	for row, err := range w.cmp.rows(ctx) {
		if err != nil {
			return err
		}
		key, err := w.normal(row.text(0))
		if err != nil {
			continue // counted when the row itself is read
		}
		id, err := w.id(key)
		if err != nil {
			return err
		}
		if _, again := seen[id]; again {
			if err := w.duplicate(key); err != nil {
				return err
			}
		}
		seen[id] = struct{}{}
		if _, ours := w.cmp.left[id]; ours {
			w.cmp.left[id] = true
		}
	}
	return nil
}

// chunks reads the rows that may differ and hands over those that can be sent, with their entries. count is false for a
// second pass over the same rows.
func (w *walk) chunks(ctx context.Context, count bool, fn func([]want, map[string]state.Entry) error) error {
	df := w.df
	if !count {
		df = &difference{drops: map[string]int{}}
	}
	var wants []want
	var ids []string
	flush := func() error {
		if len(wants) == 0 {
			return nil
		}
		entries, err := w.e.State.Ledger.Some(ctx, w.scope, ids)
		if err != nil {
			return err
		}
		kept := wants[:0]
		for i, v := range wants {
			if _, known := entries[ids[i]]; known {
				k, err := state.KeyBytes(ids[i])
				if err != nil {
					return err
				}
				if _, left := w.cmp.left[k]; !left {
					// Another row stands for this entry word for word: the key is there twice.
					df.drops[dropDuplicate] += 2
					df.unchanged--
					if err := w.duplicate(v.key); err != nil {
						return err
					}
					continue
				}
			}
			kept = append(kept, v)
		}
		err = fn(kept, entries)
		wants, ids = wants[:0], ids[:0]
		return err
	}
	for row, err := range w.cmp.rows(ctx) {
		if err != nil {
			return err
		}
		v, ok, err := w.want(row, df)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		wants, ids = append(wants, v), append(ids, v.id)
		if len(wants) == chunkSize {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// want reads one row of the relation; false when it cannot be sent, which is counted.
func (w *walk) want(row sourceRow, df *difference) (want, bool, error) {
	s := w.s
	key, err := w.normal(row.text(0))
	if err != nil {
		df.drops[dropBadKey]++
		if df.bad == "" {
			df.bad = fmt.Sprintf("%s %s: %v", s.File.Key.Field, mask(row.text(0)), err)
		}
		return want{}, false, nil
	}
	keyID := w.e.State.Vault().ID("key", key)
	id, err := state.KeyBytes(keyID)
	if err != nil {
		return want{}, false, err
	}
	if w.twice[id] {
		df.drops[dropDuplicate]++ // neither row is the right one
		return want{}, false, nil
	}
	v := want{key: key, id: keyID, subject: row.text(1), decision: row.text(2), zone: row.text(3), values: make(map[string]json.RawMessage, len(s.fields)), source: row.source}
	for i, f := range s.fields {
		j, err := f.spell(row.cells[fixed+i])
		drop := dropBadValue
		if err == nil {
			drop, err = fits(w.infos[f.name], j)
		}
		if err != nil {
			df.drops[drop]++
			if df.bad == "" {
				df.bad = fmt.Sprintf("%s of %s: %v", f.Column, mask(key), err)
			}
			return want{}, false, nil
		}
		switch {
		case canon.IsEmpty(j) && f.Null == "skip":
		case canon.IsEmpty(j):
			v.values[f.name] = json.RawMessage("null")
		default:
			v.values[f.name] = j
		}
	}
	return v, true, nil
}

func (e *Engine) candidate(v want, op Op) *candidate {
	sum := sha256.Sum256([]byte(v.key))
	if v.id == "" {
		v.id = e.State.Vault().ID("key", v.key)
	}
	return &candidate{want: v, k: hex.EncodeToString(sum[:12]), keyID: v.id, op: op, set: map[string]json.RawMessage{}}
}

// record fills what has to be written for one record; false when nothing has.
func (w *walk) record(c *candidate, entry state.Entry, known bool) bool {
	mode := w.s.File.Mode
	if known && (mode == ModeInsert || mode == ModeEvent) {
		return false // once is once, whatever the row says now
	}
	for _, f := range w.s.fields {
		value, has := c.values[f.name]
		if !has || f.name == w.s.File.Key.Field && mode != ModeEvent {
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
	}
	return len(c.set) > 0 // also for a key that we have not met: an empty record helps nobody
}

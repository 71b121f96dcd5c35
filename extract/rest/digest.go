package rest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"millrace/extract"
)

// tally is a digest of rows that does not depend on their order, nor on which page they came with.
type tally struct {
	sum  uint64
	rows int64
}

func (t *tally) add(h uint64) { t.sum += h; t.rows++ }

func (t tally) String() string {
	return strconv.FormatUint(t.sum, 36) + "." + strconv.FormatInt(t.rows, 36)
}

// rowDigest hashes the cells that hold something, by column name.
func rowDigest(seed uint64, columns []string, row []any) uint64 {
	var sum uint64
	var buf [64]byte
	for i, v := range row {
		h := fnvText(fnvStart, columns[i])
		switch x := v.(type) {
		case nil:
			continue
		case string:
			h = fnvText(h*fnvPrime^'s', x)
		case json.Number:
			h = fnvText(h*fnvPrime^'n', string(x))
		case json.RawMessage:
			h = fnvText(h*fnvPrime^'j', x)
		case time.Time:
			h = fnvText(h*fnvPrime^'t', strconv.AppendInt(buf[:0], x.UnixNano(), 36))
		case int64:
			h = fnvText(h*fnvPrime^'i', strconv.AppendInt(buf[:0], x, 36))
		case bool:
			h = fnvText(h*fnvPrime^'b', strconv.AppendBool(buf[:0], x))
		case float64:
			h = fnvText(h*fnvPrime^'f', strconv.AppendFloat(buf[:0], x, 'g', -1, 64))
		default:
			h = fnvText(h*fnvPrime^'?', fmt.Sprintf("%T%v", v, v))
		}
		sum += mix(h)
	}
	return mix(sum ^ seed)
}

// FNV-1a, 64 bits (Fowler, Noll, Vo; the constants are its definition), without an allocation for each cell.
const (
	fnvStart = 14695981039346656037
	fnvPrime = 1099511628211
)

func fnvText[T string | []byte | json.RawMessage](h uint64, s T) uint64 {
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * fnvPrime
	}
	return h
}

// mix spreads a hash so that sums of hashes do not cancel each other out (the finaliser of SplitMix64).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// schemaSeed makes digests change when the stream's declaration does: the same answer then lands differently.
func schemaSeed(spec extract.StreamSpec) uint64 {
	b, err := json.Marshal([]any{spec.Schema, spec.Contract, spec.Disposition})
	if err != nil {
		return 0 // plain values always marshal
	}
	return hashText(string(b))
}

// maxHeld bounds the rows that wait for their day to be complete.
const maxHeld = 20_000

// overlap keeps a look-back from landing again what has not changed: the digest of each day that is read is kept in the
// state, and a day that comes again with the same rows is passed over.
type overlap struct {
	rd    *reader
	st    *state
	days  map[string]*tally
	held  map[string][]*extract.Batch // days known from before, until it is clear whether they changed
	count int
}

// looksBack says whether a window of this resource can be compared by days: its look-back is in days, days are whole, and
// rows are rows of this resource itself.
func (r *resource) looksBack(o readOptions) bool {
	inc := r.Incremental
	return inc != nil && r.spec.Disposition == "merge" && o.lag(inc) >= 24*time.Hour && inc.CursorPath != "" && inc.Order == "none" && inc.Filter == "server" &&
		(r.dateCursor || inc.Step == 0) && r.parent == nil && len(r.Partitions) == 0 && r.Explode == nil && r.SplitOnLimit == nil && r.full == nil && !r.Paginator.Resumable
}

func newOverlap(rd *reader, st *state) *overlap {
	return &overlap{rd: rd, st: st, days: map[string]*tally{}, held: map[string][]*extract.Batch{}}
}

// day is the bucket of a record; empty when it has no usable cursor and so is always handed on.
func (o *overlap) day(raw, format string) string {
	t, ok := instant(raw, format)
	if !ok && len(raw) == 8 {
		t, ok = instant(raw, "basic_date")
	}
	if !ok {
		return ""
	}
	return t.UTC().Format(time.DateOnly)
}

// take counts a row and reports whether it is held back.
func (o *overlap) take(day string, columns []string, row []any) bool {
	if day == "" {
		return false
	}
	t := o.days[day]
	if t == nil {
		t = &tally{}
		o.days[day] = t
	}
	t.add(rowDigest(o.rd.seed, columns, row))
	if _, known := o.st.Days[day]; !known {
		return false
	}
	if o.count++; o.count > maxHeld {
		return false
	}
	bs := o.held[day]
	if len(bs) == 0 || !slices.Equal(bs[len(bs)-1].Columns, columns) {
		bs = append(bs, &extract.Batch{Columns: columns})
	}
	b := bs[len(bs)-1]
	b.Rows = append(b.Rows, row)
	o.held[day] = bs
	return true
}

// finish hands on the held days that changed and remembers the digests of those that may come again.
func (o *overlap) finish(end time.Time, lag time.Duration) error {
	for _, day := range slices.Sorted(maps.Keys(o.held)) {
		if o.count <= maxHeld && o.st.Days[day] == o.days[day].String() {
			continue
		}
		for _, b := range o.held[day] {
			if err := o.rd.give(b); err != nil {
				return err
			}
		}
	}
	if o.st.Days == nil {
		o.st.Days = map[string]string{}
	}
	for day, t := range o.days {
		o.st.Days[day] = t.String()
	}
	oldest := end.Add(-lag).AddDate(0, 0, -2).Format(time.DateOnly)
	for day := range o.st.Days {
		if day < oldest {
			delete(o.st.Days, day)
		}
	}
	if len(o.st.Days) == 0 {
		o.st.Days = nil
	}
	return nil
}

package match

import (
	"fmt"
	"sort"

	"millrace/internal/fault"
)

// OverrideKind is what a person decided.
type OverrideKind string

// The kinds of override.
const (
	MustLink   OverrideKind = "must_link"   // A and B are one entity
	CannotLink OverrideKind = "cannot_link" // A and B are two entities
	BlockValue OverrideKind = "block_value" // Value in Field says nothing about anybody
)

// Override is a person's decision. It outranks every weight, in every run.
type Override struct {
	ID    string       `json:"id,omitempty"` // for reports; free
	Kind  OverrideKind `json:"kind"`
	A     string       `json:"a,omitempty"` // record keys; a key that is not in the set is passed over
	B     string       `json:"b,omitempty"`
	Field string       `json:"field,omitempty"` // for BlockValue: the column
	Value string       `json:"value,omitempty"`
}

// Conflict is a set of overrides that contradict each other: must-links that would join what a cannot-link keeps apart. None
// of its must-links is applied, the cannot-link is.
type Conflict struct {
	CannotLink Override   `json:"cannot_link"`
	MustLinks  []Override `json:"must_links"`
	Records    []string   `json:"records"` // that the must-links hold together
}

// Error says what to do about the conflict.
func (c Conflict) Error() string {
	return fmt.Sprintf("%s and %s must not be one, but %d must-links join them through %d records; none of these must-links was applied. Revoke one side.",
		c.CannotLink.A, c.CannotLink.B, len(c.MustLinks), len(c.Records))
}

// fieldOf is the type of a column.
func (s *Set) fieldOf(name string) Type {
	for _, f := range s.spec.Fields {
		if f.Name == name {
			return f.Type
		}
	}
	return ""
}

// spellings are the forms in which a value may stand in a column.
func (s *Set) spellings(value string) []string {
	r := newReader(s)
	out := []string{r.email(value), r.domain(value), r.phone(value, s.spec.Region), readID(value)}
	return append(out, readDate(value, false), readDate(value, true))
}

// decided is the overrides in terms of records.
type decided struct {
	must      [][2]int32
	cannot    map[[2]int32]bool
	touched   map[int32]bool
	conflicts []Conflict
	missing   int // overrides whose record is not in the set
}

func (s *Set) decide(all []Override) (*decided, error) {
	d := &decided{cannot: map[[2]int32]bool{}, touched: map[int32]bool{}}
	type pair struct {
		o    Override
		a, b int32
	}
	var must, cannot []pair
	for _, o := range all {
		switch o.Kind {
		case BlockValue:
			continue
		case MustLink, CannotLink:
		default:
			return nil, &fault.Error{Key: "kind", Value: string(o.Kind), Msg: "is no kind of override", Hint: fault.DidYouMean(string(o.Kind), []string{string(MustLink), string(CannotLink), string(BlockValue)})}
		}
		a, okA := s.record(o.A)
		b, okB := s.record(o.B)
		switch {
		case o.Kind == CannotLink && o.A == o.B:
			return nil, &fault.Error{Key: "cannot_link", Value: o.A, Msg: "a record cannot be kept apart from itself", Hint: "Name two records."}
		case !okA || !okB:
			d.missing++
			continue
		case a == b:
			continue
		}
		p := pair{o, int32(min(a, b)), int32(max(a, b))}
		d.touched[p.a], d.touched[p.b] = true, true
		if o.Kind == MustLink {
			must = append(must, p)
		} else {
			cannot = append(cannot, p)
		}
	}
	order := func(ps []pair) {
		sort.SliceStable(ps, func(i, j int) bool {
			if ps[i].a != ps[j].a {
				return ps[i].a < ps[j].a
			}
			return ps[i].b < ps[j].b
		})
	}
	order(must)
	order(cannot)
	group := map[int32]int32{}
	root := func(x int32) int32 {
		for {
			p, ok := group[x]
			if !ok || p == x {
				return x
			}
			x = p
		}
	}
	for _, p := range must {
		a, b := root(p.a), root(p.b)
		group[max(a, b)] = min(a, b)
	}
	bad := map[int32]bool{}
	for _, p := range cannot {
		d.cannot[[2]int32{p.a, p.b}] = true
		r := root(p.a)
		if r != root(p.b) {
			continue
		}
		bad[r] = true
		c := Conflict{CannotLink: p.o}
		members := map[int32]bool{}
		for _, m := range must {
			if root(m.a) == r {
				c.MustLinks = append(c.MustLinks, m.o)
				members[m.a], members[m.b] = true, true
			}
		}
		for m := range members {
			c.Records = append(c.Records, s.keys[m])
		}
		sort.Strings(c.Records)
		d.conflicts = append(d.conflicts, c)
	}
	for _, p := range must {
		if !bad[root(p.a)] {
			d.must = append(d.must, [2]int32{p.a, p.b})
		}
	}
	return d, nil
}

func (d *decided) apart(a, b int32) bool {
	if len(d.cannot) == 0 {
		return false
	}
	return d.cannot[[2]int32{min(a, b), max(a, b)}]
}

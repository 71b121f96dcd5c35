package match

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
	"strings"
	"testing"

	"millrace/internal/match/matchtest"
)

// records makes simulated people as records, with their truth.
func records(o matchtest.Options) ([]Record, map[string]string) {
	var out []Record
	gold := map[string]string{}
	matchtest.People(o, func(r matchtest.Record) {
		gold[r.Key] = r.Person
		out = append(out, Record{Key: r.Key, Source: r.Source, Values: [][]string{one(r.Given), one(r.Surname), one(r.Email), one(r.Phone), one(r.Born), one(r.House), one(r.Street), one(r.City), one(r.Post), one(r.Employer)}})
	})
	return out, gold
}

func setOf(t testing.TB, spec Spec, recs []Record) *Set {
	t.Helper()
	s, err := NewSet(spec)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range recs {
		if err := s.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func resolve(t testing.TB, s *Set, m *Model, o Options) *Result {
	t.Helper()
	r, err := Resolve(context.Background(), s, m, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// written is all that a result says, as text.
func written(t testing.TB, r *Result) string {
	t.Helper()
	var b bytes.Buffer
	model, err := json.Marshal(r.Model)
	if err != nil {
		t.Fatal(err)
	}
	b.Write(model)
	for i := range r.Edges.Len() {
		e, _ := json.Marshal(r.Edges.At(i))
		b.Write(append(e, '\n'))
	}
	for _, g := range r.Clusters.Groups {
		e, _ := json.Marshal(g)
		b.Write(append(e, '\n'))
	}
	return b.String()
}

// TestSameResult: the order of the records, the order of the columns and the number of threads change nothing (P4).
func TestSameResult(t *testing.T) {
	recs, _ := records(matchtest.Options{Seed: 5, Records: 1500, Born: true, Shared: 0.1})
	want := written(t, resolve(t, setOf(t, peopleSpec(), recs), nil, Options{Threads: 1}))
	if !strings.Contains(want, `"learned":true`) || strings.Count(want, `"records"`) < 500 {
		t.Fatal("nothing was matched: the comparison would show nothing")
	}
	for seed := range uint64(3) {
		r := rand.New(rand.NewPCG(seed, 1))
		shuffled := slices.Clone(recs)
		r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		spec := peopleSpec()
		r.Shuffle(len(spec.Fields), func(i, j int) {
			spec.Fields[i], spec.Fields[j] = spec.Fields[j], spec.Fields[i]
			if i != j {
				for k := range shuffled {
					v := slices.Clone(shuffled[k].Values)
					v[i], v[j] = v[j], v[i]
					shuffled[k].Values = v
				}
			}
		})
		if got := written(t, resolve(t, setOf(t, spec, shuffled), nil, Options{Threads: 8})); got != want {
			t.Errorf("seed %d: shuffled input on 8 threads gives another result", seed)
		}
	}
}

// TestModelRoundTrip: a model that was written and read again scores the same.
func TestModelRoundTrip(t *testing.T) {
	recs, _ := records(matchtest.Options{Seed: 5, Records: 600, Born: true})
	first := resolve(t, setOf(t, peopleSpec(), recs), nil, Options{})
	data, err := json.Marshal(first.Model)
	if err != nil {
		t.Fatal(err)
	}
	m, err := ReadModel(data)
	if err != nil {
		t.Fatal(err)
	}
	if written(t, resolve(t, setOf(t, peopleSpec(), recs), m, Options{})) != written(t, first) {
		t.Error("the model that was read gives another result")
	}
	for _, bad := range []string{`{`, `{"version": 99}`} {
		if _, err := ReadModel([]byte(bad)); err == nil || !strings.Contains(err.Error(), "again") {
			t.Errorf("%s: %v", bad, err)
		}
	}
	other, _ := NewSet(Spec{Entity: Person, Fields: []Field{{Name: "email", Type: Email}}})
	if err := other.Add(Record{Key: "a", Values: [][]string{{"a@b.com"}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := Score(context.Background(), other, m, Options{}); err == nil || !strings.Contains(err.Error(), "Train a model") {
		t.Errorf("a model of other columns: %v", err)
	}
}

// TestSum: the weights of an edge add up to its total, exactly.
func TestSum(t *testing.T) {
	recs, _ := records(matchtest.Options{Seed: 6, Records: 1500, Born: true, Shared: 0.2})
	s := setOf(t, peopleSpec(), recs)
	r := resolve(t, s, nil, Options{})
	related := false
	for i := range r.Edges.Len() {
		e := r.Edges.At(i)
		sum := units(e.Prior)
		for _, w := range e.Weights {
			sum += units(w.Bits)
			related = related || w.Comparison == "related" && w.Bits < 0
		}
		if sum != units(e.Total) {
			t.Fatalf("%s and %s: weights add up to %d, total is %d", e.A, e.B, sum, units(e.Total))
		}
		x, err := Explain(s, r.Model, Options{}, e.B, e.A)
		if err != nil || x.Total != e.Total || x.A != e.A || x.Veto != e.Veto || x.Band != e.Band {
			t.Fatalf("Explain says %+v, %v; the edge is %+v", x, err, e)
		}
	}
	if !related {
		t.Error("no pair of relatives among the edges: the related term is not shown")
	}
}

// TestRemoval: a record that is taken away changes only the groups of the records that it was connected to, the model given.
func TestRemoval(t *testing.T) {
	recs, _ := records(matchtest.Options{Seed: 7, Records: 1200, Born: true, Shared: 0.1})
	full := resolve(t, setOf(t, peopleSpec(), recs), nil, Options{})
	r := rand.New(rand.NewPCG(3, 3))
	for range 12 {
		gone := recs[r.IntN(len(recs))].Key
		near := component(full, gone)
		rest := slices.DeleteFunc(slices.Clone(recs), func(x Record) bool { return x.Key == gone })
		less := resolve(t, setOf(t, peopleSpec(), rest), full.Model, Options{})
		for _, g := range full.Clusters.Groups {
			if near[g.Key] {
				continue
			}
			if now, _ := less.Clusters.Of(g.Key); !slices.Equal(now.Records, g.Records) {
				t.Errorf("without %s, %v became %v", gone, g.Records, now.Records)
			}
		}
	}
}

// component is all records that edges connect to one, or that hold a value it holds: the class of a value may change.
func component(r *Result, key string) map[string]bool {
	next := map[string][]string{}
	for i := range r.Edges.Len() {
		e := r.Edges.At(i)
		next[e.A] = append(next[e.A], e.B)
		next[e.B] = append(next[e.B], e.A)
	}
	seen := map[string]bool{key: true}
	todo := []string{key}
	for len(todo) > 0 {
		k := todo[0]
		todo = todo[1:]
		g, _ := r.Clusters.Of(k)
		for _, n := range append(slices.Clone(next[k]), g.Records...) {
			if !seen[n] {
				seen[n] = true
				todo = append(todo, n)
			}
		}
	}
	return seen
}

// TestTouching: the groups of some records, found by what touches them, are those of the full run.
func TestTouching(t *testing.T) {
	recs, _ := records(matchtest.Options{Seed: 8, Records: 1500, Born: true, Shared: 0.1})
	s := setOf(t, peopleSpec(), recs)
	o := Options{Overrides: []Override{{Kind: MustLink, A: recs[3].Key, B: recs[900].Key}, {Kind: CannotLink, A: recs[5].Key, B: recs[6].Key}}}
	full := resolve(t, s, nil, o)
	r := rand.New(rand.NewPCG(3, 4))
	for range 40 {
		var keys []string
		for range 1 + r.IntN(4) {
			keys = append(keys, recs[r.IntN(len(recs))].Key)
		}
		if r.IntN(5) == 0 {
			keys = append(keys, recs[3].Key)
		}
		part, err := ResolveTouching(context.Background(), s, full.Model, o, keys)
		if err != nil {
			t.Fatal(err)
		}
		if part.Edges.Pairs >= full.Edges.Pairs/2 {
			t.Errorf("%d of %d pairs scored for %d records", part.Edges.Pairs, full.Edges.Pairs, len(keys))
		}
		for _, k := range keys {
			want, _ := full.Clusters.Of(k)
			got, ok := part.Clusters.Of(k)
			if a, b := fmt.Sprintf("%+v", want), fmt.Sprintf("%+v", got); !ok || a != b {
				t.Errorf("%s is in %s, in the full run in %s", k, b, a)
			}
		}
	}
}

// TestOverrides: whatever people decide holds, for any decisions, also where they contradict each other.
func TestOverrides(t *testing.T) {
	recs, _ := records(matchtest.Options{Seed: 9, Records: 400, Born: true})
	s := setOf(t, peopleSpec(), recs)
	base := resolve(t, s, nil, Options{})
	r := rand.New(rand.NewPCG(4, 4))
	joined, conflicts := 0, 0
	for range 60 {
		var all []Override
		for range 3 + r.IntN(40) {
			o := Override{Kind: MustLink, A: recs[r.IntN(60)].Key, B: recs[r.IntN(60)].Key}
			if r.IntN(2) == 0 {
				o.Kind = CannotLink
			}
			if r.IntN(3) == 0 { // tear a group apart, or touch it
				g := base.Clusters.Groups[r.IntN(len(base.Clusters.Groups))]
				o.A, o.B = g.Records[0], g.Records[len(g.Records)-1]
			}
			if o.A == o.B {
				continue
			}
			all = append(all, o)
		}
		res := resolve(t, s, base.Model, Options{Overrides: all})
		suspended := map[string]bool{}
		for _, c := range res.Clusters.Conflicts {
			conflicts++
			if len(c.MustLinks) == 0 || !strings.Contains(c.Error(), "Revoke") {
				t.Errorf("a conflict that says nothing: %+v", c)
			}
			for _, k := range c.Records {
				suspended[k] = true
			}
		}
		for _, o := range all {
			a, _ := res.Clusters.Of(o.A)
			b, _ := res.Clusters.Of(o.B)
			switch {
			case o.Kind == CannotLink && a.Key == b.Key:
				t.Fatalf("%s and %s are one in spite of a cannot-link; overrides %+v", o.A, o.B, all)
			case o.Kind == MustLink && a.Key != b.Key && !suspended[o.A]:
				t.Fatalf("%s and %s are two in spite of a must-link without a conflict; overrides %+v", o.A, o.B, all)
			case o.Kind == MustLink && a.Key == b.Key:
				joined++
			}
		}
	}
	if joined == 0 || conflicts == 0 {
		t.Errorf("%d must-links, %d conflicts: the cases did not occur", joined, conflicts)
	}
}

// TestOverrideCycle: must-links in a circle with one cannot-link on it are all suspended and reported, once.
func TestOverrideCycle(t *testing.T) {
	s := setOf(t, Spec{Entity: Person, Fields: []Field{{Name: "name", Type: FullName}}}, []Record{
		{Key: "a", Values: [][]string{{"Ann Lee"}}}, {Key: "b", Values: [][]string{{"Bob Ray"}}}, {Key: "c", Values: [][]string{{"Cid Fox"}}}, {Key: "d", Values: [][]string{{"Dan Roe"}}},
	})
	all := []Override{{Kind: MustLink, A: "a", B: "b"}, {Kind: MustLink, A: "b", B: "c"}, {Kind: MustLink, A: "c", B: "a"}, {Kind: CannotLink, A: "c", B: "a"}, {Kind: MustLink, A: "d", B: "nobody"}}
	r := resolve(t, s, nil, Options{Overrides: all})
	if len(r.Clusters.Groups) != 4 {
		t.Errorf("%d groups, want four records apart", len(r.Clusters.Groups))
	}
	if c := r.Clusters.Conflicts; len(c) != 1 || len(c[0].MustLinks) != 3 || !slices.Equal(c[0].Records, []string{"a", "b", "c"}) {
		t.Errorf("conflicts %+v", c)
	}
	if r.Edges.Missing != 1 {
		t.Errorf("%d overrides about records that are not there, want 1", r.Edges.Missing)
	}
	r = resolve(t, s, nil, Options{Overrides: all[:3]})
	if g, _ := r.Clusters.Of("c"); len(g.Records) != 3 || !g.Forced {
		t.Errorf("a circle of must-links gives %+v", g)
	}
	for _, bad := range []Override{{Kind: "merge", A: "a", B: "b"}, {Kind: CannotLink, A: "a", B: "a"}} {
		if _, err := Resolve(context.Background(), s, nil, Options{Overrides: []Override{bad}}); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
}

// TestLimit: two values of a column that one entity has once keep records apart, through others too.
func TestLimit(t *testing.T) {
	spec := Spec{Entity: Person, Fields: []Field{{Name: "name", Type: FullName}, {Name: "email", Type: Email}, {Name: "user", Type: ID, Limit: 1}}}
	s := setOf(t, spec, []Record{
		{Key: "1", Values: [][]string{{"Jane Doe"}, {"jane.doe@acme.com"}, {"u-1001"}}},
		{Key: "2", Values: [][]string{{"Jane Doe"}, {"jane.doe@acme.com"}, {"u-2002"}}},
		{Key: "3", Values: [][]string{{"Jane Doe"}, {"jane.doe@acme.com"}, nil}},
	})
	r := resolve(t, s, nil, Options{})
	a, _ := r.Clusters.Of("1")
	b, _ := r.Clusters.Of("2")
	if a.Key == b.Key {
		t.Errorf("two users are one: %v", a.Records)
	}
	x, err := Explain(s, r.Model, Options{}, "1", "2")
	if err != nil || x.Veto != VetoLimit || x.Band != BandReject {
		t.Errorf("%+v %v", x, err)
	}
}

// TestLimitOfGroup: a limit of two holds for the group, not only for each pair in it.
func TestLimitOfGroup(t *testing.T) {
	for _, ty := range []Type{ID, Phone} {
		t.Run(string(ty), func(t *testing.T) { testLimitOfGroup(t, ty) })
	}
}

func testLimitOfGroup(t *testing.T, ty Type) {
	spec := Spec{Entity: Person, Fields: []Field{{Name: "name", Type: FullName}, {Name: "email", Type: Email}, {Name: "account", Type: ty, Limit: 2}}}
	var recs []Record
	for i := range 5 {
		recs = append(recs, Record{Key: fmt.Sprint(i), Values: [][]string{{"Jane Doe"}, {"jane.doe@acme.com"}, {fmt.Sprintf("+4930%d%d%d1234", i+1, i+2, i+1)}}})
	}
	r := resolve(t, setOf(t, spec, recs), nil, Options{})
	joined := false
	for _, g := range r.Clusters.Groups {
		if len(g.Records) > 2 {
			t.Errorf("%d accounts in one group: %v", len(g.Records), g.Records)
		}
		joined = joined || len(g.Records) == 2
	}
	if !joined || r.Clusters.Refused == 0 {
		t.Errorf("%d groups, %d joins refused: the limit was not tried", len(r.Clusters.Groups), r.Clusters.Refused)
	}
}

// TestOneToOne: linking two lists joins at most one record of each.
func TestOneToOne(t *testing.T) {
	spec := Spec{Entity: Person, Fields: []Field{{Name: "name", Type: FullName}, {Name: "email", Type: Email}}}
	var recs []Record
	for i := range 40 {
		n := fmt.Sprintf("Person%c Family%c", 'a'+i%20, 'a'+(i*7)%20)
		for _, src := range []string{"left", "right"} {
			for c := range 2 {
				recs = append(recs, Record{Key: fmt.Sprint(src, i, c), Source: src, Values: [][]string{{n}, {fmt.Sprintf("p%d@acme.com", i)}}})
			}
		}
	}
	r := resolve(t, setOf(t, spec, recs), nil, Options{OneToOne: true, AcrossOnly: true})
	two := 0
	for _, g := range r.Clusters.Groups {
		count := map[byte]int{}
		for _, k := range g.Records {
			count[k[0]]++
		}
		if count['l'] > 1 || count['r'] > 1 {
			t.Errorf("one list is joined with itself: %v", g.Records)
		}
		if len(g.Records) == 2 {
			two++
		}
	}
	if two < 30 {
		t.Errorf("%d links, want most of 80", two)
	}
}

// TestBlockValue: a value that a person has declared nobody's joins nobody.
func TestBlockValue(t *testing.T) {
	spec := Spec{Entity: Person, Fields: []Field{{Name: "name", Type: FullName}, {Name: "phone", Type: Phone}}, Region: "US"}
	recs := []Record{{Key: "1", Values: [][]string{nil, {"(415) 555-2671"}}}, {Key: "2", Values: [][]string{nil, {"+1 415 555 2671"}}}}
	if r := resolve(t, setOf(t, spec, recs), nil, Options{}); len(r.Clusters.Groups) != 1 {
		t.Fatalf("the same number does not join: %+v", r.Clusters.Groups)
	}
	r := resolve(t, setOf(t, spec, recs), nil, Options{Overrides: []Override{{Kind: BlockValue, Field: "phone", Value: "415-555-2671"}}})
	if len(r.Clusters.Groups) != 2 {
		t.Errorf("a blocked number joins: %+v", r.Clusters.Groups)
	}
}

// TestGroups: every record is in exactly one group, in order.
func TestGroups(t *testing.T) {
	recs, _ := records(matchtest.Options{Seed: 10, Records: 800, Born: true})
	r := resolve(t, setOf(t, peopleSpec(), recs), nil, Options{})
	var keys []string
	for _, g := range r.Clusters.Groups {
		if !sort.StringsAreSorted(g.Records) || g.Key != g.Records[0] {
			t.Errorf("group %v", g)
		}
		if g.Confidence < 0 || g.Confidence > 1 || g.Density < 0 || g.Density > 1 {
			t.Errorf("group %+v", g)
		}
		keys = append(keys, g.Records...)
	}
	sort.Strings(keys)
	if !slices.Equal(keys, setOf(t, peopleSpec(), recs).Keys()) {
		t.Error("the groups are not the records")
	}
}

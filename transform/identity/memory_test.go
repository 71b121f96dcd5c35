package identity

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// step writes clusters as texts: "a b, c" are two clusters of three records. The rank is the letter.
func step(t *testing.T, prev *Memory, day, clusters string, erased ...string) *Memory {
	t.Helper()
	p := NextParams{Prefix: "p_", Day: day, Erased: map[string]bool{}}
	for i, c := range strings.Split(clusters, ",") {
		for _, k := range strings.Fields(c) {
			key, weight := k, int64(1)
			if at := strings.IndexByte(k, '*'); at > 0 {
				key = k[:at]
				fmt.Sscan(k[at+1:], &weight)
			}
			p.Now = append(p.Now, Placed{Key: key, Cluster: fmt.Sprint(i), Weight: weight, Rank: int64(key[0])})
		}
	}
	for _, k := range erased {
		p.Erased[k] = true
	}
	next, err := Next(prev, p)
	if err != nil {
		t.Fatal(err)
	}
	return next
}

// names says which entity each record is in, with ids in the order of first use: 1, 2, ...
func (m *Memory) of(record string) string {
	for _, x := range m.Members {
		if x.Record == record && x.Present {
			return x.Entity
		}
	}
	return ""
}

func (m *Memory) ids() map[string]string {
	out := map[string]string{}
	for _, x := range m.Members {
		if x.Present {
			out[x.Record] = x.Entity
		}
	}
	return out
}

func kinds(m *Memory, after int) string {
	var out []string
	for _, e := range m.Events[after:] {
		out = append(out, e.Kind)
	}
	return strings.Join(out, " ")
}

func TestIDs(t *testing.T) {
	first := step(t, &Memory{}, "2026-03-02", "a b, c d, e")
	a, c, e := first.of("a"), first.of("c"), first.of("e")
	if a != NewID("p_", "a", 0) || kinds(first, 0) != "create create create" {
		t.Fatalf("first run: %+v", first)
	}
	for _, x := range []struct {
		name, clusters, events string
		want                   map[string]string // record: id
	}{
		{"nothing changes", "a b, c d, e", "", map[string]string{"a": a, "b": a, "c": c, "d": c, "e": e}},
		{"an earlier record joins", "A a b, c d, e", "", map[string]string{"A": a, "a": a}},
		{"merge: the larger survives", "a b e, c d", "merge", map[string]string{"a": a, "e": a}},
		{"merge of equals: the older survives", "a b c d, e", "merge", map[string]string{"c": a}},
		{"weights decide", "a b e*9, c d", "merge", map[string]string{"a": e, "b": e}},
		{"split: the largest part keeps the id", "a, b*2, c d, e", "split", map[string]string{"b": a, "a": NewID("p_", "a", 1)}},
		{"split of equals: the part with the anchor keeps it", "a, b, c d, e", "split", map[string]string{"a": a, "b": NewID("p_", "b", 0)}},
		{"a record moves", "a, b c d, e", "move", map[string]string{"a": a, "b": c}},
		{"all records go", "a b, c d", "end", map[string]string{"a": a, "c": c}},
		{"new people", "a b, c d, e, f g", "create", map[string]string{"f": NewID("p_", "f", 0)}},
		{"two become one and one becomes two", "a c, b d, e", "move move", map[string]string{"a": a, "b": c, "c": a, "d": c}},
	} {
		next := step(t, first, "2026-03-03", x.clusters)
		for k, id := range x.want {
			if got := next.of(k); got != id {
				t.Errorf("%s: %s is %s, want %s", x.name, k, got, id)
			}
		}
		if got := kinds(next, len(first.Events)); got != x.events {
			t.Errorf("%s: events %q, want %q", x.name, got, x.events)
		}
	}
}

// TestUndoRestores: a merge and its undoing leave members and entities exactly as they were, also after a second merge
// on top and with records that came and went meanwhile.
func TestUndoRestores(t *testing.T) {
	for _, x := range []struct{ name, before, merged, after string }{
		{"two", "a b, c", "a b c", "a b, c"},
		{"equals", "a b, c d", "a b c d", "a b, c d"},
		{"the younger one is larger", "a, b c d", "a b c d", "a, b c d"},
		{"three at once", "a, b, c", "a b c", "a, b, c"},
		{"split and undone", "a b c", "a, b c", "a b c"},
		{"split of equals and undone", "a b c d", "a c, b d", "a b c d"},
	} {
		before := step(t, &Memory{}, "2026-03-02", x.before)
		merged := step(t, before, "2026-03-03", x.merged)
		after := step(t, merged, "2026-03-04", x.after)
		if !reflect.DeepEqual(before.ids(), after.ids()) {
			t.Errorf("%s: members were %v, are %v", x.name, before.ids(), after.ids())
		}
		for _, e := range before.Entities {
			i := slices.IndexFunc(after.Entities, func(y Entity) bool { return y.ID == e.ID })
			if i < 0 || after.Entities[i] != e {
				t.Errorf("%s: entity %+v is now %+v", x.name, e, after.Entities)
			}
		}
	}
	// A merge on a merge, undone one after the other.
	a := step(t, &Memory{}, "1", "a b, c, d e f")
	b := step(t, a, "2", "a b c, d e f")
	c := step(t, b, "3", "a b c d e f")
	if got := step(t, c, "4", "a b c, d e f"); !reflect.DeepEqual(got.ids(), b.ids()) {
		t.Errorf("inner merge: %v, want %v", got.ids(), b.ids())
	} else if got := step(t, got, "5", "a b, c, d e f"); !reflect.DeepEqual(got.ids(), a.ids()) {
		t.Errorf("outer merge: %v, want %v", got.ids(), a.ids())
	}
}

func TestRedirects(t *testing.T) {
	m := step(t, &Memory{}, "1", "a, b c, d e f")
	ids := m.ids()
	m = step(t, m, "2", "a b c, d e f")
	m = step(t, m, "3", "a b c d e f")
	for _, e := range m.Entities {
		if e.ID == ids["d"] {
			continue
		}
		if e.Status != Merged || e.Into != ids["d"] {
			t.Errorf("%+v should lead to %s in one step", e, ids["d"])
		}
	}
}

// TestSourcesComeBack: a source that delivers nothing for a day costs no id.
func TestSourcesComeBack(t *testing.T) {
	m := step(t, &Memory{}, "1", "a b, c d")
	ids := m.ids()
	gone := step(t, m, "2", "a b")
	back := step(t, gone, "3", "a b, c d")
	if !reflect.DeepEqual(back.ids(), ids) {
		t.Errorf("were %v, are %v", ids, back.ids())
	}
	if got := kinds(back, len(m.Events)); got != "end return" {
		t.Errorf("events %q", got)
	}
	// What was merged while it was away comes back to the survivor.
	m = step(t, &Memory{}, "1", "a b*5, c d")
	m = step(t, m, "2", "a b, c")
	m = step(t, m, "3", "a b c")
	m = step(t, m, "4", "a b c, d")
	if m.of("d") != NewID("p_", "c", 0) { // c's entity again: d came from there
		t.Errorf("d is %s", m.of("d"))
	}
}

// TestErase: an erased record leaves no key behind, in members or events, and its id is told to those who hold it and
// given to nobody.
func TestErase(t *testing.T) {
	m := step(t, &Memory{}, "1", "a b, c d, e")
	m = step(t, m, "2", "a b c d, e")
	m = step(t, m, "3", "a b, c d, e")
	id := m.of("c")
	after := step(t, m, "4", "a b, e", "c", "d")
	if got := kinds(after, len(m.Events)); got != "erase" {
		t.Errorf("events %q", got)
	}
	text := fmt.Sprintf("%+v", after)
	for _, e := range after.Events {
		if slices.Contains(e.Records, "c") || slices.Contains(e.Records, "d") {
			t.Errorf("event %+v still names an erased record", e)
		}
	}
	for _, x := range after.Members {
		if x.Record == "c" || x.Record == "d" {
			t.Errorf("memory still holds %+v in %s", x, text)
		}
	}
	back := step(t, after, "5", "a b, e, c d") // the tombstone was taken away: a new person
	if back.of("c") == id {
		t.Errorf("id %s was used again for an erased person", id)
	}
}

// TestSequences runs generated histories and holds what must always hold.
func TestSequences(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 7))
		m := &Memory{}
		home := map[string]int{}
		for day := range 12 {
			n := 20 + rng.IntN(20)
			var now []Placed
			for r := range n {
				key := fmt.Sprintf("r%02d", r)
				if rng.IntN(8) == 0 {
					continue // not delivered today
				}
				if _, ok := home[key]; !ok || rng.IntN(10) == 0 {
					home[key] = rng.IntN(12)
				}
				now = append(now, Placed{Key: key, Cluster: fmt.Sprint(home[key]), Weight: 1 + int64(rng.IntN(3))*5, Rank: int64(r)})
			}
			p := NextParams{Prefix: "p_", Day: fmt.Sprintf("2026-03-%02d", day+1), Now: now}
			if rng.IntN(6) == 0 && len(now) > 0 {
				p.Erased = map[string]bool{now[rng.IntN(len(now))].Key: true}
			}
			next, err := Next(m, p)
			if err != nil {
				t.Fatal(err)
			}
			// P4: the order of rows changes nothing.
			q := p
			q.Now = slices.Clone(now)
			rng.Shuffle(len(q.Now), func(i, j int) { q.Now[i], q.Now[j] = q.Now[j], q.Now[i] })
			if again, err := Next(m, q); err != nil || !reflect.DeepEqual(again, next) {
				t.Fatalf("seed %d day %d: shuffled input gives another memory (%v)", seed, day, err)
			}
			// The same again is no news.
			if again, err := Next(next, p); err != nil || !reflect.DeepEqual(again, next) {
				t.Fatalf("seed %d day %d: the same records give another memory (%v)\n%+v\n%+v", seed, day, err, next, again)
			}
			check(t, seed, day, m, next, p)
			m = next
		}
	}
}

func check(t *testing.T, seed uint64, day int, prev, next *Memory, p NextParams) {
	t.Helper()
	fail := func(format string, args ...any) {
		t.Helper()
		t.Fatalf("seed %d day %d: "+format, append([]any{seed, day}, args...)...)
	}
	now, before := next.ids(), prev.ids()
	cluster := map[string]string{}
	for _, r := range p.Now {
		if !p.Erased[r.Key] {
			cluster[r.Key] = r.Cluster
		}
	}
	if len(now) != len(cluster) {
		fail("%d records in, %d members", len(cluster), len(now))
	}
	// The partition is that of the clusters.
	idOf, of := map[string]string{}, map[string]string{}
	for k, c := range cluster {
		if old, ok := idOf[c]; ok && old != now[k] {
			fail("cluster %s has the ids %s and %s", c, old, now[k])
		}
		if old, ok := of[now[k]]; ok && old != c {
			fail("id %s is on two clusters", now[k])
		}
		idOf[c], of[now[k]] = now[k], c
	}
	status := map[string]Entity{}
	for _, e := range next.Entities {
		status[e.ID] = e
	}
	for _, e := range prev.Entities {
		if _, ok := status[e.ID]; !ok {
			fail("id %s was forgotten", e.ID)
		}
	}
	for id, e := range status {
		_, active := of[id]
		if active != (e.Status == Active) {
			fail("%+v, but it has records: %t", e, active)
		}
		if e.Status == Merged && (e.Into == id || status[e.Into].Status == Merged || status[e.Into].ID == "") {
			fail("%+v does not lead to an entity in one step", e)
		}
	}
	// No id is ever re-used: an id that was there before may only be on records that it was for, themselves or through
	// the redirects of merges while they were away.
	was := map[string]map[string]bool{}
	for _, e := range prev.Entities {
		was[e.ID] = map[string]bool{}
	}
	for _, x := range prev.Members {
		for _, id := range []string{x.Entity, x.Home} {
			was[id][x.Record] = true
		}
	}
	for id, c := range of {
		if records, known := was[id]; known {
			fits := false
			for k, in := range cluster {
				fits = fits || in == c && records[k]
			}
			if !fits {
				fail("id %s is on records that it never was for", id)
			}
		}
	}
	// Every change of a record's id is told by an event, and events are numbered without a gap.
	told := map[string]bool{}
	for i, e := range next.Events {
		if e.Seq != int64(i+1) {
			fail("event %d has number %d", i+1, e.Seq)
		}
		if i >= len(prev.Events) {
			for _, k := range e.Records {
				told[k] = true
			}
		}
	}
	for k, id := range now {
		if old := before[k]; old != "" && old != id && !told[k] {
			fail("record %s went from %s to %s and no event says so", k, old, id)
		}
	}
	for i, e := range prev.Events {
		e.Records, next.Events[i].Records = nil, slices.Clone(next.Events[i].Records)
		f := next.Events[i]
		f.Records = nil
		if !reflect.DeepEqual(e, f) {
			fail("event %+v became %+v", e, f)
		}
	}
}

package identity

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func merge(id int64, keys ...string) Override {
	return Override{ID: id, Kind: Merge, Of: Person, Left: keys[:1], Right: keys[1:], Author: "ada", Reason: "test"}
}

func split(id int64, left, right string) Override {
	return Override{ID: id, Kind: Split, Of: Person, Left: strings.Fields(left), Right: strings.Fields(right), Author: "ada", Reason: "test"}
}

func lock(id int64, keys ...string) Override {
	return Override{ID: id, Kind: Lock, Of: Person, Left: keys, Author: "ada", Reason: "test"}
}

func TestCheck(t *testing.T) {
	for _, x := range []struct {
		name   string
		active []Override
		o      Override
		want   []string // parts of the refusal; none: accepted
	}{
		{"fine", []Override{merge(1, "a", "b")}, merge(0, "b", "c"), nil},
		{"a circle of merges", []Override{merge(1, "a", "b"), merge(2, "b", "c")}, merge(0, "c", "a"), []string{"said already by #2 and #1", "Nothing was recorded"}},
		{"the same split again", []Override{split(1, "a", "b")}, split(0, "b", "a"), []string{"said already by #1"}},
		{"a split that a chain contradicts", []Override{merge(1, "a", "b"), merge(2, "b", "c")}, split(0, "a", "c"),
			[]string{"override #1 makes a and b one, override #2 makes b and c one", "keeps a and c apart", "millrace identity undo 2"}},
		{"a merge that a split contradicts", []Override{split(7, "a", "d"), merge(8, "a", "b")}, merge(0, "b", "c", "d"),
			[]string{"override #8 makes a and b one", "but override #7 keeps a and d apart", "millrace identity undo 7"}},
		{"a locked entity takes nobody in", []Override{lock(3, "a", "b")}, merge(0, "b", "c"), []string{"override #3 locks the entity of a, and c is not part of it"}},
		{"a locked entity is not split", []Override{lock(3, "a", "b")}, split(0, "a", "b"), []string{"override #3 makes a and b one", "apart"}},
		{"locking what is apart", []Override{split(3, "a", "b")}, lock(0, "a", "b"), []string{"override #3 keeps a and b apart"}},
		{"merging inside a lock says nothing new", []Override{lock(3, "a", "b")}, merge(0, "a", "b"), []string{"said already by #3"}},
		{"a split of itself", nil, split(0, "a b", "b c"), []string{"keep b apart from itself"}},
		{"a merge of one", nil, merge(0, "a"), []string{"needs two records"}},
		{"no reason", nil, Override{Kind: Merge, Of: Person, Left: []string{"a"}, Right: []string{"b"}, Author: "x"}, []string{"--reason"}},
		{"no such kind", nil, Override{Kind: "merg", Of: Person}, []string{"merge"}},
		{"companies do not concern people", []Override{{ID: 1, Kind: Split, Of: Company, Left: []string{"a"}, Right: []string{"b"}}}, merge(0, "a", "b"), nil},
	} {
		err := Check(x.o, x.active)
		switch {
		case err == nil && x.want != nil:
			t.Errorf("%s: accepted", x.name)
		case err != nil && x.want == nil:
			t.Errorf("%s: %v", x.name, err)
		}
		for _, part := range x.want {
			if err != nil && !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %q does not say %q", x.name, err, part)
			}
		}
	}
}

// TestNeutralised: what got in anyway is set aside and told, whatever the order, and never merges what is kept apart.
func TestNeutralised(t *testing.T) {
	here := func(k string) bool { return k != "gone" }
	list := []Override{
		merge(1, "a", "b"), merge(2, "b", "c"), split(3, "a", "c"), merge(4, "c", "a"), // contradiction and circle
		merge(5, "x", "gone"), split(6, "s", "s"), {ID: 7, Kind: "nonsense"}, lock(8, "l", "m"), lock(9, "m", "n"), merge(10, "m", "o"), merge(11, "p"),
	}
	want := map[int64]string{1: Applied, 2: Contradicted, 3: Applied, 4: Contradicted, 5: Waiting, 6: Contradicted, 7: Contradicted, 8: Applied, 9: Contradicted, 10: Contradicted, 11: Waiting}
	records := strings.Fields("a b c s l m n o p x")
	for seed := range uint64(20) {
		shuffled := slices.Clone(list)
		rand.New(rand.NewPCG(seed, 1)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		r := Resolve(shuffled, here)
		if len(r.Verdicts) != len(list) {
			t.Fatalf("%d verdicts of %d", len(r.Verdicts), len(list))
		}
		for _, v := range r.Verdicts {
			if v.Status != want[v.ID] {
				t.Errorf("override %d is %s (%s), want %s", v.ID, v.Status, v.Why, want[v.ID])
			}
			if v.Status == Contradicted && v.Why == "" {
				t.Errorf("override %d is set aside without a reason", v.ID)
			}
		}
		links := []Link{{"a", "c", 99_000}, {"n", "l", 99_000}, {"m", "o", 99_000}, {"b", "c", 99_000}}
		of := group(records, links, r)
		if of["a"] != of["b"] || of["a"] == of["c"] || of["l"] != of["m"] || of["l"] == of["n"] || of["m"] == of["o"] {
			t.Errorf("groups %v", of)
		}
	}
}

// TestGroupHoldsRules: on generated evidence and overrides, nothing that is kept apart is together, no lock is broken, and
// neither order of records nor of links changes anything.
func TestGroupHoldsRules(t *testing.T) {
	for seed := range uint64(400) {
		rng := rand.New(rand.NewPCG(seed, 3))
		var records []string
		for i := range 14 {
			records = append(records, fmt.Sprintf("r%02d", i))
		}
		pick := func() string { return records[rng.IntN(len(records))] }
		var links []Link
		for range rng.IntN(30) {
			a, b := pick(), pick()
			if a != b {
				links = append(links, Link{min(a, b), max(a, b), int64(rng.IntN(4))})
			}
		}
		var said []Override
		for i := range rng.IntN(8) {
			id := int64(i + 1)
			switch rng.IntN(4) {
			case 0, 1:
				said = append(said, merge(id, pick(), pick(), pick()))
			case 2:
				said = append(said, split(id, pick(), pick()))
			case 3:
				said = append(said, lock(id, pick(), pick()))
			}
		}
		here := func(string) bool { return true }
		rules := Resolve(said, here)
		of := group(records, links, rules)
		for _, v := range rules.Verdicts {
			o := said[v.ID-1]
			if v.Status != Applied {
				continue
			}
			switch o.Kind {
			case Merge, Lock:
				for _, k := range append(slices.Clone(o.Left), o.Right...) {
					if of[k] != of[o.Left[0]] {
						t.Fatalf("seed %d: %+v does not hold in %v", seed, o, of)
					}
				}
				if o.Kind == Lock {
					for _, k := range records {
						if of[k] == of[o.Left[0]] && !slices.Contains(o.Left, k) {
							t.Fatalf("seed %d: %s joined the locked %+v", seed, k, o)
						}
					}
				}
			case Split:
				if of[o.Left[0]] == of[o.Right[0]] {
					t.Fatalf("seed %d: %+v does not hold in %v", seed, o, of)
				}
			}
		}
		for range 3 {
			rng.Shuffle(len(links), func(i, j int) { links[i], links[j] = links[j], links[i] })
			shuffled := slices.Clone(records)
			rng.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
			again := group(shuffled, links, Resolve(said, here))
			for _, k := range records {
				if again[k] != of[k] {
					t.Fatalf("seed %d: another order gives another group for %s", seed, k)
				}
			}
		}
	}
}

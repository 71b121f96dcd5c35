package identity

import (
	"context"
	"iter"
	"math/rand/v2"
	"os"
	"reflect"
	"testing"

	"millrace/internal/match/matchtest"
	"millrace/transform"
	"millrace/transform/relation"
)

// rows is a relation in memory.
type rows struct {
	columns []relation.Column
	list    [][]any
}

func (r *rows) Append(row ...any) error {
	r.list = append(r.list, row)
	return nil
}

func (r *rows) input(options any) transform.OperatorInput {
	return transform.OperatorInput{Columns: r.columns, Count: int64(len(r.list)), Options: options,
		Rows: func(context.Context) iter.Seq2[[]any, error] {
			return func(yield func([]any, error) bool) {
				for _, row := range r.list {
					if !yield(row, nil) {
						return
					}
				}
			}
		}}
}

func operate(t testing.TB, op transform.Operator, in *rows, options any) *rows {
	t.Helper()
	cols, err := op.Output(in.columns, options)
	if err != nil {
		t.Fatal(err)
	}
	out := &rows{columns: cols}
	if err := op.Run(context.Background(), in.input(options), out); err != nil {
		t.Fatal(err)
	}
	return out
}

// crm is a generated CRM export: records of people who are known.
func crm(n int) []matchtest.Record {
	var out []matchtest.Record
	matchtest.People(matchtest.Options{Records: n, Seed: 5}, func(r matchtest.Record) { out = append(out, r) })
	return out
}

// matchSettings are those of sql/identity/person_links.sql, with another cut.
func matchSettings(cut float64) *MatchOptions {
	o := &MatchOptions{Entity: "person", Cut: cut, Review: 0, Guard: -4, Require: [][]string{
		{"name:exact", "name:swapped", "name:short", "name:given_close"},
		{"email:exact", "email:typo", "phone:exact", "employer:exact", "employer:alike"}}}
	for _, f := range [][2]string{{"email", "email"}, {"phone", "phone"}, {"first_name", "given_name"}, {"last_name", "surname"}, {"company_name", "employer"}} {
		o.Fields = append(o.Fields, MatchField{Column: f[0], Type: f[1]})
	}
	return o
}

func values(r matchtest.Record) []any {
	return []any{orNull(r.Email), orNull(r.Phone), orNull(r.Given), orNull(r.Surname), orNull(r.Employer)}
}

// train learns a model from records.
func train(t testing.TB, list []matchtest.Record, o *MatchOptions) string {
	in := &rows{columns: o.inputs()}
	for _, r := range list {
		in.list = append(in.list, append([]any{r.Key}, values(r)...))
	}
	for _, row := range operate(t, Train{}, in, o).list {
		if row[0] == "model" {
			return row[8].(string)
		}
	}
	t.Fatal("no model")
	return ""
}

// groupsOf compares records by a model.
func groupsOf(t testing.TB, list []matchtest.Record, model string, o *MatchOptions) map[string]string {
	in := &rows{columns: o.matchInputs()}
	// record_key, item, node_key, body, number, kind, left_keys, right_keys, columns
	for _, r := range list {
		in.list = append(in.list, append([]any{r.Key, "record", r.Key, nil, nil, nil, nil, nil}, values(r)...))
	}
	in.list = append(in.list, []any{nil, "model", nil, model, nil, nil, nil, nil, nil, nil, nil, nil, nil})
	of := map[string]string{}
	for _, r := range list {
		of[r.Key] = r.Key
	}
	for _, row := range operate(t, Match{}, in, o).list {
		if row[0] == "group" {
			of[row[1].(string)] = row[2].(string)
		}
	}
	return of
}

// remember carries ids over.
func remember(t testing.TB, memory *rows, list []matchtest.Record, of map[string]string) *rows {
	in := &rows{columns: memoryColumns()}
	for i, r := range list {
		in.list = append(in.list, []any{"record", int64(i + 1), r.Key, of[r.Key], nil, nil, nil, int64(1), nil, nil})
	}
	if memory != nil {
		in.list = append(in.list, memory.list...)
	}
	return operate(t, StableIDs{}, in, &StableIDsOptions{Prefix: "p_"})
}

func idsOf(memory *rows) map[string]string {
	out := map[string]string{}
	for _, row := range memory.list {
		if row[0] == "member" && row[5] == "present" {
			out[row[2].(string)] = row[3].(string)
		}
	}
	return out
}

// TestStability: how many records that nobody touched change their id when records are filled in, when the cut moves and when
// the model is learned anew. An entity is untouched when its records are the same before and after.
func TestStability(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	soak := os.Getenv("MILLRACE_SOAK") != ""
	n := 2_000
	if soak {
		n = 50_000
	}
	list := crm(n)
	rng := rand.New(rand.NewPCG(3, 9))
	var some, filled []matchtest.Record
	for _, r := range list {
		if rng.IntN(10) > 0 {
			some = append(some, r)
		}
		filled = append(filled, r)
	}
	o := matchSettings(9)
	model := train(t, some, o)
	before := remember(t, nil, some, groupsOf(t, some, model, o))
	old := idsOf(before)

	for _, x := range []struct {
		name  string
		most  float64 // percent of the records that were there, touched or not; below 0: as many as the evidence parts or joins
		after func() *rows
		slow  bool
	}{
		{"10 % of the records filled in, at random in time", 0.5, func() *rows { return remember(t, before, filled, groupsOf(t, filled, model, o)) }, false},
		{"10 % filled in and the model learned anew", -1, func() *rows {
			return remember(t, before, filled, groupsOf(t, filled, train(t, filled, o), o))
		}, false},
		{"cut 3 bits higher", -1, func() *rows { up := matchSettings(12); return remember(t, before, some, groupsOf(t, some, model, up)) }, false},
		{"cut 3 bits lower", -1, func() *rows {
			down := matchSettings(6)
			return remember(t, before, some, groupsOf(t, some, model, down))
		}, false},
		{"model learned from another tenth left out", -1, func() *rows {
			return remember(t, before, some, groupsOf(t, some, train(t, list[len(list)/10:], o), o))
		}, true},
		{"nothing", 0, func() *rows { return remember(t, before, some, groupsOf(t, some, model, o)) }, false},
	} {
		if x.slow && !soak {
			continue
		}
		now := idsOf(x.after())
		changed := 0
		for k, id := range old {
			if now[k] != id {
				changed++
			}
		}
		whole, lost := untouched(old, now)
		share := 100 * float64(changed) / float64(len(old))
		t.Logf("%-48s %3d of %d untouched people change id; of all %d records, also those of people who were merged or split, %.3f %%",
			x.name, lost, whole, len(old), share)
		if lost > 0 {
			t.Errorf("%s: %d people whose records are the same changed their id", x.name, lost)
		}
		if x.most >= 0 && share > x.most {
			t.Errorf("%s: %.3f %% of the records change id, more than %.1f %%", x.name, share, x.most)
		}
	}
	// P4: the order of the records changes nothing.
	shuffled := append([]matchtest.Record(nil), some...)
	rng.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	if again := train(t, shuffled, o); again != model {
		t.Error("shuffled records give another model")
	}
	if again := groupsOf(t, shuffled, model, o); !reflect.DeepEqual(again, groupsOf(t, some, model, o)) {
		t.Error("shuffled records give other groups")
	}
	if len(old) == people(old) {
		t.Error("nobody has two records: the test tests nothing")
	}
}

// untouched counts the people whose earlier records are together and with no other earlier record, and those of them whose id
// is another one.
func untouched(old, now map[string]string) (whole, lost int) {
	was, is := map[string][]string{}, map[string]int{}
	for k, id := range old {
		was[id] = append(was[id], k)
		is[now[k]]++
	}
	for id, keys := range was {
		same := is[now[keys[0]]] == len(keys)
		for _, k := range keys {
			same = same && now[k] == now[keys[0]]
		}
		if same {
			whole++
			if now[keys[0]] != id {
				lost++
			}
		}
	}
	return whole, lost
}

func people(ids map[string]string) int {
	set := map[string]bool{}
	for _, id := range ids {
		set[id] = true
	}
	return len(set)
}

package activate_test

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"millrace/activate"
	"millrace/activate/desttest"
	"millrace/internal/duck"
	"millrace/internal/state"
	"millrace/transform/relation"
)

// fileSource is a build in a DuckDB file: what production has.
type fileSource struct {
	path string
	b    relation.Build
}

func (f *fileSource) Build() relation.Build { return f.b }
func (f *fileSource) Attach(context.Context) (string, duck.Options, error) {
	return f.path, duck.Options{Threads: 2, MemoryLimit: "512MB"}, nil
}
func (f *fileSource) Query(ctx context.Context, q string) iter.Seq2[[]any, error] {
	return func(yield func([]any, error) bool) { yield(nil, fmt.Errorf("the relation was read row by row: %s", q)) }
}

// inFile writes the rows of a build into a file.
func inFile(tb testing.TB, s *desttest.Source) *fileSource {
	tb.Helper()
	f := &fileSource{path: filepath.Join(tb.TempDir(), s.ID+".duckdb"), b: s.Build()}
	db, err := duck.Open(tb.Context(), f.path, duck.Options{Threads: 1})
	if err != nil {
		tb.Fatal(err)
	}
	defer db.Close()
	must := func(err error) {
		if err != nil {
			tb.Fatal(err)
		}
	}
	must(db.Exec(tb.Context(), "create schema segments"))
	must(db.Exec(tb.Context(), "create table segments.leads (email varchar, person_id varchar, decision_id varchar, score bigint, reason varchar, phone varchar)"))
	for _, r := range s.Rows {
		var vs []string
		for _, c := range []string{"email", "person_id", "decision_id", "score", "reason", "phone"} {
			switch v := r[c].(type) {
			case nil:
				vs = append(vs, "null")
			case string:
				vs = append(vs, duck.Quote(v))
			default:
				vs = append(vs, fmt.Sprint(v))
			}
		}
		must(db.Exec(tb.Context(), "insert into segments.leads values ("+strings.Join(vs, ", ")+")"))
	}
	return f
}

// overFiles makes the rig's engine read its builds from files.
func overFiles(r *rig) func(context.Context, string) (activate.Warehouse, func() error, error) {
	made := map[*desttest.Source]*fileSource{}
	return func(_ context.Context, id string) (activate.Warehouse, func() error, error) {
		if id == "" {
			id = r.now
		}
		s := r.builds[id]
		if made[s] == nil {
			made[s] = inFile(r.t, s)
		}
		return made[s], func() error { return nil }, nil
	}
}

// The comparison inside the database and the one row by row make the same plans and leave the same ledgers, whatever
// happens to rows, members and consents, with a snapshot or without.
func TestTheDatabaseFindsWhatGoFinds(t *testing.T) {
	for _, c := range []struct{ name, text string }{
		{"records", records}, {"audience", audience},
		{"mirror", strings.Replace(records, "relation:", "mode: mirror\nrelation:", 1)},
		{"insert", strings.Replace(records, "relation:", "mode: insert\nrelation:", 1)},
	} {
		t.Run(c.name, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(11, 3))
			text := strings.Replace(c.text, "first_run: allow", "first_run: allow, min_rows: 0, max_changed_pct: 100, max_blanked_pct: 100, max_shrink_pct: 100, max_vs_median: 100000", 1)
			rigs := []*rig{newRig(t), newRig(t)}
			files := overFiles(rigs[0])
			dest := func(r *rig) activate.Destination {
				if c.name == "audience" {
					return desttest.NewAudience(r.world, 7)
				}
				return desttest.NewRecords(r.world, 7)
			}
			rows := leads(30, 50)
			changed, held := 0, 0
			for night := range 9 {
				next := make([]map[string]any, 0, len(rows))
				for i, row := range rows {
					x := map[string]any{}
					for k, v := range row {
						x[k] = v
					}
					switch rnd.IntN(12) {
					case 0:
						x["score"] = rnd.IntN(100)
					case 1:
						x["reason"] = nil
					case 2:
						if night > 2 {
							continue // it leaves
						}
					case 3:
						if email, ok := x["email"].(string); ok {
							x["email"] = strings.ToUpper(email[:1]) + email[1:]
						}
					case 4:
						if night == 5 {
							next = append(next, lead(i, 1)) // twice, differently
						}
						if night == 6 {
							next = append(next, x) // twice, word for word
						}
					case 5:
						x["phone"] = fmt.Sprint("+49", rnd.IntN(1000000))
					}
					next = append(next, x)
				}
				if night%4 == 3 {
					next = append(next, lead(40+night, 3), map[string]any{"email": nil, "score": 1})
				}
				rows = next
				var bodies []string
				for i, r := range rigs {
					r.clock = t0.Add(time.Duration(night) * 24 * time.Hour)
					r.publish(next...)
					for p := range 45 {
						if c.name == "audience" && (p+night)%9 == 0 {
							r.deny(fmt.Sprint("p", p))
						} else if night == 0 {
							r.grant(fmt.Sprint("p", p))
						}
					}
					s, d := r.sync(text), dest(r)
					engine := func() *activate.Engine {
						e := r.engine()
						if i == 0 {
							e.Open = files
						}
						return e
					}
					if _, err := engine().Continue(t.Context(), s, d); err != nil {
						t.Fatal(err)
					}
					p, err := engine().Plan(t.Context(), s, d)
					if err != nil {
						t.Fatal(err)
					}
					changed += p.Changes
					if p.State == state.PlanWaiting { // duplicates
						held++
						if p, err = engine().Approve(t.Context(), s, p.ID, "bob", "", true); err != nil {
							t.Fatal(err)
						}
					}
					if p.Changes > 0 {
						if a, err := engine().Apply(t.Context(), s, d, p.ID); err != nil || !a.Done {
							t.Fatalf("night %d: %+v %v", night, a, err)
						}
					}
					if i == 0 && night%3 == 1 {
						if err := engine().Compact(t.Context(), s, d); err != nil {
							t.Fatal(err)
						}
					}
					p.Samples = nil
					body, err := json.Marshal(p)
					if err != nil {
						t.Fatal(err)
					}
					bodies = append(bodies, string(body))
				}
				if bodies[0] != bodies[1] {
					t.Fatalf("night %d: the database finds\n%s\nand Go finds\n%s", night, bodies[0], bodies[1])
				}
				if !reflect.DeepEqual(rigs[0].world.Dump(), rigs[1].world.Dump()) {
					t.Fatalf("night %d: the worlds differ", night)
				}
			}
			if changed < 45 || c.name != "insert" && held == 0 {
				t.Errorf("%d changes and %d held plans say too little", changed, held)
			}
		})
	}
}

// A snapshot that is lost or damaged costs time, nothing else.
func TestLostSnapshot(t *testing.T) {
	r := newRig(t)
	s, d := r.sync(records), desttest.NewRecords(r.world, 50)
	r.publish(leads(100, 50)...)
	open := overFiles(r)
	engine := func() *activate.Engine { e := r.engine(); e.Open = open; return e }
	p, err := engine().Plan(t.Context(), s, d)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := engine().Apply(t.Context(), s, d, p.ID); err != nil {
		t.Fatal(err)
	}
	if err := engine().Compact(t.Context(), s, d); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(r.dir, "acked", "*.parquet"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v %v", files, err)
	}
	for _, damage := range []func() error{func() error { return writeFile(files[0], "not a file of that kind") }, func() error { return removeFile(files[0]) }} {
		if err := damage(); err != nil {
			t.Fatal(err)
		}
		if p, err := engine().Plan(t.Context(), s, d); err != nil || p.Verdict != activate.VerdictEmpty || p.Unchanged != 100 {
			t.Errorf("%+v %v", p, err)
		}
	}
}

func writeFile(path, text string) error { return os.WriteFile(path, []byte(text), 0o600) }
func removeFile(path string) error      { return os.Remove(path) }

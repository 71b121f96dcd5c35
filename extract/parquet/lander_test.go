package parquet

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"millrace/extract"
	"millrace/extract/landing"
	"millrace/internal/duck"
	"millrace/internal/fault"
)

func clock() time.Time { return time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC) }

// loadOne lands batches as one load of s.t.
func loadOne(t *testing.T, l *Lander, spec extract.StreamSpec, run string, batches ...*extract.Batch) landing.Manifest {
	t.Helper()
	m, err := tryLoad(t.Context(), l, spec, run, batches...)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func tryLoad(ctx context.Context, l *Lander, spec extract.StreamSpec, run string, batches ...*extract.Batch) (landing.Manifest, error) {
	if spec.Name == "" {
		spec.Name = "t"
	}
	w, err := l.Begin(ctx, extract.BeginParams{Source: "s", Spec: spec, RunID: run})
	if err != nil {
		return landing.Manifest{}, err
	}
	defer w.Abort()
	for _, b := range batches {
		if err := w.Write(ctx, b); err != nil {
			return landing.Manifest{}, err
		}
	}
	return w.Commit(ctx, landing.Checkpoint{Version: 1, State: json.RawMessage(`{}`)}, false)
}

// read gives the stream's rows through DuckDB as a union cast to the union schema, which is how they are read for SQL.
func read(t *testing.T, raw, cols string) string {
	t.Helper()
	loads, err := landing.Loads(raw, "s", "t")
	if err != nil {
		t.Fatal(err)
	}
	loads = landing.Current(loads)
	u := landing.Union(loads)
	var parts []string
	for _, g := range landing.Groups(loads) {
		has := map[string]bool{}
		for _, c := range g.Columns {
			has[c.Name] = true
		}
		var sel, paths []string
		for _, c := range u.Columns {
			if has[c.Name] {
				sel = append(sel, fmt.Sprintf("cast(%s as %s) as %[1]s", duck.Ident(c.Name), c.Type))
			} else {
				sel = append(sel, fmt.Sprintf("cast(null as %s) as %s", c.Type, duck.Ident(c.Name)))
			}
		}
		for _, p := range g.Paths {
			paths = append(paths, duck.Quote(p))
		}
		sel = append(sel, operational...)
		parts = append(parts, fmt.Sprintf("select %s from read_parquet([%s], union_by_name=true)", strings.Join(sel, ","), strings.Join(paths, ",")))
	}
	db, err := duck.Open(t.Context(), "", duck.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	res, err := db.Query(t.Context(), "select "+cols+" from ("+strings.Join(parts, " union all by name ")+") order by _load_id, _row_id")
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(res.Rows)
}

func text(cols string, rows ...string) *extract.Batch {
	b := &extract.Batch{Columns: strings.Split(cols, ","), Text: true}
	for _, r := range rows {
		var cells []any
		for _, c := range strings.Split(r, ",") {
			if c == "" {
				cells = append(cells, nil)
			} else {
				cells = append(cells, c)
			}
		}
		b.Rows = append(b.Rows, cells)
	}
	return b
}

func TestWidenWithinALoad(t *testing.T) {
	raw := t.TempDir()
	l := New(Options{Dir: raw, Now: clock, InferRows: 2})
	defer l.Close()
	m := loadOne(t, l, extract.StreamSpec{}, "r1", text("id,v", "1,5", "2,"), text("id,v", "3,2.5", "4,7"), text("v,id,late", "x,5,2026-01-01", "8,6,"))
	if m.Rows != 6 || len(m.Files) != 3 {
		t.Fatalf("%+v", m)
	}
	if got := m.Files[0].Columns; got["v"] != landing.BigInt || got["late"] != "" || len(got) != 2 {
		t.Errorf("%+v", got)
	}
	if got, want := read(t, raw, "id, v, late::varchar"), "[[1 5 <nil>] [2 <nil> <nil>] [3 2.5000 <nil>] [4 7.0000 <nil>] [5 x 2026-01-01] [6 8 <nil>]]"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, f := range m.Files {
		data, err := os.ReadFile(filepath.Join(m.Dir, f.Name))
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(data)
		if int64(len(data)) != f.Bytes || hex.EncodeToString(sum[:]) != f.SHA256 {
			t.Errorf("%s: size or hash do not match the manifest", f.Name)
		}
	}
}

func TestTypesOverLoads(t *testing.T) {
	raw := t.TempDir()
	l := New(Options{Dir: raw, Now: clock})
	defer l.Close()
	loadOne(t, l, extract.StreamSpec{}, "r1", text("id,zip,none", "1,10115,", "2,20095,"))
	m := loadOne(t, l, extract.StreamSpec{}, "r2", text("id,zip,none", "3,01067,true"))
	want := []landing.SchemaChange{{Column: "zip", Kind: "widened", From: landing.BigInt, To: landing.Varchar}}
	if fmt.Sprint(m.Changes) != fmt.Sprint(want) {
		t.Errorf("%+v", m.Changes)
	}
	m = loadOne(t, l, extract.StreamSpec{}, "r3", text("id,extra", "4,x"))
	if s := fmt.Sprint(m.Changes); !strings.Contains(s, "{zip missing") || !strings.Contains(s, "{extra added") {
		t.Errorf("%+v", m.Changes)
	}
	if got, want := read(t, raw, `id, zip, "none"::varchar, extra`), "[[1 10115 <nil> <nil>] [2 20095 <nil> <nil>] [3 01067 true <nil>] [4 <nil> <nil> x]]"; got != want {
		t.Errorf("%s", got)
	}
}

func TestCells(t *testing.T) {
	raw := t.TempDir()
	l := New(Options{Dir: raw, Now: clock})
	defer l.Close()
	at := time.Date(2026, 2, 3, 4, 5, 6, 123456789, time.UTC)
	loadOne(t, l, extract.StreamSpec{}, "r1", &extract.Batch{Columns: []string{"s", "i", "f", "b", "t", "n", "j", "mixed", "wide"}, Rows: [][]any{
		{"2026-01-01", int64(1) << 60, 0.1, true, at, json.Number("12.34"), json.RawMessage(`{"a":[1,2]}`), int64(1), json.Number("99999999999999999999")},
		{"007", int64(-5), 1e300, false, time.Unix(-1, 0), json.Number("-0.0001"), json.RawMessage(`[]`), "one", nil}}})
	if got, want := read(t, raw, `s, i, f, b, t::varchar, n::varchar, j::varchar, mixed, wide, typeof(s), typeof(n), typeof(j)`),
		`[[2026-01-01 1152921504606846976 0.1 true 2026-02-03 04:05:06.123456 12.3400 {"a":[1,2]} 1 99999999999999999999 VARCHAR DECIMAL(18,4) JSON] [007 -5 1e+300 false 1969-12-31 23:59:59 -0.0001 [] one <nil> VARCHAR DECIMAL(18,4) JSON]]`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestWideDecimals(t *testing.T) {
	raw := t.TempDir()
	l := New(Options{Dir: raw, Now: clock})
	defer l.Close()
	spec := extract.StreamSpec{Schema: landing.Schema{Columns: []landing.Column{{Name: "d", Type: landing.Decimal(38, 10)}, {Name: "r", Type: landing.Decimal(18, 8)}}}}
	m := loadOne(t, l, spec, "r1", text("d,r", "-1234567890123456789012345678.0123456789,1.08345678", "0.1,0.000000001", "1,2.50000000000"))
	if m.Quarantined != 1 {
		t.Errorf("%d rows lost a digit and were not quarantined", 1-m.Quarantined)
	}
	if got, want := read(t, raw, "d::varchar, r::varchar"), "[[-1234567890123456789012345678.0123456789 1.08345678] [1.0000000000 2.50000000]]"; got != want {
		t.Errorf("%s", got)
	}
}

func TestContracts(t *testing.T) {
	schema := landing.Schema{Columns: []landing.Column{{Name: "id", Type: landing.BigInt}}}
	for _, c := range []struct {
		columns, types string
		want           string // rows, quarantined, or part of the error
	}{
		{"", "", "[[1 {}] [3 {}]] 1"}, {"evolve", "evolve", "[[1 {}] [two {}] [3 {}]] 0"},
		{"discard", "discard", `[[1 {"x":"a"}] [<nil> {"id":"two","x":"b"}] [3 {}]] 0`},
		{"quarantine", "quarantine", "[[3 {}]] 2"}, {"freeze", "", "a field that the frozen schema does not know"}, {"discard", "freeze", `"two" is not a BIGINT`},
	} {
		raw := t.TempDir()
		l := New(Options{Dir: raw, Now: clock})
		m, err := tryLoad(t.Context(), l, extract.StreamSpec{Schema: schema, Contract: extract.Contract{Columns: c.columns, Types: c.types}}, "r",
			&extract.Batch{Columns: []string{"id", "x"}, Rows: [][]any{{int64(1), "a"}, {"two", "b"}, {int64(3), nil}}})
		got := fmt.Sprint(err)
		if err == nil {
			got = fmt.Sprint(read(t, raw, "id, coalesce(_extra::varchar,'{}')"), " ", m.Quarantined)
		} else if left, _ := landing.Loads(raw, "s", "t"); len(left) > 0 {
			t.Error("a load that failed was committed")
		}
		if !strings.Contains(got, c.want) {
			t.Errorf("columns %q, types %q: %s, want %s", c.columns, c.types, got, c.want)
		}
		l.Close()
	}
}

func TestLock(t *testing.T) {
	raw := t.TempDir()
	a, b := New(Options{Dir: raw, Now: clock}), New(Options{Dir: raw, Now: clock})
	loadOne(t, a, extract.StreamSpec{}, "r1", text("id", "1"))
	_, err := tryLoad(t.Context(), b, extract.StreamSpec{}, "r2", text("id", "2"))
	if fault.ExitCode(err) != fault.ExitLocked || !strings.Contains(err.Error(), fmt.Sprint("pid ", os.Getpid())) {
		t.Errorf("%v", err)
	}
	w, err := a.Begin(t.Context(), extract.BeginParams{Source: "s", Spec: extract.StreamSpec{Name: "t"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Begin(t.Context(), extract.BeginParams{Source: "s", Spec: extract.StreamSpec{Name: "t"}}); err == nil {
		t.Error("two loads of one stream were open at once")
	}
	if err := w.Abort(); err != nil {
		t.Error(err)
	}
	a.Close()
	loadOne(t, b, extract.StreamSpec{}, "r2", text("id", "2"))
	b.Close()
	if _, err := tryLoad(t.Context(), New(Options{Dir: raw}), extract.StreamSpec{Name: "../x"}, "r"); err == nil {
		t.Error("a stream name led out of the folder")
	}
}

func TestReplay(t *testing.T) {
	raw := t.TempDir()
	l := New(Options{Dir: raw, Now: clock})
	defer l.Close()
	spec := extract.StreamSpec{Name: "t", Schema: landing.Schema{Columns: []landing.Column{{Name: "id", Type: landing.BigInt}, {Name: "amount", Type: landing.BigInt}}}}
	b := text("id,amount,note", "1,10,a", "2,2.5,b", "3,abc,c")
	b.Bad = []extract.BadRow{{RowID: "x:9", Reason: "ragged", Raw: []byte("9;")}}
	first := loadOne(t, l, spec, "r1", b)
	loadOne(t, l, spec, "r2", text("id,amount", "4,40"))
	begin := extract.BeginParams{Source: "s", Spec: spec, RunID: "r3"}
	if _, done, err := l.Replay(t.Context(), begin); err != nil || done {
		t.Fatalf("nothing fits yet: %v %v", done, err)
	}
	begin.Spec.Schema.Columns[1].Type = landing.Money
	m, done, err := l.Replay(t.Context(), begin)
	if err != nil || !done || m.Rows != 1 || m.Quarantined != 2 || fmt.Sprint(m.Replayed) != "["+first.LoadID+"]" || string(m.After.State) != "{}" {
		t.Fatalf("%+v %v %v", m, done, err)
	}
	if _, done, err := l.Replay(t.Context(), begin); err != nil || done {
		t.Fatalf("a row was replayed twice: %v", err)
	}
	if got, want := read(t, raw, "id, amount::varchar, note, _load_id"), fmt.Sprintf("[[1 10.0000 a %[1]s] [2 2.5000 b %[1]s] [4 40.0000 <nil> 000002-20261121T080000Z]]", first.LoadID); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	loads, _ := landing.Loads(raw, "s", "t")
	var reasons []string
	for _, w := range Waiting(loads) {
		for q, err := range ReadQuarantine(w) {
			if err != nil {
				t.Fatal(err)
			}
			reasons = append(reasons, q.Load+" "+q.RowID+" "+q.Reason)
		}
	}
	if got := strings.Join(reasons, "|"); got != first.LoadID+` x:9 ragged|`+first.LoadID+` 3 amount: "abc" is not a DECIMAL(18,4)` {
		t.Error(got)
	}
}

func TestCompact(t *testing.T) {
	raw := t.TempDir()
	build := func(l *Lander) {
		for i := range 6 {
			b := text("id,amount,note", fmt.Sprintf("%d,%d.25,n%d", i, i, i), fmt.Sprintf("%d,x,bad", i))
			spec := extract.StreamSpec{Schema: landing.Schema{Columns: []landing.Column{{Name: "id", Type: landing.BigInt}, {Name: "amount", Type: landing.Money}}, PrimaryKey: []string{"id"}}, Disposition: landing.Merge}
			loadOne(t, l, spec, "r1", b)
		}
	}
	l := New(Options{Dir: raw, Now: clock, CompactLoads: 3})
	build(l)
	before := read(t, raw, "*")
	n, err := l.Compact(t.Context(), "s", "t", "r1")
	if err != nil || n != 5 {
		t.Fatalf("%d %v", n, err)
	}
	loads, err := landing.Loads(raw, "s", "t")
	if err != nil || len(loads) != 2 || len(loads[0].Replaces) != 5 || loads[0].Quarantined != 5 || fmt.Sprint(loads[0].Schema.PrimaryKey) != "[id]" {
		t.Fatalf("%+v %v", loads, err)
	}
	if after := read(t, raw, "*"); after != before {
		t.Errorf("compaction changed rows:\n%s\n%s", before, after)
	}
	count := func() int {
		dirs, err := filepath.Glob(filepath.Join(raw, "s", "t", "0*"))
		if err != nil {
			t.Fatal(err)
		}
		return len(dirs)
	}
	if count() != 7 {
		t.Error("the replaced loads were removed while a reader of this run may still need them")
	}
	if _, err := l.Compact(t.Context(), "s", "t", "r2"); err != nil || count() != 2 {
		t.Errorf("%d folders left, %v", count(), err)
	}
	if after := read(t, raw, "*"); after != before {
		t.Error("dropping changed rows")
	}
	l.Close()

	// A crash at any step leaves one truth.
	crash := errors.New("crash")
	for at := 1; ; at++ {
		raw := t.TempDir()
		l := New(Options{Dir: raw, Now: clock, CompactLoads: 3})
		build(l)
		l.Close()
		step := 0
		l = New(Options{Dir: raw, Now: clock, CompactLoads: 3, Fault: func(string) error {
			if step++; step == at {
				return crash
			}
			return nil
		}})
		_, err := l.Compact(t.Context(), "s", "t", "r1")
		if err == nil {
			_, err = l.Compact(t.Context(), "s", "t", "r2")
		}
		if got := read(t, raw, "*"); !strings.Contains(strings.ReplaceAll(got, raw, ""), "n0") || got != before {
			t.Fatalf("crash at step %d:\n%s\n%s", at, before, got)
		}
		l.Close()
		if err == nil {
			if at < 10 {
				t.Errorf("only %d steps", at)
			}
			break
		}
		if !errors.Is(err, crash) {
			t.Fatal(err)
		}
	}
}

func TestSweepAndAbort(t *testing.T) {
	raw := t.TempDir()
	l := New(Options{Dir: raw, Now: clock})
	defer l.Close()
	left := filepath.Join(raw, "s", "t", "000007-x")
	if err := os.MkdirAll(left, 0o755); err != nil {
		t.Fatal(err)
	}
	w, err := l.Begin(t.Context(), extract.BeginParams{Source: "s", Spec: extract.StreamSpec{Name: "t"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Error("what a killed load left is still there")
	}
	if err := w.Write(t.Context(), text("a", "1")); err != nil {
		t.Fatal(err)
	}
	if err := w.Abort(); err != nil {
		t.Fatal(err)
	}
	if dirs, _ := filepath.Glob(filepath.Join(raw, "s", "t", "0*")); len(dirs) != 0 {
		t.Errorf("%v", dirs)
	}
	if _, err := w.Commit(t.Context(), landing.Checkpoint{}, false); err == nil {
		t.Error("a load was committed after it was given up")
	}
}

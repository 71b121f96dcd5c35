package transform

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"millrace/transform/relation"
)

func values(rows string) string { return "select * from (values " + rows + ")" }

func TestIncremental(t *testing.T) {
	dir := t.TempDir()
	f := files{
		"sql/staging/e.sql": values("(1, 'a'), (2, 'b')") + " as t(id, v)",
		"sql/core/e.sql":    "/* ---\nmaterialized: incremental\nunique_key: id\n--- */\nselect id, v from staging.e",
	}
	build(t, dir, load(t, f))
	f["sql/staging/e.sql"] = values("(2, 'B'), (3, 'c')") + " as t(id, v)"
	build(t, dir, load(t, f))
	wantRows(t, dir, "from core.e order by id", "1|a", "2|B", "3|c") // old keys stay, known ones are replaced
	// The model's own text changed: it starts anew.
	f["sql/core/e.sql"] = strings.Replace(f["sql/core/e.sql"], "select id, v", "select id, upper(v) as v", 1)
	build(t, dir, load(t, f))
	wantRows(t, dir, "from core.e order by id", "2|B", "3|C")
	// A full refresh is another version for what reads it, although the inputs are the same.
	f["sql/staging/e.sql"] = values("(9, 'z')") + " as t(id, v)"
	f["sql/metrics/n.sql"] = "select count(*) as n from core.e"
	build(t, dir, load(t, f))
	wantRows(t, dir, "from metrics.n", "3")
	build(t, dir, load(t, f), func(p *BuildParams) { p.FullRefresh = true })
	wantRows(t, dir, "from core.e", "9|Z")
	wantRows(t, dir, "from metrics.n", "1")
	f["sql/staging/e.sql"] = values("(9, 'z'), (9, 'y')") + " as t(id, v)"
	r := build(t, dir, load(t, f))
	if !strings.Contains(statuses(r), "core.e=failed") || !strings.Contains(messages(r), "unique_key") {
		t.Errorf("%s %s", statuses(r), messages(r))
	}
	wantRows(t, dir, "from core.e", "9|Z")
}

// TestIncrementalReadsItself: the model sees its last published version in plain SQL, empty at first.
func TestIncrementalReadsItself(t *testing.T) {
	dir := t.TempDir()
	f := files{
		"sql/staging/e.sql": values("(1, 10), (2, 20)") + " as t(id, v)",
		"sql/core/e.sql": `/* ---
materialized: incremental
unique_key: id
columns: {id: {type: INTEGER, data_tests: [{accepted_range: {min: 0}}]}, seen: {type: BIGINT}}
--- */
select e.id, e.v, coalesce((select max(seen) from core.e), 0)::bigint + 1 as seen
from staging.e e
where e.id > coalesce((select max(id) from core.e), -100)`,
	}
	build(t, dir, load(t, f))
	wantRows(t, dir, "from core.e order by id", "1|10|1", "2|20|1")
	f["sql/staging/e.sql"] = values("(1, 11), (3, 30)") + " as t(id, v)"
	build(t, dir, load(t, f))
	wantRows(t, dir, "from core.e order by id", "1|10|1", "2|20|1", "3|30|2")
	build(t, dir, load(t, f), func(p *BuildParams) { p.FullRefresh = true })
	wantRows(t, dir, "from core.e order by id", "1|11|1", "3|30|1")
	// A first build whose audit fails leaves nothing behind, not even the empty stand-in.
	other := t.TempDir()
	f["sql/staging/e.sql"] = values("(-5, 11)") + " as t(id, v)"
	r := build(t, other, load(t, f))
	if got := statuses(r); !strings.Contains(got, "core.e=failed") {
		t.Error(got)
	}
	wantRows(t, other, "select count(*) from information_schema.tables where table_schema = 'core'", "0")
	// And a later one that fails brings the published version back.
	r = build(t, dir, load(t, f), func(p *BuildParams) { p.FullRefresh = true })
	if got := statuses(r); !strings.Contains(got, "core.e=failed") {
		t.Error(got)
	}
	wantRows(t, dir, "from core.e order by id", "1|11|1", "3|30|1")
}

func at(g *Graph, day int) *Graph {
	g.Run.Now = time.Date(2026, 1, day, 0, 0, 0, 0, time.UTC)
	return g
}

func TestSnapshot(t *testing.T) {
	dir := t.TempDir()
	f := files{
		"sql/staging/s.sql": values("(1, 'new'), (2, 'new')") + " as t(id, stage)",
		"sql/core/s.sql":    "/* ---\nmaterialized: snapshot\nunique_key: id\n--- */\nselect id, stage from staging.s",
	}
	q := "select id, stage, strftime(valid_from, '%d'), strftime(valid_to, '%d') from core.s order by id, valid_from"
	build(t, dir, at(load(t, f), 1))
	wantRows(t, dir, q, "1|new|01|NULL", "2|new|01|NULL")
	f["sql/staging/s.sql"] = values("(1, 'won'), (3, 'new')") + " as t(id, stage)"
	build(t, dir, at(load(t, f), 5))
	wantRows(t, dir, q, "1|new|01|05", "1|won|05|NULL", "2|new|01|NULL", "3|new|05|NULL") // 2 is gone and stays open: hard_deletes: ignore
	// Full refresh and another text keep the memory; a column that comes later is NULL before.
	f["sql/core/s.sql"] = "/* ---\nmaterialized: snapshot\nunique_key: id\nhard_deletes: invalidate\n--- */\nselect id, stage, id * 10 as points from staging.s"
	q = "select id, stage, points, strftime(valid_from, '%d'), strftime(valid_to, '%d') from core.s order by id, valid_from"
	build(t, dir, at(load(t, f), 7), func(p *BuildParams) { p.FullRefresh = true })
	wantRows(t, dir, q, "1|new|NULL|01|05", "1|won|NULL|05|07", "1|won|10|07|NULL", "2|new|NULL|01|07", "3|new|NULL|05|07", "3|new|30|07|NULL")

	// The warehouse is lost: the memory comes back from its export, the rest is built.
	before := digestOf(t, dir)
	if err := os.RemoveAll(filepath.Join(dir, "warehouse")); err != nil {
		t.Fatal(err)
	}
	r := build(t, dir, at(load(t, f), 7))
	if !strings.Contains(statuses(r), "core.s=unchanged") {
		t.Error(statuses(r))
	}
	if after := digestOf(t, dir); after.Digest != before.Digest {
		t.Errorf("after the loss %+v, before %+v", after, before)
	}
	f["sql/staging/s.sql"] = values("(1, 'lost')") + " as t(id, stage)"
	build(t, dir, at(load(t, f), 9))
	wantRows(t, dir, "select count(*) from core.s where id = 1", "4")

	// A crash just after the commit left the index behind: the next build mends it.
	if err := os.RemoveAll(filepath.Join(dir, "stateful")); err != nil {
		t.Fatal(err)
	}
	build(t, dir, at(load(t, f), 9))
	if err := os.RemoveAll(filepath.Join(dir, "warehouse")); err != nil {
		t.Fatal(err)
	}
	build(t, dir, at(load(t, f), 9))
	wantRows(t, dir, "select count(*) from core.s where id = 1", "4")
	if m, _ := filepath.Glob(filepath.Join(dir, "stateful", "core.s", "*")); len(m) != 1 {
		t.Errorf("files of the memory: %v", m)
	}
}

func TestSnapshotByTimestamp(t *testing.T) {
	dir := t.TempDir()
	f := files{"sql/core/s.sql": "/* ---\nmaterialized: snapshot\nunique_key: id\nupdated_at: changed\n--- */\nselect * from staging.s"}
	q := "select v, strftime(valid_from, '%d'), strftime(valid_to, '%d') from core.s order by valid_from"
	step := func(rows string) {
		t.Helper()
		f["sql/staging/s.sql"] = values(rows) + " as t(id, v, changed)"
		build(t, dir, load(t, f))
	}
	step("(1, 'a', timestamp '2026-01-01')")
	step("(1, 'b', timestamp '2026-01-04')")
	wantRows(t, dir, q, "a|01|04", "b|04|NULL")
	step("(1, 'late', timestamp '2026-01-02')") // an older row that arrives late ends nothing
	wantRows(t, dir, q, "a|01|04", "b|04|NULL")
	step("(1, 'c', timestamp '2026-01-04')") // the same instant is no change
	wantRows(t, dir, q, "a|01|04", "b|04|NULL")
}

func TestExternal(t *testing.T) {
	dir := t.TempDir()
	f := files{
		"sql/core/big.sql":  "/* ---\nmaterialized: external\n--- */\nselect range as i from range(1000)",
		"sql/core/last.sql": "/* ---\nmaterialized: view\n--- */\nselect max(i) as i from core.big",
	}
	build(t, dir, load(t, f))
	wantRows(t, dir, "from core.last", "999")
	for n := 1; n <= 4; n++ {
		f["sql/core/big.sql"] = fmt.Sprintf("/* ---\nmaterialized: external\n--- */\nselect range as i from range(%d)", 1000+n)
		build(t, dir, load(t, f))
	}
	wantRows(t, dir, "from core.last", "1003")
	if m, _ := filepath.Glob(filepath.Join(dir, "warehouse", "external", "core.big", "*")); len(m) != 3 {
		t.Errorf("kept %v, want those of three builds", m)
	}
	// What fails its audit leaves the published file in place.
	f["sql/core/big.sql"] = "/* ---\nmaterialized: external\ndata_tests: [{row_count: {min: 5}}]\n--- */\nselect range as i from range(3)"
	r := build(t, dir, load(t, f))
	if !strings.Contains(statuses(r), "core.big=failed") {
		t.Error(statuses(r))
	}
	wantRows(t, dir, "from core.last", "1003")
	// The folder is moved: the next build makes the file again.
	moved := filepath.Join(t.TempDir(), "elsewhere")
	if err := os.Rename(dir, moved); err != nil {
		t.Fatal(err)
	}
	f["sql/core/big.sql"] = "/* ---\nmaterialized: external\n--- */\nselect range as i from range(1004)"
	build(t, moved, load(t, f))
	wantRows(t, moved, "from core.last", "1003")
}

// chain is an operator: each row with the running number of its group, in Go.
type chain struct{ fail bool }

type chainOptions struct {
	Step int64 `yaml:"step" default:"1"`
}

func (chain) Version() string { return "1" }
func (chain) Options() any    { return &chainOptions{} }

func (chain) Output(in []relation.Column, _ any) ([]relation.Column, error) {
	if len(in) != 1 || in[0].Type != "BIGINT" {
		return nil, errors.New("the query must give one BIGINT column")
	}
	return []relation.Column{{Name: "i", Type: "BIGINT"}, {Name: "n", Type: "DECIMAL(18,2)"}, {Name: "label", Type: "VARCHAR"}}, nil
}

func (c chain) Run(ctx context.Context, in OperatorInput, out OperatorOutput) error {
	sum := int64(0)
	for row, err := range in.Rows(ctx) {
		if err != nil {
			return err
		}
		sum += row[0].(int64) * in.Options.(*chainOptions).Step
		if c.fail && sum > 100 {
			return errors.New("too much")
		}
		if err := out.Append(row[0], sum, fmt.Sprint("r", row[0])); err != nil {
			return err
		}
	}
	return nil
}

func loadWith(t *testing.T, f files, p LoadParams) *Graph {
	t.Helper()
	p.FS, p.Run = f.fs(), testRun()
	g, err := Load(context.Background(), p)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestOperator(t *testing.T) {
	dir := t.TempDir()
	f := files{
		"sql/core/chain.sql": "/* ---\nmaterialized: operator\noperator: chain\noptions: {step: 2}\ncolumns: {n: {data_tests: [not_null]}}\n--- */\nselect range as i from range(300000) order by i desc",
		"sql/core/top.sql":   "select max(n) as n, count(*) as rows from core.chain",
	}
	ops := map[string]Operator{"chain": chain{}}
	r := build(t, dir, loadWith(t, f, LoadParams{Operators: ops}))
	if r.Err() != nil {
		t.Fatal(r.Err(), r.Nodes)
	}
	wantRows(t, dir, "from core.top", "89999700000.00|300000")
	wantRows(t, dir, "from core.chain order by n limit 2", "299999|599998.00|r299999", "299998|1199994.00|r299998")
	// Its failure holds it and what reads it.
	f["sql/core/chain.sql"] = strings.Replace(f["sql/core/chain.sql"], "300000", "400000", 1)
	r = build(t, dir, loadWith(t, f, LoadParams{Operators: map[string]Operator{"chain": chain{fail: true}}}))
	if got := statuses(r); got != "core.chain=failed core.top=held" || !strings.Contains(messages(r), "too much") {
		t.Errorf("%s %+v", got, r.Nodes)
	}
	wantRows(t, dir, "from core.top", "89999700000.00|300000")
	f["sql/core/chain.sql"] = strings.Replace(f["sql/core/chain.sql"], "range as i", "'x' as i", 1)
	b, err := Bind(context.Background(), loadWith(t, f, LoadParams{Operators: ops}))
	if err != nil || b.Errors["core.chain"] == nil || !strings.Contains(b.Errors["core.chain"].Error(), "one BIGINT") {
		t.Errorf("bind: %v, %v", err, b.Errors)
	}
}

func TestGiven(t *testing.T) {
	dir := t.TempDir()
	given := func(version string, fail bool) LoadParams {
		return LoadParams{Given: []Given{{Name: "ops.runs", Version: version, Columns: []relation.Column{{Name: "id", Type: "BIGINT"}, {Name: "at", Type: "TIMESTAMP", Tags: []string{"operational"}}},
			Rows: func(yield func([]any, error) bool) {
				for i := range int64(3) {
					if fail && i == 2 {
						yield(nil, errors.New("cannot read"))
						return
					}
					if !yield([]any{i, time.Unix(i, 0).UTC()}, nil) {
						return
					}
				}
			}}}}
	}
	f := files{"sql/metrics/runs.sql": "select count(*) as n from ops.runs"}
	build(t, dir, loadWith(t, f, given("1", false)))
	wantRows(t, dir, "from metrics.runs", "3")
	if r := build(t, dir, loadWith(t, f, given("1", false))); r.Published {
		t.Error("the same version made a build")
	}
	r := build(t, dir, loadWith(t, f, given("2", true)))
	if got := statuses(r); got != "ops.runs=failed metrics.runs=held" {
		t.Error(got)
	}
	wantRows(t, dir, "from ops.runs select count(*)", "3")
}

// TestSelectedBuild builds a part: the rest stays, views that show it are renewed with it.
func TestSelectedBuild(t *testing.T) {
	dir := t.TempDir()
	f := files{
		"sql/core/a.sql": "select 1 as x",
		"sql/core/v.sql": "/* ---\nmaterialized: view\n--- */\nselect * from core.a",
		"sql/core/t.sql": "select * from core.v",
		"sql/core/o.sql": "select 1 as x",
	}
	build(t, dir, load(t, f))
	f["sql/core/a.sql"] = "select 2 as x, 3 as y"
	f["sql/core/o.sql"] = "select 2 as x"
	r := build(t, dir, load(t, f), only("core.a"))
	wantStatus(t, r, "core.a=built core.v=built")
	wantRows(t, dir, "from core.v", "2|3")
	wantRows(t, dir, "from core.t", "1")
	wantRows(t, dir, "from core.o", "1")
	r = build(t, dir, load(t, f))
	wantStatus(t, r, "core.a=unchanged core.o=built core.v=unchanged core.t=built")
	// What was never built cannot be read.
	other := t.TempDir()
	r = build(t, other, load(t, f), only("core.t"))
	if statuses(r) != "core.t=skipped" || !strings.Contains(messages(r), "core.v is not built yet") {
		t.Errorf("%s %s", statuses(r), messages(r))
	}
}

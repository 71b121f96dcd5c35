package transform

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"millrace/internal/duck"
	"millrace/internal/fault"
)

// files is a project's folder in memory.
type files map[string]string

func (f files) fs() fstest.MapFS {
	m := fstest.MapFS{}
	for name, text := range f {
		m[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return m
}

func testRun() Run {
	return Run{Project: "p", Target: "dev", TimeZone: time.UTC, Currency: "EUR", Now: time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)}
}

func load(t testing.TB, f files, raw ...RawStream) *Graph {
	t.Helper()
	g, err := Load(context.Background(), LoadParams{FS: f.fs(), Raw: raw, Run: testRun()})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

type buildOption func(*BuildParams)

func only(names ...string) buildOption { return func(p *BuildParams) { p.Only = names } }

func build(t testing.TB, dir string, g *Graph, opts ...buildOption) *BuildResult {
	t.Helper()
	p := BuildParams{Graph: g, Dir: dir, Clock: time.Now, Threads: 2}
	for _, o := range opts {
		o(&p)
	}
	r, err := Build(context.Background(), p)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// rows reads the published build: cells joined by |, rows sorted by the query.
func rows(t testing.TB, dir, q string) []string {
	t.Helper()
	db, _, err := Open(context.Background(), dir, duck.Options{Locked: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	res, err := db.Query(context.Background(), q)
	if err != nil {
		t.Fatalf("%s: %v", q, err)
	}
	var out []string
	for _, r := range res.Rows {
		var cells []string
		for _, c := range r {
			if c == nil {
				cells = append(cells, "NULL")
				continue
			}
			if ts, ok := c.(time.Time); ok {
				c = ts.Format("2006-01-02 15:04:05")
			}
			cells = append(cells, fmt.Sprint(c))
		}
		out = append(out, strings.Join(cells, "|"))
	}
	return out
}

func wantRows(t testing.TB, dir, q string, want ...string) {
	t.Helper()
	if got := rows(t, dir, q); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s:\n got %q\nwant %q", q, got, want)
	}
}

func statuses(r *BuildResult) string {
	var parts []string
	for _, n := range r.Nodes {
		if n.Name != runRelation {
			parts = append(parts, n.Name+"="+string(n.Status))
		}
	}
	return strings.Join(parts, " ")
}

func messages(r *BuildResult) string {
	var parts []string
	for _, n := range r.Nodes {
		parts = append(parts, n.Message)
	}
	return strings.Join(parts, " ")
}

func wantStatus(t testing.TB, r *BuildResult, want string) {
	t.Helper()
	if got := statuses(r); got != want {
		t.Errorf("statuses:\n got %s\nwant %s", got, want)
		for _, n := range r.Nodes {
			if n.Message != "" {
				t.Logf("%s: %s", n.Name, n.Message)
			}
		}
	}
}

func TestBuildAndSkip(t *testing.T) {
	dir := t.TempDir()
	f := files{
		"sql/seeds/regions.csv":      "code,name\nn,North\ns,South\n",
		"sql/staging/deals.sql":      "select * from (values (1, 'n', 10.50), (2, 's', 20.25)) as t(id, region, amount);",
		"sql/core/deals.sql":         "/* ---\ndescription: deals\ncolumns:\n  id: {description: key, data_tests: [not_null, unique]}\n--- */\nselect d.id, r.name as region, d.amount::decimal(18,4) as amount\nfrom staging.deals d join seeds.regions r on r.code = d.region -- the code\n",
		"sql/metrics/revenue.sql":    "/* ---\nmaterialized: view\n--- */\nfrom core.deals select sum(amount) as revenue, (select today from meta.run) as day",
		"sql/tests/revenue_adds.sql": "select 1 from metrics.revenue where revenue is null",
	}
	r := build(t, dir, load(t, f))
	wantStatus(t, r, "seeds.regions=built staging.deals=built core.deals=built metrics.revenue=built")
	if !r.Published || r.CountTests(StatusPass) != 3 {
		t.Errorf("published %v, %d passed of %+v", r.Published, r.CountTests(StatusPass), r.Tests)
	}
	wantRows(t, dir, "from metrics.revenue", "30.7500|2026-11-21 00:00:00")

	// Nothing changed: no file is made, the link stays.
	start := time.Now()
	r = build(t, dir, load(t, f))
	t.Logf("no-change load and build: %v", time.Since(start))
	wantStatus(t, r, "seeds.regions=unchanged staging.deals=unchanged core.deals=unchanged metrics.revenue=unchanged")
	if r.Published {
		t.Error("published although nothing changed")
	}

	// A comment or white space is no change; another value is, for what reads it.
	f["sql/staging/deals.sql"] = "-- two deals\nselect *\nfrom (values (1, 'n', 10.50), (2, 's', 20.25)) as t(id, region, amount)"
	if r = build(t, dir, load(t, f)); r.Published {
		t.Error("a comment made a build")
	}
	f["sql/seeds/regions.csv"] = "code,name\nn,Northern\ns,South\n"
	r = build(t, dir, load(t, f))
	wantStatus(t, r, "seeds.regions=built staging.deals=unchanged core.deals=built metrics.revenue=built")
	wantRows(t, dir, "from core.deals order by id", "1|Northern|10.5000", "2|South|20.2500")

	// A removed file is a removed relation.
	delete(f, "sql/metrics/revenue.sql")
	delete(f, "sql/tests/revenue_adds.sql")
	r = build(t, dir, load(t, f))
	if !r.Published {
		t.Error("removing a relation published nothing")
	}
	b, err := Published(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := b.Relations["metrics.revenue"]; ok || b.Relations["core.deals"].Rows != 2 || b.Relations["core.deals"].Columns[0].Description != "key" {
		t.Errorf("published: %+v", b.Relations)
	}
	left, _ := filepath.Glob(filepath.Join(dir, "warehouse", "*"))
	if len(left) != 4 { // three builds and the link
		t.Errorf("kept %v", left)
	}
}

func TestFailingAudit(t *testing.T) {
	dir := t.TempDir()
	f := files{
		"sql/core/amounts.sql":  "/* ---\ncolumns:\n  amount: {data_tests: [{accepted_range: {min: 0}}]}\n--- */\nselect 10 as amount",
		"sql/core/other.sql":    "select 10 as v",
		"sql/core/shown.sql":    "/* ---\nmaterialized: view\n--- */\nselect amount, v from core.amounts, core.other",
		"sql/metrics/total.sql": "select sum(amount) as total from core.shown",
	}
	build(t, dir, load(t, f))
	f["sql/core/amounts.sql"] = strings.Replace(f["sql/core/amounts.sql"], "select 10", "select -5", 1)
	f["sql/core/other.sql"] = "select 20 as v"
	r := build(t, dir, load(t, f))
	wantStatus(t, r, "core.amounts=failed core.other=built core.shown=held metrics.total=held")
	if err := r.Err(); fault.ExitCode(err) != fault.ExitHandled || !strings.Contains(err.Error(), "core.amounts") {
		t.Errorf("error %v", err)
	}
	// The view shows its last published rows although one of the relations it reads is new.
	wantRows(t, dir, "select amount::int, v from core.shown", "10|10")
	wantRows(t, dir, "from core.other", "20")
	wantRows(t, dir, "select total::int from metrics.total", "10")
	b, err := Published(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	for name, stale := range map[string]bool{"core.amounts": true, "core.shown": true, "metrics.total": true, "core.other": false} {
		if got := b.Relations[name]; got.Stale != stale || stale && !strings.Contains(got.StaleWhy, "accepted_range(amount)") && !strings.Contains(got.StaleWhy, "core.amounts failed") {
			t.Errorf("%s: stale %v (%s)", name, got.Stale, got.StaleWhy)
		}
	}
	// Again: it fails again and says so, and publishes nothing new.
	r = build(t, dir, load(t, f))
	if r.Published || r.Err() == nil {
		t.Errorf("the same failure published %v, err %v", r.Published, r.Err())
	}
	f["sql/core/amounts.sql"] = strings.Replace(f["sql/core/amounts.sql"], "select -5", "select 7", 1)
	r = build(t, dir, load(t, f))
	wantStatus(t, r, "core.amounts=built core.other=unchanged core.shown=built metrics.total=built")
	wantRows(t, dir, "select amount::int, v from core.shown", "7|20")
	if b, _ := Published(context.Background(), dir); b.Relations["core.shown"].Stale {
		t.Error("still stale after the repair")
	}
	// Strict publishes nothing at all.
	f["sql/core/amounts.sql"] = strings.Replace(f["sql/core/amounts.sql"], "select 7", "select -1", 1)
	f["sql/core/other.sql"] = "select 30 as v"
	r = build(t, dir, load(t, f), func(p *BuildParams) { p.Strict = true })
	if r.Published || !r.Strict {
		t.Errorf("strict: %+v", r)
	}
	wantRows(t, dir, "from core.other", "20")
}

func TestNeverPublishedFails(t *testing.T) {
	dir := t.TempDir()
	f := files{
		"sql/core/a.sql": "select 'x'::int as v from range(1)",
		"sql/core/b.sql": "select v from core.a",
		"sql/core/c.sql": "select 1 as v",
	}
	r := build(t, dir, load(t, f))
	wantStatus(t, r, "core.a=failed core.b=skipped core.c=built")
	b, err := Published(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := b.Relations["core.a"]; ok || len(b.Relations) != 2 {
		t.Errorf("relations %v", b.Relations)
	}
	if !strings.Contains(messages(r), "sql/core/a.sql") {
		t.Errorf("message %q names no file", messages(r))
	}
}

func TestNothingPublished(t *testing.T) {
	_, err := Published(context.Background(), t.TempDir())
	if !errors.Is(err, ErrNothingPublished) {
		t.Errorf("error %v", err)
	}
}

func TestLeftoversGo(t *testing.T) {
	dir := t.TempDir()
	f := files{"sql/core/a.sql": "select 1 as v"}
	build(t, dir, load(t, f))
	left := filepath.Join(dir, "warehouse", "build-99991231-000000-000.duckdb")
	for _, p := range []string{left, left + ".wal", filepath.Join(dir, "warehouse", "current.duckdb.next")} {
		if err := os.WriteFile(p, []byte("half"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	build(t, dir, load(t, f))
	entries, _ := os.ReadDir(filepath.Join(dir, "warehouse"))
	if len(entries) != 2 {
		t.Errorf("left: %v", entries)
	}
}

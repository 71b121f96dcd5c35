package transform

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSingularTestOverSeveral: a test over relations that are not made from each other holds all of them back; one over a
// relation and its descendant holds the descendant.
func TestSingularTestOverSeveral(t *testing.T) {
	dir := t.TempDir()
	f := files{
		"sql/core/a.sql":           "select 10 as v",
		"sql/core/b.sql":           "select 10 as v",
		"sql/core/from_a.sql":      "select v from core.a",
		"sql/core/free.sql":        "select 1 as v",
		"sql/tests/a_equals_b.sql": "select a.v, b.v as w from core.a a, core.b b where a.v <> b.v",
	}
	r := build(t, dir, load(t, f))
	if r.Err() != nil {
		t.Fatal(r.Err())
	}
	f["sql/core/a.sql"], f["sql/core/free.sql"] = "select 11 as v", "select 2 as v"
	r = build(t, dir, load(t, f))
	wantStatus(t, r, "core.a=failed core.b=failed core.free=built core.from_a=held")
	wantRows(t, dir, "select a.v, b.v, f.v, x.v from core.a a, core.b b, core.from_a f, core.free x", "10|10|10|2")
	if err := r.Err(); err == nil || !strings.Contains(err.Error(), "tests/a_equals_b") {
		t.Errorf("error %v", err)
	}
	f["sql/core/b.sql"] = "select 11 as v"
	r = build(t, dir, load(t, f))
	wantStatus(t, r, "core.a=built core.b=built core.free=unchanged core.from_a=built")
	// Judged together with its own descendant: only that one is held.
	f["sql/tests/a_equals_b.sql"] = "select 1 from core.a a, core.from_a f where a.v <> f.v"
	f["sql/core/from_a.sql"] = "select v + 1 as v from core.a"
	f["sql/core/a.sql"] = "select 12 as v"
	r = build(t, dir, load(t, f))
	wantStatus(t, r, "core.a=built core.b=unchanged core.free=unchanged core.from_a=failed")
	wantRows(t, dir, "select a.v, f.v from core.a a, core.from_a f", "12|11")
}

// TestTestsThatWaitForEachOther: references both ways must not stop the build.
func TestTestsThatWaitForEachOther(t *testing.T) {
	dir := t.TempDir()
	f := files{
		"sql/core/a.sql":  "/* ---\ncolumns: {id: {data_tests: [{relationships: {to: core.b, field: id}}]}}\n--- */\nselect 1 as id",
		"sql/core/b.sql":  "/* ---\ncolumns: {id: {data_tests: [{relationships: {to: core.a, field: id}}]}}\n--- */\nselect 1 as id",
		"sql/core/a2.sql": "select id from core.a", "sql/core/b2.sql": "select id from core.b", "sql/core/a3.sql": "select id from core.a2",
		"sql/tests/x.sql": "select 1 from core.a3 a, core.b b where a.id <> b.id",
		"sql/tests/y.sql": "select 1 from core.a a, core.b2 b where a.id <> b.id",
	}
	r := build(t, dir, load(t, f))
	if r.Err() != nil || r.CountTests(StatusPass) != 4 {
		t.Errorf("%v %+v", r.Err(), r.Tests)
	}
}

// TestSeverity: warnings publish, conditions decide on the number of failing rows, samples mask personal data.
func TestSeverity(t *testing.T) {
	dir := t.TempDir()
	f := files{"sql/core/p.sql": `/* ---
data_tests:
  - expression: {expression: "id < 3", error_if: ">5", warn_if: ">1", name: few large ids}
  - row_count: {min: 1, max: 10}
columns:
  id: {data_tests: [unique, {accepted_values: [1, 2, 3, 4]}, {accepted_range: {max: 3, severity: warn, where: "id > 1"}}, not_constant]}
  mail: {pii: email, data_tests: [{not_null: {severity: warn}}]}
  day: {data_tests: [{freshness: {max_age_days: 3}}]}
--- */
select id, case when id > 1 then 'm' || id end as mail, date '2026-11-19' as day from range(1, 5) t(id)`}
	r := build(t, dir, load(t, f))
	if r.Err() != nil || !r.Published {
		t.Fatal(r.Err(), r.Tests)
	}
	got := map[string]Status{}
	for _, x := range r.Tests {
		got[x.Name] = x.Status
		for _, row := range x.Sample {
			for i, c := range x.Columns {
				if c == "mail" && row[i] != nil && row[i] != "***" {
					t.Errorf("%s shows %v", x.Name, row[i])
				}
			}
		}
	}
	for name, want := range map[string]Status{"few large ids": StatusWarn, "row_count": StatusPass, "unique(id)": StatusPass, "accepted_values(id)": StatusPass,
		"accepted_range(id)": StatusWarn, "not_constant(id)": StatusPass, "not_null(mail)": StatusWarn, "freshness(day)": StatusPass} {
		if got[name] != want {
			t.Errorf("%s: %s, want %s", name, got[name], want)
		}
	}
	if r := build(t, dir, load(t, f)); r.Published {
		t.Error("warnings made a build")
	}
	// A test that is added later and fails marks the published relation stale, without touching it.
	f["sql/core/p.sql"] = strings.Replace(f["sql/core/p.sql"], "row_count: {min: 1", "row_count: {min: 9", 1)
	r = build(t, dir, load(t, f))
	if r.Err() == nil {
		t.Error("no error")
	}
	b, err := Published(context.Background(), dir)
	if err != nil || !b.Relations["core.p"].Stale || b.Relations["core.p"].Rows != 4 {
		t.Errorf("%+v %v", b.Relations["core.p"], err)
	}
}

// TestInterrupted: a build that is told to stop publishes nothing and leaves nothing behind.
func TestInterrupted(t *testing.T) {
	dir := t.TempDir()
	f := numbered(1)
	build(t, dir, load(t, f))
	for _, at := range []string{"copied", "prepared", "made core.left_side", "accepted core.left_side", "built", "closed"} {
		ctx, cancel := context.WithCancel(context.Background())
		_, err := Build(ctx, BuildParams{Graph: load(t, numbered(2)), Dir: dir, Clock: time.Now, Threads: 2, step: func(s string) {
			if s == at {
				cancel()
			}
		}})
		cancel()
		if !errors.Is(err, context.Canceled) {
			t.Errorf("stopped at %s: error %v", at, err)
		}
		wantRows(t, dir, "select max(n) from core.left_side", "1")
		if m, _ := filepath.Glob(filepath.Join(dir, "warehouse", "build-*")); len(m) != 1 {
			t.Errorf("stopped at %s: left %v", at, m)
		}
	}
}

package transform

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"millrace/internal/duck"
	"millrace/transform/relation"
)

func digestOf(t testing.TB, dir string) BuildDigest {
	t.Helper()
	db, b, err := Open(context.Background(), dir, duck.Options{Locked: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	d, err := Digest(context.Background(), db, b, nil)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestDigestStable builds the same project with 1 to 8 threads and with the rows of its input in another order (P4).
func TestDigestStable(t *testing.T) {
	project := func(order string) files {
		return files{
			"sql/staging/rows.sql": "select i as id, 'name ' || (i % 977) as name, ((i * 7919) % 100003 / 100)::decimal(18,4) as amount, i % 13 as kind, (i / 3)::double as d from range(30000) t(i) order by " + order,
			"sql/core/sums.sql":    "select kind, count(*) as n, sum(amount) as amount, string_agg(name, ',' order by id) as names, median(d) as mid from staging.rows group by all",
			"sql/core/last.sql":    "select * from staging.rows qualify row_number() over (partition by name order by amount desc, id) = 1",
		}
	}
	want := ""
	for _, threads := range []int{1, 3, 8} {
		for _, order := range []string{"id", "hash(i)"} {
			dir := t.TempDir()
			build(t, dir, load(t, project(order)), func(p *BuildParams) { p.Threads = threads })
			d := digestOf(t, dir)
			got := fmt.Sprint(d.Digest, d.Relations)
			if want == "" {
				want = got
			}
			if got != want {
				t.Fatalf("%d threads, order by %s:\n got %s\nwant %s", threads, order, got, want)
			}
		}
	}
}

func TestDigestTellsApart(t *testing.T) {
	db, err := duck.Open(context.Background(), "", duck.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Exec(context.Background(), "create schema core"); err != nil {
		t.Fatal(err)
	}
	digest := func(q string, tagged ...string) string {
		t.Helper()
		if err := db.Exec(context.Background(), "create or replace table core.x as "+q); err != nil {
			t.Fatal(err)
		}
		cols, err := describe(context.Background(), db, "from core.x")
		if err != nil {
			t.Fatal(err)
		}
		for i := range cols {
			if slices.Contains(tagged, cols[i].Name) {
				cols[i].Tags = []string{"operational"}
			}
		}
		d, err := Digest(context.Background(), db, relation.Build{ID: "b", Relations: map[string]relation.Relation{"core.x": {Name: "core.x", Columns: cols}}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		return d.Digest
	}
	seen := map[string]string{}
	for _, q := range []string{
		"select 'ab' as a, 'c' as b", "select 'a' as a, 'bc' as b", "select 'abc' as a, '' as b", "select 'abc' as a, null::varchar as b",
		"select 'abc' as a, 'NULL' as b", "select 'ab' as b, 'c' as x", "select 1 as a, 2 as b", "select 1 as a, '2' as b",
		"select 'ab' as a, 'c' as b union all select 'ab', 'c'", "select 'ab' as a, 'c' as b where false", "select [1, 2] as a, 3 as b", "select [1] as a, 23 as b",
		"select 0.1::double as a, 1 as b", "select 0.1::decimal(18,4) as a, 1 as b", "select null::varchar as a, '~' as b", "select '~' as a, null::varchar as b",
	} {
		d := digest(q)
		if other, ok := seen[d]; ok {
			t.Errorf("%q and %q have the same digest", q, other)
		}
		seen[d] = q
	}
	same := digest("select 1 as a, 2 as b, 'x' as _load_id")
	for _, d := range []string{digest("select 2 as b, 1 as a, 'y' as _load_id"), digest("select 1 as a, 2 as b, 77 as made", "made"), digest("select 1 as A, 2 as b, now() as _extracted_at")} {
		if d != same {
			t.Error("operational columns, or the order of columns, changed the digest")
		}
	}
	if digest("from (values (1), (2), (3)) t(a)") != digest("from (values (3), (1), (2)) t(a)") {
		t.Error("the order of rows changed the digest")
	}
	if digest("select 0.0::double as a") != digest("select -0.0::double as a") {
		t.Error("minus zero is zero")
	}
}

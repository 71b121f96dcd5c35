package transform

import (
	"context"
	"fmt"
	"testing"
	"time"
)

// wide is a project of n models in layers of 100, each reading two of the layer before.
func wide(n int) files {
	f := files{}
	for i := range n {
		from := "(select 1 as id, 2::decimal(18,4) as amount, 'x' as name)"
		join := "from " + from + " a, " + from + " b"
		if i >= 100 {
			join = fmt.Sprintf("from core.m%d a join core.m%d b using (id)", i-100, i-100+(i+1)%100-i%100)
		}
		f[fmt.Sprintf("sql/core/m%d.sql", i)] = fmt.Sprintf("/* ---\ndescription: model %d\ncolumns:\n  id: {description: key}\n--- */\nwith rows_of_both as (\n    select a.id, a.amount + b.amount as amount, coalesce(a.name, b.name) as name\n    %s\n)\nselect id, sum(amount)::decimal(18,4) as amount, min(name) as name\nfrom rows_of_both\ngroup by id\n", i, join)
	}
	return f
}

// BenchmarkCompile loads, binds and finds the column lineage of 1,000 models.
func BenchmarkCompile(b *testing.B) {
	f := wide(1000)
	for b.Loop() {
		g := load(b, f)
		start := time.Now()
		bound, err := Bind(context.Background(), g)
		if err != nil || bound.Err(g) != nil {
			b.Fatal(err, bound.Err(g))
		}
		b.ReportMetric(float64(time.Since(start).Milliseconds()), "bind-ms")
		start = time.Now()
		bound.lineage(g)
		b.ReportMetric(float64(time.Since(start).Milliseconds()), "lineage-ms")
	}
}

// BenchmarkNothingChanged loads 40 models and finds that nothing is to do.
func BenchmarkNothingChanged(b *testing.B) {
	f := wide(40)
	dir := b.TempDir()
	build(b, dir, load(b, f))
	for b.Loop() {
		if r := build(b, dir, load(b, f)); r.Published {
			b.Fatal("published")
		}
	}
}

// BenchmarkOperator passes a million rows through Go.
func BenchmarkOperator(b *testing.B) {
	for b.Loop() {
		g, err := Load(context.Background(), LoadParams{Run: testRun(), Operators: map[string]Operator{"chain": chain{}},
			FS: files{"sql/core/c.sql": "/* ---\nmaterialized: operator\noperator: chain\n--- */\nselect range as i from range(1000000)"}.fs()})
		if err != nil {
			b.Fatal(err)
		}
		build(b, b.TempDir(), g)
	}
}

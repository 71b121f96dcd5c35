package section_test

import (
	"context"
	"flag"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"millrace/internal/config"
	"millrace/internal/duck"
	"millrace/reports"
	"millrace/reports/section"
	"millrace/transform/relation"
)

var update = flag.Bool("update", false, "rewrite golden files")

// warehouse is a reports.Data over an in-memory DuckDB.
type warehouse struct {
	db    *duck.DB
	build relation.Build
}

func (w *warehouse) Query(ctx context.Context, sql string) (*reports.Table, error) {
	res, err := w.db.Query(ctx, sql)
	if err != nil {
		return nil, err
	}
	t := &reports.Table{Rows: res.Rows}
	for _, c := range res.Columns {
		t.Columns = append(t.Columns, relation.Column{Name: c.Name, Type: c.Type})
	}
	return t, nil
}

func (w *warehouse) Build() relation.Build { return w.build }

// open runs the fixture, and the built-in SQL models that sections rest on as they stand in sql/.
func open(t testing.TB) *warehouse {
	t.Helper()
	ctx := context.Background()
	db, err := duck.Open(ctx, "", duck.Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	fixture, err := os.ReadFile("testdata/fixture.sql")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(ctx, string(fixture)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"kpi_change", "kpi_contribution", "kpi_attainment"} {
		model, err := os.ReadFile(filepath.Join("../../sql/metrics", name+".sql"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := db.ExecContext(ctx, "create table metrics."+name+" as "+string(model)); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	w := &warehouse{db: db, build: relation.Build{ID: "b1", PublishedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Relations: map[string]relation.Relation{}}}
	res, err := db.Query(ctx, "select schema_name || '.' || table_name as name from duckdb_tables() where schema_name in ('metrics', 'quality') order by 1")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range res.Rows {
		name := row[0].(string)
		w.build.Relations[name] = relation.Relation{Name: name}
	}
	return w
}

var catalog = reports.Catalog{Sections: section.Kinds(), Channels: []reports.ChannelKind{{Name: "test", Options: func() any { return &struct{}{} }}}}

func definition(t testing.TB) *reports.Definition {
	t.Helper()
	src, err := os.ReadFile("testdata/sales.yml")
	if err != nil {
		t.Fatal(err)
	}
	def, err := catalog.Parse("reports/sales.yml", src, config.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return def
}

func compose(t testing.TB, w *warehouse, def *reports.Definition) *reports.Document {
	t.Helper()
	c := &reports.Composer{Data: w, Project: "acme", Currency: "EUR", Zone: time.UTC, Now: time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC), Log: slog.New(slog.DiscardHandler)}
	doc, err := c.Compose(context.Background(), def, reports.Period{})
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// block gives the first block of a kind.
func block[T reports.Block](t testing.TB, doc *reports.Document) T {
	t.Helper()
	for _, b := range doc.Blocks {
		if x, ok := b.(T); ok {
			return x
		}
	}
	t.Fatalf("the document has no %T", *new(T))
	panic("unreachable")
}

// TestFailedSection: one section fails, and is seen to; the others arrive.
func TestFailedSection(t *testing.T) {
	doc := compose(t, open(t), definition(t))
	f := doc.Failures()
	if len(f) != 1 || f[0].Title != "Broken on purpose" || !strings.Contains(f[0].Reason, "nowhere") || !strings.Contains(f[0].Reason, "millrace query") {
		t.Errorf("failures: %+v", f)
	}
	if len(doc.Blocks) < 15 {
		t.Errorf("only %d blocks arrived", len(doc.Blocks))
	}
}

func TestHeadline(t *testing.T) {
	h := block[*reports.Headline](t, compose(t, open(t), definition(t)))
	if n := len(h.Lines); n > reports.MaxHeadline {
		t.Errorf("%d lines", n)
	}
	order := map[reports.Role]int{reports.What: 0, reports.Why: 1, reports.Watch: 2, reports.Do: 3, reports.Wait: 4}
	seen := map[reports.Role]bool{}
	for i, l := range h.Lines {
		seen[l.Role] = true
		if i > 0 && order[l.Role] < order[h.Lines[i-1].Role] {
			t.Errorf("%q comes after %q", l.Role, h.Lines[i-1].Role)
		}
	}
	if len(seen) != len(order) {
		t.Errorf("roles: %v", seen)
	}
}

// TestStaleWaits: a relation that failed its audit is named where it matters.
func TestStaleWaits(t *testing.T) {
	w := open(t)
	w.build.Relations["metrics.kpi_change"] = relation.Relation{Name: "metrics.kpi_change", Stale: true}
	doc := compose(t, w, definition(t))
	if len(doc.Stale) != 1 || doc.Stale[0] != "metrics.kpi_change" {
		t.Errorf("stale: %v", doc.Stale)
	}
	h := block[*reports.Headline](t, doc)
	if last := h.Lines[len(h.Lines)-1]; last.Role != reports.Wait || last.Tone != reports.Bad {
		t.Errorf("last line: %+v", last)
	}
}

// TestMissingRelations: without the built-in relations each section says what is missing instead of failing the report.
func TestMissingRelations(t *testing.T) {
	w := open(t)
	w.build.Relations = map[string]relation.Relation{}
	doc := compose(t, w, definition(t))
	if len(doc.Failures()) < 8 {
		t.Errorf("failures: %d", len(doc.Failures()))
	}
	for _, f := range doc.Failures() {
		if strings.Contains(f.Reason, "has no relation") && !strings.Contains(f.Reason, "millrace build") {
			t.Errorf("no way out: %s", f.Reason)
		}
	}
}

// TestContributionClosesTheGap: what the members added is the change of the total, to the last digit.
func TestContributionClosesTheGap(t *testing.T) {
	w := open(t)
	for _, kpi := range []string{"revenue", "win_rate"} {
		res, err := w.Query(t.Context(), "select kpi, dimension, sum(total_effect) - any_value(delta) as rest from metrics.kpi_contribution where kpi = '"+kpi+"' group by grain, period_start, kpi, dimension having rest != 0")
		if err != nil {
			t.Fatal(err)
		}
		if len(res.Rows) != 0 {
			t.Errorf("%s: %v", kpi, res.Rows)
		}
	}
}

// TestForecast compares the forecast with the same method written again in Go.
func TestForecast(t *testing.T) {
	w := open(t)
	doc := compose(t, w, definition(t))
	var c *reports.Chart
	for _, b := range doc.Blocks {
		if x, ok := b.(*reports.Chart); ok && len(x.Series) == 2 && x.Series[1].Dashed {
			c = x
		}
	}
	if c == nil {
		t.Fatal("no forecast")
	}
	res, err := w.Query(t.Context(), "select value::double from metrics.kpi where kpi = 'revenue' and grain = 'month' and dimension = 'total' order by period_start")
	if err != nil {
		t.Fatal(err)
	}
	var v []float64
	for _, r := range res.Rows {
		v = append(v, r[0].(float64))
	}
	fit := func(v []float64) (level, slope float64) {
		v = v[max(0, len(v)-12):]
		var slopes []float64
		for i := range v {
			for j := i + 1; j < len(v); j++ {
				slopes = append(slopes, (v[j]-v[i])/float64(j-i))
			}
		}
		slope = median(slopes)
		var levels []float64
		for i, x := range v {
			levels = append(levels, x+slope*float64(len(v)-1-i))
		}
		return median(levels), slope
	}
	var errs []float64
	for n := 6; n < len(v); n++ {
		level, slope := fit(v[:n])
		errs = append(errs, math.Abs(v[n]-(level+0.85*slope)))
	}
	slices.Sort(errs)
	half := errs[int(math.Ceil(float64(len(errs)+1)*0.8))-1]
	level, slope := fit(v)
	last := len(c.X) - 3
	damp := 0.0
	for h := range 3 {
		damp += math.Pow(0.85, float64(h+1))
		for name, got := range map[string]reports.Quantity{"expected": c.Series[1].Points[last+h], "low": c.Series[1].Low[last+h], "high": c.Series[1].High[last+h]} {
			want := level + slope*damp
			switch name {
			case "low":
				want -= half * math.Sqrt(float64(h+1))
			case "high":
				want += half * math.Sqrt(float64(h+1))
			}
			if g, _ := got.Cell.Float(); math.Abs(g-want) > 1e-6*want {
				t.Errorf("step %d %s: %v, want %v", h+1, name, g, want)
			}
		}
	}
}

func median(v []float64) float64 {
	s := slices.Clone(v)
	slices.Sort(s)
	if n := len(s); n%2 == 0 {
		return (s[n/2-1] + s[n/2]) / 2
	}
	return s[len(s)/2]
}

// TestNoForecastWithoutHistory: with few periods there is none, and the report says why.
func TestNoForecastWithoutHistory(t *testing.T) {
	w := open(t)
	if _, err := w.db.ExecContext(t.Context(), "delete from metrics.kpi where grain = 'month' and period_start < date '2025-06-01'"); err != nil {
		t.Fatal(err)
	}
	found := false
	for _, text := range texts(compose(t, w, definition(t))) {
		if strings.HasPrefix(text.String(), "There is no forecast: 7 periods are known, and 10 are needed") {
			found = true
		}
	}
	if !found {
		t.Error("the report does not say why there is no forecast")
	}
}

// TestAnomaly: a figure far off is named; without it nothing is.
func TestAnomaly(t *testing.T) {
	w := open(t)
	if _, err := w.db.ExecContext(t.Context(), "update metrics.kpi set value = value * 12, n = n * 12 where kpi = 'revenue' and grain = 'month' and dimension = 'total' and period_start = date '2025-12-01'"); err != nil {
		t.Fatal(err)
	}
	said := ""
	for _, text := range texts(compose(t, w, definition(t))) {
		if strings.Contains(text.String(), "is unusual") {
			said = text.String()
		}
	}
	if !strings.HasPrefix(said, "Revenue of 296,832 EUR is unusual: the periods before let expect about 3") {
		t.Errorf("said %q", said)
	}
}

// TestActionArithmetic: the effect is what its own figures give.
func TestActionArithmetic(t *testing.T) {
	doc := compose(t, open(t), definition(t))
	for _, text := range texts(doc) {
		s := text.String()
		if !strings.Contains(s, "Expected effect:") {
			continue
		}
		if want := "30.00 points × 8 closed deals = 2.4 more deals won, × 1,455 EUR each = 3,492 EUR, if it gets from 12.50 % to the figure of all, 42.50 %."; !strings.HasSuffix(s, want) {
			t.Errorf("got  %q\nwant %q", s, want)
		}
		return
	}
	t.Error("no action")
}

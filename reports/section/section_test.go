package section_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
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

func TestDump(t *testing.T) {
	doc := compose(t, open(t), definition(t))
	for _, b := range doc.Blocks {
		j, _ := json.MarshalIndent(b, "", " ")
		s := string(j)
		if len(s) > 2500 {
			s = s[:2500]
		}
		fmt.Printf("%T %s\n", b, s)
	}
	_ = big.NewRat
	_ = regexp.MustCompile
	_ = strings.Fields
}

package excel

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"millrace/reports"
	"millrace/transform/relation"

	"github.com/xuri/excelize/v2"
)

type rowsData struct{ n int }

func (r rowsData) Query(context.Context, string) (*reports.Table, error) {
	t := &reports.Table{Columns: []relation.Column{{Name: "i"}, {Name: "name"}}}
	for i := range r.n {
		t.Rows = append(t.Rows, []any{int64(i), fmt.Sprintf("row %d", i)})
	}
	return t, nil
}
func (rowsData) Build() relation.Build { return relation.Build{ID: "b"} }

// TestRowLimit: what one sheet cannot hold goes on in the next, and no row is lost.
func TestRowLimit(t *testing.T) {
	res, err := reports.NewRecorder(rowsData{55}).Query(context.Background(), "select 1")
	if err != nil {
		t.Fatal(err)
	}
	g := &reports.Grid{Title: "Rows", Columns: []reports.GridColumn{{Name: "i", Label: "i", Format: reports.Format{Unit: reports.Count}}, {Name: "name", Label: "Name", Text: true, Format: reports.Format{Unit: reports.TextUnit}}}}
	for i := range res.Len() {
		g.Rows = append(g.Rows, []reports.Quantity{{Cell: res.Cell(i, "i"), Format: g.Columns[0].Format}, {Cell: res.Cell(i, "name"), Format: g.Columns[1].Format}})
	}
	doc := &reports.Document{Report: "r", Title: "R", Period: reports.PeriodOf("month", time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)), Blocks: []reports.Block{g}}
	data, err := render(doc, 30)
	if err != nil {
		t.Fatal(err)
	}
	f, err := excelize.OpenReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	seen := map[string]bool{}
	for _, s := range []string{"Rows, part 1", "Rows, part 2", "Rows, part 3"} {
		rows, err := f.GetRows(s)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows[3:] {
			seen[r[0]] = true
		}
		if len(rows) > 30 {
			t.Errorf("%s has %d rows", s, len(rows))
		}
	}
	if len(seen) != 55 {
		t.Errorf("%d rows arrived", len(seen))
	}
}

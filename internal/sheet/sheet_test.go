package sheet

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/xuri/excelize/v2"
)

func TestPlain(t *testing.T) {
	f := excelize.NewFile()
	defer f.Close()
	styled := func(cell string, v any, s *excelize.Style) {
		t.Helper()
		id, err := f.NewStyle(s)
		if err == nil {
			err = f.SetCellValue("Sheet1", cell, v)
		}
		if err == nil {
			err = f.SetCellStyle("Sheet1", cell, cell, id)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	german, money := "dd.mm.yyyy", `#,##0.00 "day"`
	day := time.Date(1971, 6, 24, 0, 0, 0, 0, time.UTC)
	styled("A1", day, &excelize.Style{CustomNumFmt: &german})
	styled("B1", day.Add(90*time.Minute), &excelize.Style{NumFmt: 22})
	styled("C1", 1234.5, &excelize.Style{CustomNumFmt: &money})
	styled("D1", 0.25, &excelize.Style{NumFmt: 10})
	styled("E1", "0042", &excelize.Style{})
	path := filepath.Join(t.TempDir(), "a.xlsx")
	if err := f.SaveAs(path); err != nil {
		t.Fatal(err)
	}
	g, err := excelize.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if err := Plain(g); err != nil {
		t.Fatal(err)
	}
	rows, err := g.GetRows("Sheet1")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"1971-06-24", "1971-06-24 01:30:00", "1234.5", "0.25", "0042"}
	for i, w := range want {
		if rows[0][i] != w {
			t.Errorf("cell %d is %q, want %q", i+1, rows[0][i], w)
		}
	}
}

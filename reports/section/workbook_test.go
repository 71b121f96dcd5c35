package section_test

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"millrace/internal/config"
	"millrace/reports"
	"millrace/reports/excel"

	"github.com/xuri/excelize/v2"
)

func workbook(t testing.TB, doc *reports.Document) *excelize.File {
	t.Helper()
	data, err := excel.Render(doc)
	if err != nil {
		t.Fatal(err)
	}
	f, err := excelize.OpenReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestWorkbook(t *testing.T) {
	doc := compose(t, open(t), definition(t))
	f := workbook(t, doc)
	sheets := f.GetSheetList()
	if sheets[0] != "Summary" || sheets[1] != "KPIs" || sheets[len(sheets)-1] != "Sources" {
		t.Errorf("sheets: %q", sheets)
	}
	tables, frozen := 0, 0
	for _, s := range sheets {
		rows, err := f.GetRows(s, excelize.Options{RawCellValue: true})
		if err != nil {
			t.Fatal(err)
		}
		for r, row := range rows {
			for c, v := range row {
				if strings.Contains(v, "#REF!") || strings.Contains(v, "#NAME?") || strings.Contains(v, "NaN") {
					t.Errorf("%s row %d column %d holds %q", s, r+1, c+1, v)
				}
			}
		}
		tt, err := f.GetTables(s)
		if err != nil {
			t.Fatal(err)
		}
		tables += len(tt)
		p, err := f.GetPanes(s)
		if err != nil {
			t.Fatal(err)
		}
		if p.Freeze {
			frozen++
		}
	}
	if tables < 9 || frozen < 8 {
		t.Errorf("%d tables, %d sheets with frozen headings", tables, frozen)
	}
	// KPIs: the figure is a number with its format, its verdict is marked.
	for cell, want := range map[string]string{"A4": "Revenue", "B4": "24,736 EUR", "B5": "42.50 %", "F5": "62.00 %", "H5": "missed", "B8": "n/a: no payment in this period", "D5": "-15.00 points"} {
		if got, err := f.GetCellValue("KPIs", cell); err != nil || spaceless(got) != spaceless(want) {
			t.Errorf("KPIs!%s is %q, want %q (%v)", cell, got, want, err)
		}
	}
	raw, err := f.GetCellValue("KPIs", "B5", excelize.Options{RawCellValue: true})
	if err != nil || raw != "0.425" {
		t.Errorf("KPIs!B5 holds %q (%v)", raw, err)
	}
	cf, err := f.GetConditionalFormats("KPIs")
	if err != nil || len(cf) == 0 {
		t.Errorf("KPIs has no conditional formats: %v %v", cf, err)
	}
	if cf, err = f.GetConditionalFormats("Agents"); err != nil || len(cf) == 0 {
		t.Errorf("Agents has no conditional formats: %v %v", cf, err)
	}
	// Charts: one for each of the report, native.
	charts := 0
	f.Pkg.Range(func(k, _ any) bool {
		if strings.HasPrefix(k.(string), "xl/charts/chart") {
			charts++
		}
		return true
	})
	if charts != 4 {
		t.Errorf("%d charts", charts)
	}
}

// spaceless takes out blanks: the library applies a space before a percent sign in a way of its own.
func spaceless(s string) string { return strings.ReplaceAll(s, " ", "") }

// TestCalculatorIsLive recomputes every result from the workbook's own formulas, then again after changing an assumption.
func TestCalculatorIsLive(t *testing.T) {
	f := workbook(t, compose(t, open(t), definition(t)))
	const s = "What a better win rate is worth"
	cells := map[string]string{}
	rows, err := f.GetRows(s)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range rows {
		if len(r) > 0 {
			cells[r[0]] = fmt.Sprintf("B%d", i+1)
		}
	}
	if formula, err := f.GetCellFormula(s, cells["Win rate"]); err != nil || formula != "='KPIs'!$B$5" && formula != "'KPIs'!$B$5" {
		t.Errorf("the win rate does not follow the sheet KPIs: %q %v", formula, err)
	}
	calc := func(label string) float64 {
		t.Helper()
		v, err := f.CalcCellValue(s, cells[label], excelize.Options{RawCellValue: true})
		if err != nil {
			t.Fatalf("%s: %v", label, err)
		}
		n, err := strconv.ParseFloat(v, 64)
		if err != nil {
			t.Fatalf("%s is %q", label, v)
		}
		return n
	}
	near := func(label string, want float64) {
		t.Helper()
		if got := calc(label); got < want-1e-6*want || got > want+1e-6*want {
			t.Errorf("%s is %v, want %v", label, got, want)
		}
	}
	deal := 24736.0 / 17
	near("More deals won", 40*0.425*0.1)
	near("More revenue", 40*0.425*0.1*deal)
	near("Return", (40*0.425*0.1*deal-1200)/1200)
	if v, err := f.CalcCellValue(s, cells["Refunds avoided"]); err != nil || v != "n/a" {
		t.Errorf("a result that needs a missing figure is %q (%v)", v, err)
	}
	if err := f.SetCellFloat(s, cells["Relative lift"], 0.2, -1, 64); err != nil {
		t.Fatal(err)
	}
	near("More deals won", 40*0.425*0.2)
}

// TestWorkedFigures: the figures of the requirements come out, in the page and in the workbook.
func TestWorkedFigures(t *testing.T) {
	src := `version: 1
report: roi
sections:
  - formulas:
      title: Return on a lift
      assume:
        - {name: spend, value: "10000", format: money}
        - {name: visitors, value: "1000", format: count}
        - {name: conversion, value: "0.03", format: ratio}
        - {name: order_value, value: "400", format: money}
        - {name: lift, value: "0.2", format: ratio}
        - {name: cost, value: "1200", format: money}
        - {name: integration, value: "8000", format: money}
        - {name: model_usage, value: "1500", format: money}
        - {name: tools, value: "600", format: money}
        - {name: observability, value: "400", format: money}
        - {name: engineering, value: "3000", format: money}
      results:
        - {name: orders, formula: visitors * conversion, format: count}
        - {name: revenue, formula: orders * order_value, format: money}
        - {name: new_conversion, formula: conversion * (1 + lift), format: ratio}
        - {name: new_orders, formula: visitors * new_conversion, format: count}
        - {name: new_revenue, formula: new_orders * order_value, format: money}
        - {name: incremental, formula: new_revenue - revenue, format: money}
        - {name: roi, label: ROI, formula: (incremental - cost) / cost, format: ratio}
        - {name: payback, formula: cost / incremental, format: months}
        - {name: under_a_month, formula: "if(payback < 1, 1, 0)", format: count}
        - {name: run_rate, formula: model_usage + tools + observability + engineering, format: money}
        - {name: run_rate_doubled, formula: run_rate + model_usage, format: money}
channels: [test]
`
	def, err := catalog.Parse("reports/roi.yml", []byte(src), config.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	doc := compose(t, open(t), def)
	c := block[*reports.Calculator](t, doc)
	want := map[string]string{"orders": "30", "revenue": "12,000 EUR", "new_conversion": "3.60 %", "new_orders": "36", "new_revenue": "14,400 EUR",
		"incremental": "2,400 EUR", "roi": "100.00 %", "payback": "0.5 months", "under_a_month": "1", "run_rate": "5,500 EUR", "run_rate_doubled": "7,000 EUR"}
	f := workbook(t, doc)
	rows, err := f.GetRows("Return on a lift")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range c.Results {
		if got := r.Format.Show(r.Result); got != want[r.Name] {
			t.Errorf("%s is %s, want %s", r.Name, got, want[r.Name])
		}
		exact, _ := r.Result.Float()
		for i, row := range rows {
			if len(row) == 0 || row[0] != r.Label {
				continue
			}
			v, err := f.CalcCellValue("Return on a lift", fmt.Sprintf("B%d", i+1), excelize.Options{RawCellValue: true})
			if err != nil {
				t.Fatal(err)
			}
			n, err := strconv.ParseFloat(v, 64)
			if err != nil || n < exact-1e-9 || n > exact+1e-9 {
				t.Errorf("%s: the workbook computes %s, want %v", r.Name, v, exact)
			}
		}
	}
}

// TestSameWorkbookTwice is P4 for the bytes of the workbook.
func TestSameWorkbookTwice(t *testing.T) {
	doc := compose(t, open(t), definition(t))
	a, err := excel.Render(doc)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		b, err := excel.Render(doc)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(a, b) {
			t.Fatal("two renderings of one document differ")
		}
	}
}

// TestTextIsNeverAFormula: a cell of the data that begins like a formula stays text.
func TestTextIsNeverAFormula(t *testing.T) {
	src := `version: 1
report: odd
sections:
  - table: {title: "Odd: [names]/of\\ a?sheet*that is much too long for Excel", sql: "select '=1+1' as a, 'x' as A, null as b"}
  - table: {title: "Odd: [names]/of\\ a?sheet*that is much too long for Excel", sql: "select '@SUM(A1)' as a, repeat('y', 40000) as long"}
channels: [test]
`
	def, err := catalog.Parse("reports/odd.yml", []byte(src), config.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	f := workbook(t, compose(t, open(t), def))
	sheets := f.GetSheetList()
	if len(sheets) != 4 || sheets[1] == sheets[2] || len(sheets[1]) > 31 {
		t.Fatalf("sheets: %q", sheets)
	}
	if v, err := f.GetCellValue(sheets[1], "A4"); err != nil || v != "=1+1" {
		t.Errorf("A4 is %q (%v)", v, err)
	}
	if formula, err := f.GetCellFormula(sheets[1], "A4"); err != nil || formula != "" {
		t.Errorf("A4 became the formula %q (%v)", formula, err)
	}
	if v, err := f.GetCellValue(sheets[1], "B3"); err != nil || v == "A" {
		t.Errorf("two columns have one heading: %q (%v)", v, err)
	}
}

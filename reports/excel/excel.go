// Package excel renders a report as a workbook that people go on working in: formatted tables with filters, native charts
// over the cells beside them, frozen headings, number formats, marks against targets, a calculator with live formulas, and
// a sheet with the query behind each number (P7). It must not ask queries or change content.
package excel

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"millrace/reports"

	"github.com/xuri/excelize/v2"
)

// maxRows is how many rows a sheet can hold; one is the heading, a few stand above it.
const maxRows = 1_048_576

// Kind is the channel's entry in the catalog.
func Kind() reports.ChannelKind {
	return reports.FileKind("excel", "a workbook with native charts, filters and live formulas", ".xlsx", Render)
}

// Render gives the workbook's bytes: the same document gives the same bytes.
func Render(d *reports.Document) ([]byte, error) { return render(d, maxRows) }

func render(d *reports.Document, rowLimit int) ([]byte, error) {
	f := excelize.NewFile()
	defer f.Close()
	b := &book{f: f, doc: d, limit: rowLimit, styles: map[string]int{}, names: map[string]bool{}, tables: map[string]bool{}}
	if err := b.build(); err != nil {
		return nil, fmt.Errorf("workbook: %w", err)
	}
	var out bytes.Buffer
	if err := f.Write(&out); err != nil {
		return nil, fmt.Errorf("write workbook: %w", err)
	}
	data, err := stable(out.Bytes())
	if err != nil {
		return nil, fmt.Errorf("write workbook: %w", err)
	}
	return data, nil
}

// book is a workbook being made.
type book struct {
	f      *excelize.File
	doc    *reports.Document
	limit  int
	styles map[string]int
	names  map[string]bool // of sheets, in lower case
	tables map[string]bool
	first  bool
	kpiAt  map[string]string // KPI name → cell of its value
	charts []*reports.Chart
	later  []func() error // what comes after all other sheets but the sources
}

func (b *book) build() error {
	d := b.doc
	at := d.At.UTC().Format("2006-01-02T15:04:05Z")
	if err := b.f.SetDocProps(&excelize.DocProperties{Title: d.Title + ", " + d.Period.Label(), Creator: "Millrace", LastModifiedBy: "Millrace",
		Created: at, Modified: at, Description: "Report " + d.Report + " of build " + d.BuildID, Language: "en"}); err != nil {
		return err
	}
	if err := b.f.SetDefaultFont("Calibri"); err != nil {
		return err
	}
	b.kpiAt = map[string]string{}
	if err := b.summary(); err != nil {
		return err
	}
	if err := b.kpis(); err != nil {
		return err
	}
	if err := b.chartSheet(); err != nil {
		return err
	}
	for _, block := range d.Blocks {
		var err error
		switch x := block.(type) {
		case *reports.Calculator:
			err = b.calculator(x)
		case *reports.Grid:
			err = b.grid(x)
		}
		if err != nil {
			return err
		}
	}
	for _, do := range b.later {
		if err := do(); err != nil {
			return err
		}
	}
	if err := b.sources(); err != nil {
		return err
	}
	b.f.SetActiveSheet(0)
	full := true
	return b.f.SetCalcProps(&excelize.CalcPropsOptions{FullCalcOnLoad: &full})
}

// sheet adds a sheet with a name that Excel takes and that no other sheet has.
func (b *book) sheet(title string) (string, error) {
	name := strings.Map(func(r rune) rune {
		if strings.ContainsRune(`:\/?*[]'`, r) || r < ' ' {
			return -1
		}
		return r
	}, title)
	name = cut(strings.TrimSpace(name), 31)
	if name == "" {
		name = "Sheet"
	}
	base := name
	for i := 2; b.names[strings.ToLower(name)]; i++ {
		tail := fmt.Sprintf(" %d", i)
		name = cut(base, 31-len(tail)) + tail
	}
	b.names[strings.ToLower(name)] = true
	if !b.first {
		b.first = true
		if err := b.f.SetSheetName("Sheet1", name); err != nil {
			return "", err
		}
	} else if _, err := b.f.NewSheet(name); err != nil {
		return "", err
	}
	grid := false
	if err := b.f.SetSheetView(name, 0, &excelize.ViewOptions{ShowGridLines: &grid}); err != nil {
		return "", err
	}
	return name, b.page(name)
}

func cut(s string, n int) string {
	r := []rune(s)
	if len(r) > n {
		r = r[:n]
	}
	return strings.TrimSpace(string(r))
}

// page sets up printing: A4 across, as wide as one page, the report's name below.
func (b *book) page(sheet string) error {
	size, wide, tall, orientation, fit := 9, 1, 0, "landscape", true
	if err := b.f.SetPageLayout(sheet, &excelize.PageLayoutOptions{Size: &size, Orientation: &orientation, FitToWidth: &wide, FitToHeight: &tall}); err != nil {
		return err
	}
	if err := b.f.SetSheetProps(sheet, &excelize.SheetPropsOptions{FitToPage: &fit}); err != nil {
		return err
	}
	esc := strings.NewReplacer("&", "&&").Replace(cut(b.doc.Title+", "+b.doc.Period.Label(), 80))
	return b.f.SetHeaderFooter(sheet, &excelize.HeaderFooterOptions{OddFooter: "&L" + esc + "&C&A&RPage &P of &N"})
}

// style gives the id of a style, made once.
func (b *book) style(key string, make func() *excelize.Style) (int, error) {
	if id, ok := b.styles[key]; ok {
		return id, nil
	}
	s := make()
	if s.Font == nil {
		s.Font = &excelize.Font{}
	}
	if s.Font.Family == "" {
		s.Font.Family = "Calibri"
	}
	if s.Font.Size == 0 {
		s.Font.Size = 11
	}
	if s.Font.Color == "" {
		s.Font.Color = ink
	}
	if s.Alignment == nil {
		s.Alignment = &excelize.Alignment{Vertical: "top"}
	}
	id, err := b.f.NewStyle(s)
	if err == nil {
		b.styles[key] = id
	}
	return id, err
}

const (
	ink, faint, accent = "1C2430", "5B6675", "2F6DB5"
	goodInk, goodFill  = "1F7A4D", "E3F3EA"
	badInk, badFill    = "B3372F", "FBE8E6"
	warnInk, warnFill  = "8A5A00", "FDF1D8"
	panel, ruleColour  = "F5F7F9", "DFE4EA"
)

// numFmt is the number format of a cell.
func numFmt(f reports.Format, v float64) string {
	sign := func(s string) string {
		if f.Sign {
			return "+" + s + ";-" + s + ";" + s
		}
		return s
	}
	quoted := func(s string) string { return `"` + strings.ReplaceAll(s, `"`, "") + `"` }
	switch f.Unit {
	case reports.Ratio:
		return sign("0.00 %")
	case reports.Points:
		return sign(`0.00" points"`)
	case reports.Money, reports.MoneyPerDay:
		s := "#,##0.00"
		if v >= 1000 || v <= -1000 {
			s = "#,##0"
		}
		if f.Currency != "" {
			s += quoted(" " + f.Currency)
		}
		if f.Unit == reports.MoneyPerDay {
			s += quoted(" a day")
		}
		return sign(s)
	case reports.Days:
		return sign(`#,##0.0" days"`)
	case reports.Hours:
		return sign(`#,##0.0" hours"`)
	case reports.Months:
		return sign(`#,##0.0" months"`)
	case reports.Times:
		return sign(`#,##0.00"×"`)
	case reports.Count:
		if v != float64(int64(v)) {
			return sign("#,##0.0")
		}
		return sign("#,##0")
	case reports.DateUnit:
		return "yyyy-mm-dd"
	case reports.TextUnit:
		return "@"
	}
	if v == float64(int64(v)) {
		return sign("#,##0")
	}
	return sign("#,##0.####")
}

// put writes a quantity: a number with its format, a date, a text, or why there is nothing.
func (b *book) put(sheet, cell string, q reports.Quantity, bold bool) error {
	if q.Cell.IsNull() {
		if q.Reason == "" {
			return nil
		}
		id, err := b.style("na", func() *excelize.Style {
			return &excelize.Style{Font: &excelize.Font{Italic: true, Color: faint}, Alignment: &excelize.Alignment{Horizontal: "right", Vertical: "top", WrapText: true}}
		})
		if err != nil {
			return err
		}
		return b.text(sheet, cell, "n/a: "+q.Reason, id)
	}
	return b.value(sheet, cell, q.Cell.Value, q.Format, bold)
}

func (b *book) value(sheet, cell string, v reports.Value, f reports.Format, bold bool) error {
	if t, ok := v.Time(); ok {
		if f.Grain != "" {
			return b.text(sheet, cell, f.Show(v), 0)
		}
		format := "yyyy-mm-dd"
		if t.Hour() != 0 || t.Minute() != 0 || t.Second() != 0 {
			format = "yyyy-mm-dd hh:mm"
		}
		id, err := b.style("at "+format, func() *excelize.Style {
			return &excelize.Style{CustomNumFmt: &format, Alignment: &excelize.Alignment{Horizontal: "right", Vertical: "top"}}
		})
		if err != nil {
			return err
		}
		if err := b.f.SetCellValue(sheet, cell, t); err != nil {
			return err
		}
		return b.f.SetCellStyle(sheet, cell, cell, id)
	}
	n, ok := v.Float()
	if !ok || f.Unit == reports.TextUnit {
		return b.text(sheet, cell, v.Text(), 0)
	}
	if f.Unit == reports.Points {
		n *= 100 // there is no number format that multiplies without writing a percent sign
	}
	format := numFmt(f, n)
	id, err := b.style(fmt.Sprintf("num %v %s", bold, format), func() *excelize.Style {
		return &excelize.Style{CustomNumFmt: &format, Font: &excelize.Font{Bold: bold}, Alignment: &excelize.Alignment{Horizontal: "right", Vertical: "top"}}
	})
	if err != nil {
		return err
	}
	if err := b.f.SetCellFloat(sheet, cell, n, -1, 64); err != nil {
		return err
	}
	return b.f.SetCellStyle(sheet, cell, cell, id)
}

// maxCell is how many characters a cell can hold.
const maxCell = 32_767

// text writes plain text. It is never taken for a formula, whatever it begins with.
func (b *book) text(sheet, cell, s string, style int) error {
	if utf8.RuneCountInString(s) > maxCell {
		s = string([]rune(s)[:maxCell-1]) + "…"
	}
	if err := b.f.SetCellStr(sheet, cell, s); err != nil {
		return err
	}
	if style == 0 {
		id, err := b.style("text", func() *excelize.Style {
			return &excelize.Style{Alignment: &excelize.Alignment{Horizontal: "left", Indent: 1, Vertical: "top", WrapText: true}}
		})
		if err != nil {
			return err
		}
		style = id
	}
	return b.f.SetCellStyle(sheet, cell, cell, style)
}

func (b *book) heading(sheet, cell, s string, size float64) error {
	id, err := b.style(fmt.Sprintf("h %v", size), func() *excelize.Style {
		return &excelize.Style{Font: &excelize.Font{Bold: true, Size: size}}
	})
	if err != nil {
		return err
	}
	return b.text(sheet, cell, s, id)
}

func (b *book) faint(sheet, cell, s string) error {
	id, err := b.style("faint", func() *excelize.Style {
		return &excelize.Style{Font: &excelize.Font{Color: faint, Size: 10}}
	})
	if err != nil {
		return err
	}
	return b.text(sheet, cell, s, id)
}

// aside is a remark beside a number.
func (b *book) aside(sheet, cell, s string) error {
	id, err := b.style("aside", func() *excelize.Style {
		return &excelize.Style{Font: &excelize.Font{Color: faint, Size: 10}, Alignment: &excelize.Alignment{Horizontal: "left", Indent: 1, Vertical: "top", WrapText: true}}
	})
	if err != nil {
		return err
	}
	return b.text(sheet, cell, s, id)
}

func at(col, row int) string {
	s, err := excelize.CoordinatesToCellName(col, row)
	if err != nil {
		return "A1" // unreachable: columns and rows are positive and within Excel's limits
	}
	return s
}

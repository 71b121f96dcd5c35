package resolve

import (
	"unicode/utf8"

	"github.com/xuri/excelize/v2"
)

// book is the workbook being written, with its styles.
type book struct {
	f     *excelize.File
	fresh bool // the first sheet has no name yet

	title, section, hint, head, label, number, plain     int
	cell, last, band, quiet, pair, verdict, verdictPlain int
	percent, percentPlain, percentBand, words            int
	differ, differLast, lack, lackLast, done             int
}

// Colours: dark blue heads, pale yellow for differences and for what is to be filled in, grey for what is missing.
const (
	ink    = "1F3A5F"
	line   = "D0D5DD"
	thick  = "8895A7"
	yellow = "FFF2B8"
	paper  = "F3F6FA"
	grey   = "EDEDED"
	faint  = "6B7280"
)

func newBook() (*book, error) {
	b := &book{f: excelize.NewFile(), fresh: true}
	bottom := func(c string) []excelize.Border { return []excelize.Border{{Type: "bottom", Color: c, Style: 1}} }
	fill := func(c string) excelize.Fill { return excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{c}} }
	font := func(size float64, bold bool, color string) *excelize.Font {
		return &excelize.Font{Family: "Calibri", Size: size, Bold: bold, Color: color}
	}
	top := &excelize.Alignment{Vertical: "center", Horizontal: "left", Indent: 1}
	wrap := &excelize.Alignment{Vertical: "center", WrapText: true}
	middle := &excelize.Alignment{Vertical: "center", Horizontal: "center"}
	percent, count := "0%", "#,##0"
	var err error
	for _, s := range []struct {
		id    *int
		style excelize.Style
	}{
		{&b.title, excelize.Style{Font: font(18, true, ink)}},
		{&b.section, excelize.Style{Font: font(13, true, ink)}},
		{&b.hint, excelize.Style{Font: font(11, false, faint), Alignment: &excelize.Alignment{Horizontal: "left", Indent: 1}}},
		{&b.plain, excelize.Style{Font: font(11, false, "000000")}},
		{&b.head, excelize.Style{Font: font(11, true, "FFFFFF"), Fill: fill(ink), Alignment: top}},
		{&b.label, excelize.Style{Font: font(11, false, "000000"), Border: bottom(line), Alignment: &excelize.Alignment{Horizontal: "left"}}},
		{&b.number, excelize.Style{Font: font(11, true, ink), Border: bottom(line), CustomNumFmt: &count, Alignment: &excelize.Alignment{Horizontal: "right"}}},
		{&b.cell, excelize.Style{Font: font(10, false, "000000"), Alignment: top, Border: bottom("F0F0F0")}},
		{&b.last, excelize.Style{Font: font(10, false, "000000"), Alignment: top, Border: bottom(thick)}},
		{&b.band, excelize.Style{Font: font(10, false, "000000"), Alignment: top, Fill: fill(paper)}},
		{&b.quiet, excelize.Style{Font: font(10, false, faint), Alignment: top, Border: bottom("F0F0F0")}},
		{&b.pair, excelize.Style{Font: font(10, false, faint), Alignment: middle, Border: bottom(thick)}},
		{&b.verdict, excelize.Style{Font: font(11, true, ink), Alignment: middle, Fill: fill(yellow), Border: bottom(thick)}},
		{&b.verdictPlain, excelize.Style{Font: font(10, true, ink), Alignment: middle, Fill: fill(yellow), Border: bottom("F0F0F0")}},
		{&b.percent, excelize.Style{Font: font(11, true, ink), Alignment: middle, Border: bottom(thick), CustomNumFmt: &percent}},
		{&b.percentPlain, excelize.Style{Font: font(10, false, "000000"), Alignment: middle, Border: bottom("F0F0F0"), CustomNumFmt: &percent}},
		{&b.percentBand, excelize.Style{Font: font(10, false, "000000"), Alignment: middle, Fill: fill(paper), CustomNumFmt: &percent}},
		{&b.words, excelize.Style{Font: font(9, false, "333333"), Alignment: wrap, Border: bottom(thick)}},
		{&b.differ, excelize.Style{Font: font(10, false, "000000"), Alignment: top, Fill: fill(yellow), Border: bottom("F0F0F0")}},
		{&b.differLast, excelize.Style{Font: font(10, false, "000000"), Alignment: top, Fill: fill(yellow), Border: bottom(thick)}},
		{&b.lack, excelize.Style{Font: font(10, false, "000000"), Alignment: top, Fill: fill(grey), Border: bottom("F0F0F0")}},
		{&b.lackLast, excelize.Style{Font: font(10, false, "000000"), Alignment: top, Fill: fill(grey), Border: bottom(thick)}},
	} {
		if *s.id, err = b.f.NewStyle(&s.style); err != nil {
			return nil, err
		}
	}
	b.done, err = b.f.NewConditionalStyle(&excelize.Style{Font: &excelize.Font{Color: "2E7D32"}, Fill: fill("E3F4E4")})
	return b, err
}

// page is a sheet being written; the first error stays.
type page struct {
	b    *book
	name string
	err  error
}

func (b *book) sheet(name string) *page {
	p := &page{b: b, name: name}
	if b.fresh {
		b.fresh = false
		p.err = b.f.SetSheetName("Sheet1", name)
	} else {
		_, p.err = b.f.NewSheet(name)
	}
	return p
}

func (p *page) do(fn func() error) {
	if p.err == nil {
		p.err = fn()
	}
}

// at is the name of a cell; columns and rows are positive, so it cannot fail.
func at(col, row int) string {
	s, err := excelize.CoordinatesToCellName(col, row)
	if err != nil {
		return "A1"
	}
	return s
}

// text writes a text as a text: nothing in a list becomes a formula or a number.
func (p *page) text(col, row int, s string, style int) {
	p.do(func() error { return p.b.f.SetCellStr(p.name, at(col, row), s) })
	p.do(func() error { return p.b.f.SetCellStyle(p.name, at(col, row), at(col, row), style) })
}

func (p *page) value(col, row int, v any, style int) {
	p.do(func() error { return p.b.f.SetCellValue(p.name, at(col, row), v) })
	p.do(func() error { return p.b.f.SetCellStyle(p.name, at(col, row), at(col, row), style) })
}

// merged writes a cell over two rows.
func (p *page) merged(col, row int, v any, style int) {
	p.value(col, row, v, style)
	p.do(func() error { return p.b.f.SetCellStyle(p.name, at(col, row), at(col, row+1), style) })
	p.do(func() error { return p.b.f.MergeCell(p.name, at(col, row), at(col, row+1)) })
}

// compared writes one of two values, marked by how it stands to the other: the letters that differ are red.
func (p *page) compared(col, row int, both [2]string, which int, counts bool) {
	b := p.b
	pick := func(upper, lower int) int { return []int{upper, lower}[which] }
	mine, other := both[which], both[1-which]
	switch {
	case mine == other:
		p.text(col, row, mine, pick(b.cell, b.last))
	case mine == "" || other == "":
		p.text(col, row, mine, pick(b.lack, b.lackLast))
	case !counts:
		p.text(col, row, mine, pick(b.cell, b.last))
	default:
		p.text(col, row, mine, pick(b.differ, b.differLast))
		before, diff, after := difference(mine, other)
		if diff == "" || before == "" && after == "" || !utf8.ValidString(mine) {
			return
		}
		var runs []excelize.RichTextRun
		for i, s := range []string{before, diff, after} {
			if s == "" {
				continue
			}
			font := &excelize.Font{Family: "Calibri", Size: 10, Color: "000000"}
			if i == 1 {
				font.Color, font.Bold = "C62828", true
			}
			runs = append(runs, excelize.RichTextRun{Text: s, Font: font})
		}
		p.do(func() error { return b.f.SetCellRichText(p.name, at(col, row), runs) })
	}
}

// difference is what of a is not in b, between their common beginning and their common end.
func difference(a, b string) (before, diff, after string) {
	x, y := []rune(a), []rune(b)
	i := 0
	for i < len(x) && i < len(y) && x[i] == y[i] {
		i++
	}
	j := 0
	for j < len(x)-i && j < len(y)-i && x[len(x)-1-j] == y[len(y)-1-j] {
		j++
	}
	return string(x[:i]), string(x[i : len(x)-j]), string(x[len(x)-j:])
}

func (p *page) widths(w []float64) {
	for i, x := range w {
		p.do(func() error {
			c, err := excelize.ColumnNumberToName(i + 1)
			if err != nil {
				return err
			}
			return p.b.f.SetColWidth(p.name, c, c, x)
		})
	}
}

func (p *page) height(row int, h float64) {
	p.do(func() error { return p.b.f.SetRowHeight(p.name, row, min(h, 200)) })
}

func (p *page) hide(from, to int) {
	for c := from; c <= to; c++ {
		p.do(func() error {
			name, err := excelize.ColumnNumberToName(c)
			if err != nil {
				return err
			}
			return p.b.f.SetColVisible(p.name, name, false)
		})
	}
}

// choices makes the cells a list to choose from; other words are refused.
func (p *page) choices(area string, words ...string) {
	p.do(func() error {
		v := excelize.NewDataValidation(true)
		v.SetSqref(area)
		if err := v.SetDropList(words); err != nil {
			return err
		}
		v.SetError(excelize.DataValidationErrorStyleStop, "Verdict", "Choose from the list, or leave it empty.")
		return p.b.f.AddDataValidation(p.name, v)
	})
}

// bars draws the cells' numbers as bars.
func (p *page) bars(area string) {
	p.do(func() error {
		return p.b.f.SetConditionalFormat(p.name, area, []excelize.ConditionalFormatOptions{{Type: "data_bar", Criteria: "=", MinType: "num", MinValue: "0", MaxType: "max", BarColor: "#7FA3CC", BarOnly: true, BarSolid: true}})
	})
}

// filled marks rows whose verdict is given.
func (p *page) filled(area, cell string, style int) {
	p.do(func() error {
		return p.b.f.SetConditionalFormat(p.name, area, []excelize.ConditionalFormatOptions{{Type: "formula", Criteria: cell + `<>""`, Format: &style}})
	})
}

func (p *page) freeze(cols, rows int) {
	p.do(func() error {
		pane := "bottomRight"
		if cols == 0 {
			pane = "bottomLeft"
		}
		return p.b.f.SetPanes(p.name, &excelize.Panes{Freeze: true, XSplit: cols, YSplit: rows, TopLeftCell: at(cols+1, rows+1), ActivePane: pane})
	})
}

func (p *page) layout(orientation string) {
	p.do(func() error {
		wide, tall, paper := 1, 0, 9
		if err := p.b.f.SetSheetProps(p.name, &excelize.SheetPropsOptions{FitToPage: ptr(true)}); err != nil {
			return err
		}
		return p.b.f.SetPageLayout(p.name, &excelize.PageLayoutOptions{Orientation: &orientation, Size: &paper, FitToWidth: &wide, FitToHeight: &tall})
	})
}

func (p *page) landscape() { p.layout("landscape") }
func (p *page) portrait()  { p.layout("portrait") }

func (p *page) noGrid() {
	p.do(func() error { return p.b.f.SetSheetView(p.name, 0, &excelize.ViewOptions{ShowGridLines: ptr(false)}) })
}

func ptr[T any](v T) *T { return &v }

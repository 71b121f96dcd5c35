package excel

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"millrace/reports"

	"github.com/xuri/excelize/v2"
)

// widths sets the widths of the columns from A on, in characters.
func (b *book) widths(sheet string, widths ...float64) error {
	for i, w := range widths {
		name, err := excelize.ColumnNumberToName(i + 1)
		if err != nil {
			return err
		}
		if err := b.f.SetColWidth(sheet, name, name, w); err != nil {
			return err
		}
	}
	return nil
}

// table makes a formatted Excel table of rows top (the heading) to bottom. A table needs at least one row below its
// heading and headings that differ.
// Headings stand over their cells: left over text, right over numbers.
func (b *book) table(sheet string, top, bottom, cols int, title string, texts ...int) error {
	left := map[int]bool{}
	for _, c := range texts {
		left[c] = true
	}
	seen := map[string]bool{}
	for c := 1; c <= cols; c++ {
		h, err := b.f.GetCellValue(sheet, at(c, top))
		if err != nil {
			return err
		}
		if strings.TrimSpace(h) == "" {
			h = "Column"
		}
		unique := h
		for i := 2; seen[strings.ToLower(unique)]; i++ {
			unique = fmt.Sprintf("%s %d", h, i)
		}
		seen[strings.ToLower(unique)] = true
		if err := b.f.SetCellStr(sheet, at(c, top), unique); err != nil {
			return err
		}
		side, indent := "right", 0
		if left[c] {
			side, indent = "left", 1
		}
		id, err := b.style("table head "+side, func() *excelize.Style {
			return &excelize.Style{Font: &excelize.Font{Bold: true, Color: "FFFFFF"}, Fill: excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{accent}},
				Alignment: &excelize.Alignment{Horizontal: side, Indent: indent, Vertical: "center", WrapText: true}}
		})
		if err != nil {
			return err
		}
		if err := b.f.SetCellStyle(sheet, at(c, top), at(c, top), id); err != nil {
			return err
		}
	}
	if bottom == top {
		return nil
	}
	stripes := true
	return b.f.AddTable(sheet, &excelize.Table{Range: at(1, top) + ":" + at(cols, bottom), Name: b.tableName(title), StyleName: "TableStyleLight1", ShowRowStripes: &stripes})
}

// tableName makes a name that Excel takes for a table: letters, digits and underscores, unlike any cell, used once.
func (b *book) tableName(title string) string {
	name := "t_" + strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToLower(title)), "_")
	name = cut(name, 200)
	base := name
	for i := 2; b.tables[name]; i++ {
		name = fmt.Sprintf("%s_%d", base, i)
	}
	b.tables[name] = true
	return name
}

// grid writes one table to a sheet of its own, or to several when a sheet cannot hold it.
func (b *book) grid(g *reports.Grid) error {
	if len(g.Rows) == 0 {
		s, err := b.sheet(g.Title)
		if err != nil {
			return err
		}
		if err := b.heading(s, "A1", g.Title, 14); err != nil {
			return err
		}
		return b.faint(s, "A3", g.Empty)
	}
	for from, part := 0, 1; from < len(g.Rows); part++ {
		n := min(len(g.Rows)-from, b.limit-10)
		title := g.Title
		if len(g.Rows) > b.limit-10 {
			title = fmt.Sprintf("%s, part %d", g.Title, part)
		}
		if err := b.gridPart(g, title, g.Rows[from:from+n], from == 0); err != nil {
			return err
		}
		from += n
	}
	return nil
}

// bigGrid is the number of rows from which on cells share one style a column, so that large sheets stay quick to write.
const bigGrid = 5000

func (b *book) gridPart(g *reports.Grid, title string, rows [][]reports.Quantity, first bool) error {
	s, err := b.sheet(title)
	if err != nil {
		return err
	}
	if err := b.heading(s, "A1", title, 14); err != nil {
		return err
	}
	top := 3
	if first && !g.Note.IsZero() {
		if err := b.faint(s, "A2", g.Note.String()); err != nil {
			return err
		}
	}
	if err := b.f.SetCellStr(s, at(len(g.Columns)+2, 1), "Source: "+g.Source); err != nil {
		return err
	}
	width := make([]float64, len(g.Columns))
	for c, col := range g.Columns {
		if err := b.f.SetCellStr(s, at(c+1, top), col.Label); err != nil {
			return err
		}
		width[c] = float64(utf8.RuneCountInString(col.Label)) + 5
	}
	for i, row := range rows {
		for c, q := range row {
			if q.Cell.IsNull() && g.Columns[c].Text {
				continue
			}
			if i < bigGrid {
				width[c] = max(width[c], float64(utf8.RuneCountInString(q.String()))+3)
			}
			if err := b.put(s, at(c+1, top+1+i), q, false); err != nil {
				return err
			}
		}
	}
	for c := range width {
		width[c] = min(max(width[c], 9), 60)
	}
	if err := b.widths(s, width...); err != nil {
		return err
	}
	bottom := top + len(rows)
	var texts []int
	for c, col := range g.Columns {
		if col.Text {
			texts = append(texts, c+1)
		}
	}
	if err := b.table(s, top, bottom, len(g.Columns), title, texts...); err != nil {
		return err
	}
	if err := b.marks(s, g, top+1, bottom); err != nil {
		return err
	}
	if err := b.f.SetDefinedName(&excelize.DefinedName{Name: "_xlnm.Print_Titles", RefersTo: fmt.Sprintf("%s!$%d:$%d", quoteSheet(s), top, top), Scope: s}); err != nil {
		return err
	}
	split, corner := 0, at(1, top+1)
	if g.Columns[0].Text {
		split, corner = 1, at(2, top+1)
	}
	pane := "bottomLeft"
	if split > 0 {
		pane = "bottomRight"
	}
	return b.f.SetPanes(s, &excelize.Panes{Freeze: true, XSplit: split, YSplit: top, TopLeftCell: corner, ActivePane: pane})
}

// marks adds the conditional formats of a table: against a target, bars of size, status words.
func (b *book) marks(s string, g *reports.Grid, top, bottom int) error {
	for c, col := range g.Columns {
		ref := at(c+1, top) + ":" + at(c+1, bottom)
		if col.Status {
			if err := b.verdicts(s, ref); err != nil {
				return err
			}
		}
		if col.Bars && !negative(g, c) {
			if err := b.f.SetConditionalFormat(s, ref, []excelize.ConditionalFormatOptions{{Type: "data_bar", Criteria: "=", MinType: "num", MinValue: "0", MaxType: "max",
				BarColor: "#A9C7EA", BarSolid: true}}); err != nil {
				return err
			}
		}
		if col.Compare == "" {
			continue
		}
		for t, target := range g.Columns {
			if target.Name != col.Compare {
				continue
			}
			name, err := excelize.ColumnNumberToName(t + 1)
			if err != nil {
				return err
			}
			goal := fmt.Sprintf("$%s%d", name, top)
			bad, good := "<", ">="
			if col.LowerBetter {
				bad, good = ">", "<="
			}
			cell := at(c+1, top)
			var rules []excelize.ConditionalFormatOptions
			for _, r := range []struct{ op, ink, fill string }{{bad, badInk, badFill}, {good, goodInk, goodFill}} {
				id, err := b.f.NewConditionalStyle(&excelize.Style{Font: &excelize.Font{Color: r.ink}, Fill: excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{r.fill}}})
				if err != nil {
					return err
				}
				rules = append(rules, excelize.ConditionalFormatOptions{Type: "formula", Criteria: fmt.Sprintf("AND(ISNUMBER(%s),ISNUMBER(%s),%s%s%s)", cell, goal, cell, r.op, goal), Format: &id})
			}
			if err := b.f.SetConditionalFormat(s, ref, rules); err != nil {
				return err
			}
		}
	}
	return nil
}

// negative reports whether a column holds a number below zero: bars of size would mislead then.
func negative(g *reports.Grid, col int) bool {
	for _, row := range g.Rows {
		if row[col].Cell.Sign() < 0 {
			return true
		}
	}
	return false
}

// sources is the last sheet: every query, as it can be run again.
func (b *book) sources() error {
	s, err := b.sheet("Sources")
	if err != nil {
		return err
	}
	if err := b.widths(s, 8, 16, 34, 9, 110); err != nil {
		return err
	}
	if err := b.heading(s, "A1", "Where the numbers come from", 14); err != nil {
		return err
	}
	if err := b.faint(s, "A2", "Each query was run on build "+b.doc.BuildID+"; `millrace query` shows it again."); err != nil {
		return err
	}
	for i, h := range []string{"Source", "Section", "Relations", "Rows", "Query"} {
		if err := b.f.SetCellStr(s, at(i+1, 4), h); err != nil {
			return err
		}
	}
	mono, err := b.style("mono", func() *excelize.Style {
		return &excelize.Style{Font: &excelize.Font{Family: "Consolas", Size: 9}, Alignment: &excelize.Alignment{WrapText: true, Vertical: "top"}}
	})
	if err != nil {
		return err
	}
	for i, src := range b.doc.Sources {
		row := 5 + i
		for c, v := range []string{src.ID, src.Section, strings.Join(src.Reads, ", ")} {
			if err := b.text(s, at(c+1, row), v, 0); err != nil {
				return err
			}
		}
		if err := b.value(s, at(4, row), reports.ValueOf(src.Rows), reports.Format{Unit: reports.Count}, false); err != nil {
			return err
		}
		if err := b.text(s, at(5, row), src.SQL, mono); err != nil {
			return err
		}
		lines := 0
		for _, l := range strings.Split(src.SQL, "\n") {
			lines += 1 + utf8.RuneCountInString(l)/125
		}
		if err := b.f.SetRowHeight(s, row, float64(min(max(lines*12+4, 16), 400))); err != nil {
			return err
		}
	}
	if err := b.table(s, 4, 4+len(b.doc.Sources), 5, "Sources", 1, 2, 3, 5); err != nil {
		return err
	}
	return b.f.SetPanes(s, &excelize.Panes{Freeze: true, YSplit: 4, TopLeftCell: "A5", ActivePane: "bottomLeft"})
}

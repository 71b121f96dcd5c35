package excel

import (
	"fmt"

	"millrace/reports"

	"github.com/xuri/excelize/v2"
)

// calculator writes a sheet whose results are live formulas over named cells: figures point at their cells on the sheet
// KPIs where they stand there, assumptions are cells to change, results follow.
func (b *book) calculator(c *reports.Calculator) error {
	s, err := b.sheet(c.Title)
	if err != nil {
		return err
	}
	if err := b.widths(s, 40, 24, 58, 46); err != nil {
		return err
	}
	if err := b.heading(s, "A1", c.Title, 16); err != nil {
		return err
	}
	note := c.Note
	if note == "" {
		note = "Change a yellow cell: the results follow."
	}
	if err := b.faint(s, "A2", note); err != nil {
		return err
	}
	prefix := b.namePrefix()
	known := map[string]string{}
	row := 4
	part := func(title string) error {
		for i, h := range []string{title, "Value", "Note", "Formula or source"} {
			side, indent := "left", 1
			if i == 1 {
				side, indent = "right", 0
			}
			id, err := b.style("part "+side, func() *excelize.Style {
				return &excelize.Style{Font: &excelize.Font{Bold: true, Color: "FFFFFF"}, Fill: excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{accent}},
					Alignment: &excelize.Alignment{Horizontal: side, Indent: indent, Vertical: "center"}}
			})
			if err != nil {
				return err
			}
			if err := b.text(s, at(i+1, row), h, id); err != nil {
				return err
			}
		}
		row++
		return nil
	}
	name := func(cell string) error {
		full := prefix + cell
		known[cell] = full
		return b.f.SetDefinedName(&excelize.DefinedName{Name: full, RefersTo: quoteSheet(s) + "!" + absolute(2, row), Comment: "calculator"})
	}
	if len(c.Wired) > 0 {
		if err := part("Figures"); err != nil {
			return err
		}
		for _, x := range c.Wired {
			if err := b.calcLine(s, row, x, x.Value.Cell.Ref().String()); err != nil {
				return err
			}
			if err := b.put(s, at(2, row), x.Value, false); err != nil {
				return err
			}
			if ref, ok := b.twin(x); ok {
				if err := b.f.SetCellFormula(s, at(2, row), "="+ref); err != nil {
					return err
				}
			}
			if err := name(x.Name); err != nil {
				return err
			}
			row++
		}
		row++
	}
	if len(c.Assumed) > 0 {
		if err := part("Assumptions (change these)"); err != nil {
			return err
		}
		for _, x := range c.Assumed {
			if err := b.calcLine(s, row, x, ""); err != nil {
				return err
			}
			if err := b.given(s, at(2, row), x); err != nil {
				return err
			}
			if err := name(x.Name); err != nil {
				return err
			}
			row++
		}
		row++
	}
	if err := part("Results"); err != nil {
		return err
	}
	for _, x := range c.Results {
		formula := x.Sheet(func(n string) string { return known[n] })
		if err := b.calcLine(s, row, x, "= "+x.Formula); err != nil {
			return err
		}
		// The value is written first so that readers which do not compute formulas show it, with its format.
		if err := b.value(s, at(2, row), x.Result, x.Format, true); err != nil {
			return err
		}
		if x.Result.IsNull() {
			format := numFmt(x.Format, 1000)
			id, err := b.style("calc "+format, func() *excelize.Style {
				return &excelize.Style{CustomNumFmt: &format, Font: &excelize.Font{Bold: true}, Alignment: &excelize.Alignment{Horizontal: "right", Vertical: "top"}}
			})
			if err != nil {
				return err
			}
			if err := b.f.SetCellStyle(s, at(2, row), at(2, row), id); err != nil {
				return err
			}
		}
		if err := b.f.SetCellFormula(s, at(2, row), fmt.Sprintf(`=IFERROR(%s,"n/a")`, formula)); err != nil {
			return err
		}
		if err := name(x.Name); err != nil {
			return err
		}
		row++
	}
	return b.f.SetPanes(s, &excelize.Panes{Freeze: true, YSplit: 2, TopLeftCell: "A3", ActivePane: "bottomLeft"})
}

// namePrefix keeps the names of several calculators apart, and unlike any cell: calc_x, calc2_x.
func (b *book) namePrefix() string {
	n := 1
	for _, d := range b.f.GetDefinedName() {
		var k int
		if d.Comment == "calculator" {
			if _, err := fmt.Sscanf(d.Name, "calc%d_", &k); err == nil {
				n = max(n, k+1)
			} else {
				n = max(n, 2)
			}
		}
	}
	if n == 1 {
		return "calc_"
	}
	return fmt.Sprintf("calc%d_", n)
}

// twin finds the cell on the sheet KPIs that shows the same figure, so that the calculator follows it.
func (b *book) twin(x reports.CalcCell) (string, bool) {
	if x.Value.Cell.IsNull() {
		return "", false
	}
	for _, grain := range []string{"period ", "all "} {
		if ref, ok := b.kpiAt[grain+x.KPI]; ok && x.KPI != "" && (grain == "all ") == x.AllTime {
			return ref, true
		}
	}
	return "", false
}

func (b *book) calcLine(s string, row int, x reports.CalcCell, source string) error {
	if err := b.text(s, at(1, row), x.Label, 0); err != nil {
		return err
	}
	if err := b.aside(s, at(3, row), x.Note); err != nil {
		return err
	}
	return b.aside(s, at(4, row), source)
}

// given writes an assumption: yellow, because it asks to be changed.
func (b *book) given(s, cell string, x reports.CalcCell) error {
	n, _ := x.Given.Float()
	format := numFmt(x.Format, n)
	id, err := b.style("given "+format, func() *excelize.Style {
		return &excelize.Style{CustomNumFmt: &format, Font: &excelize.Font{Color: warnInk}, Fill: excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{warnFill}},
			Alignment: &excelize.Alignment{Horizontal: "right", Vertical: "top"},
			Border:    []excelize.Border{{Type: "bottom", Style: 1, Color: "E0C98A"}}}
	})
	if err != nil {
		return err
	}
	if err := b.f.SetCellFloat(s, cell, n, -1, 64); err != nil {
		return err
	}
	return b.f.SetCellStyle(s, cell, cell, id)
}

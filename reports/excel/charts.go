package excel

import (
	"millrace/internal/chart"
	"millrace/reports"

	"github.com/xuri/excelize/v2"
)

// chartSheet makes the sheet for the charts of the report, near the front; they are drawn once the cells that they are
// drawn over have a sheet too, near the end.
func (b *book) chartSheet() error {
	for _, block := range b.doc.Blocks {
		if c, ok := block.(*reports.Chart); ok && len(c.X) > 0 && len(c.Series) > 0 {
			b.charts = append(b.charts, c)
		}
	}
	if len(b.charts) == 0 {
		return nil
	}
	s, err := b.sheet("Charts")
	if err != nil {
		return err
	}
	b.later = append(b.later, func() error { return b.drawCharts(s) })
	return nil
}

// drawCharts draws every chart natively, over cells on a sheet of their own that people can edit.
func (b *book) drawCharts(s string) error {
	data, err := b.sheet("Chart data")
	if err != nil {
		return err
	}
	tallRow, custom := 15.0, true // so that a chart covers the same rows in every program
	if err := b.f.SetSheetProps(s, &excelize.SheetPropsOptions{DefaultRowHeight: &tallRow, CustomHeight: &custom}); err != nil {
		return err
	}
	if err := b.heading(s, "A1", b.doc.Title+", "+b.doc.Period.Label(), 16); err != nil {
		return err
	}
	if err := b.f.SetRowHeight(s, 1, 26); err != nil {
		return err
	}
	if err := b.widths(data, 26, 18, 18, 18, 18, 18, 18, 18); err != nil {
		return err
	}
	top, row := 1, 3
	for i, c := range b.charts {
		from := top
		if top, err = b.chartData(data, c, top); err != nil {
			return err
		}
		tall := 330
		if c.Kind == reports.Bar {
			tall = min(max(150+len(c.X)*len(c.Series)*26, 240), 760)
		}
		col := "A"
		if i%2 == 1 {
			col = "K"
		}
		cell := col + itoa(row)
		if err := b.draw(s, data, cell, c, from, tall); err != nil {
			return err
		}
		if i%2 == 1 || i == len(b.charts)-1 {
			row += max(tall, b.tallBefore(i))/17 + 2 // rows are 17 to 20 pixels high, by program
		}
	}
	return nil
}

// tallBefore is the height of the chart to the left of chart i, so that the next pair starts below both.
func (b *book) tallBefore(i int) int {
	if i%2 == 0 || b.charts[i-1].Kind != reports.Bar {
		return 330
	}
	c := b.charts[i-1]
	return min(max(150+len(c.X)*len(c.Series)*26, 240), 760)
}

func itoa(n int) string {
	s := at(1, n)
	return s[1:]
}

// chartData writes the figures of one chart from row top on and gives the next free row.
func (b *book) chartData(s string, c *reports.Chart, top int) (int, error) {
	if err := b.f.SetCellStr(s, at(1, top), c.Title); err != nil {
		return 0, err
	}
	col := 2
	for _, series := range flat(c) {
		if err := b.f.SetCellStr(s, at(col, top), series.Name); err != nil {
			return 0, err
		}
		col++
	}
	for i, x := range c.X {
		if err := b.text(s, at(1, top+1+i), x, 0); err != nil {
			return 0, err
		}
		for j, series := range flat(c) {
			if i < len(series.Points) && !series.Points[i].Cell.IsNull() {
				if err := b.put(s, at(2+j, top+1+i), series.Points[i], false); err != nil {
					return 0, err
				}
			}
		}
	}
	if err := b.table(s, top, top+len(c.X), col-1, "chart "+c.Title, 1); err != nil {
		return 0, err
	}
	return top + len(c.X) + 3, nil
}

// flat is the series with the bounds of their intervals as series of their own: Excel draws no bands.
func flat(c *reports.Chart) []reports.Series {
	var out []reports.Series
	for _, s := range c.Series {
		out = append(out, s)
		if len(s.Low) > 0 {
			out = append(out, reports.Series{Name: s.Name + ", low", Points: s.Low, Dashed: true}, reports.Series{Name: s.Name + ", high", Points: s.High, Dashed: true})
		}
	}
	return out
}

var kinds = map[reports.ChartKind]excelize.ChartType{
	reports.Column: excelize.Col, reports.Bar: excelize.Bar, reports.LineC: excelize.Line, reports.Stacked: excelize.ColStacked, reports.Pie: excelize.Doughnut,
}

func (b *book) draw(sheet, data, cell string, c *reports.Chart, top, tall int) error {
	font := excelize.Font{Color: ink, Size: 9, Family: "Calibri"}
	format := numFmt(c.Format.Plain(), 1000)
	if c.Format.Unit == reports.Ratio {
		format = "0 %"
	} else if c.Format.Unit == reports.Money || c.Format.Unit == reports.MoneyPerDay {
		format = "#,##0"
	}
	zero := 0.0
	spec := &excelize.Chart{
		Type:         kinds[c.Kind],
		Title:        excelize.ChartTitle{Paragraph: []excelize.RichTextRun{{Text: c.Title, Font: &excelize.Font{Bold: true, Size: 12, Color: ink, Family: "Calibri"}}}},
		Legend:       excelize.ChartLegend{Position: "bottom", Font: &font},
		ShowBlanksAs: "gap",
		Dimension:    excelize.ChartDimension{Width: 620, Height: uint(tall)},
		XAxis:        excelize.ChartAxis{Font: font},
		YAxis:        excelize.ChartAxis{Font: font, MajorGridLines: true, NumFmt: excelize.ChartNumFmt{CustomNumFmt: format}},
		Format:       excelize.GraphicOptions{AltText: c.Title, Name: c.Title},
	}
	if spec.Type == 0 && c.Kind != reports.Column {
		spec.Type = excelize.Col
	}
	palette := chart.Palette()
	bottom := top + len(c.X)
	last := -1
	for j, s := range flat(c) {
		if s.Dashed && last >= 0 {
			// an expectation has the colour of what it continues
		} else {
			last++
		}
		colour := palette[max(last, 0)%len(palette)]
		series := excelize.ChartSeries{
			Name:       quoteSheet(data) + "!" + absolute(2+j, top),
			Categories: quoteSheet(data) + "!" + absolute(1, top+1) + ":" + absolute(1, bottom),
			Values:     quoteSheet(data) + "!" + absolute(2+j, top+1) + ":" + absolute(2+j, bottom),
			Fill:       excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{colour}},
		}
		if c.Kind == reports.LineC {
			series.Line = excelize.LineOptions{Width: 2.25, Fill: series.Fill, Type: excelize.LineSolid}
			series.Marker = excelize.ChartMarker{Symbol: "circle", Size: 5, Fill: series.Fill}
			if s.Dashed {
				series.Line.Dash = excelize.LineDashDash
				series.Line.Width = 1.5
				series.Marker = excelize.ChartMarker{Symbol: "none"}
			}
		}
		spec.Series = append(spec.Series, series)
	}
	if c.Kind == reports.Pie {
		for i := range c.X {
			spec.Series[0].DataPoint = append(spec.Series[0].DataPoint, excelize.ChartDataPoint{Index: i, Fill: excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{palette[i%len(palette)]}}})
		}
		spec.PlotArea.ShowPercent = true
		spec.HoleSize = 55
	} else {
		spec.YAxis.Minimum = floor(c, &zero)
	}
	if len(flat(c)) == 1 && c.Kind != reports.Pie {
		spec.Legend.Position = "none"
	}
	if c.Kind == reports.Bar {
		spec.XAxis.ReverseOrder = true // the first category on top
		gap := uint(45)
		spec.GapWidth = &gap
		spec.PlotArea.ShowVal = true
		spec.YAxis.None, spec.YAxis.MajorGridLines = true, false // every bar carries its number
	}
	return b.f.AddChart(sheet, cell, spec)
}

// floor fixes the axis at zero, so that lengths can be compared, unless there is something below zero or a line that lives
// far above it.
func floor(c *reports.Chart, zero *float64) *float64 {
	lo, hi, any := 0.0, 0.0, false
	for _, s := range flat(c) {
		for _, p := range s.Points {
			if v, ok := p.Cell.Float(); ok {
				if !any {
					lo, hi, any = v, v, true
				}
				lo, hi = min(lo, v), max(hi, v)
			}
		}
	}
	if lo < 0 || c.Kind == reports.LineC && lo >= hi*0.6 {
		return nil
	}
	return zero
}

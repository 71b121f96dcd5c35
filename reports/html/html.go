// Package html renders a report as one page that stands alone: style and drawings are inside it, nothing is fetched.
// Every number in a sentence links to the query that it came from (P7). It must not ask queries or change content.
package html

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"strings"
	"time"

	"millrace/internal/chart"
	"millrace/reports"
)

//go:embed page.tmpl
var page string

//go:embed style.css
var style string

// Kind is the channel's entry in the catalog.
func Kind() reports.ChannelKind {
	return reports.FileKind("html", "one page that needs nothing else: phone, dark mode and print included", ".html", Render)
}

// Render gives the page.
func Render(d *reports.Document) ([]byte, error) {
	t, err := template.New("page").Funcs(template.FuncMap{
		"text": text, "quantity": quantity, "value": value, "kind": kindOf, "draw": draw, "spark": spark, "tone": toneClass, "arrow": arrow,
		"cell": gridCell, "inc": func(i int) int { return i + 1 }, "lower": strings.ToLower, "shown": shownRows, "more": moreRows,
		"calc": calcValue, "kpis": func(k *reports.KPIs) bool { return hasChange(k) }, "slug": slug, "day": func(t time.Time) string { return t.Format("2 January 2006") },
		"stamp": func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") }, "chartTable": chartTable,
		"title": reports.Title, "label": func(p reports.Period) string { return p.Label() },
	}).Parse(page)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = t.Execute(&b, struct {
		*reports.Document
		Style template.CSS
	}{d, template.CSS(style)}) //nolint:gosec // our own file
	return b.Bytes(), err
}

func kindOf(b reports.Block) string {
	switch b.(type) {
	case *reports.Headline:
		return "headline"
	case *reports.KPIs:
		return "kpis"
	case *reports.Chart:
		return "chart"
	case *reports.Grid:
		return "grid"
	case *reports.Prose:
		return "prose"
	case *reports.Calculator:
		return "calculator"
	}
	return "failure"
}

// text writes a sentence; each cell in it links to its source.
func text(t reports.Text) template.HTML {
	var b strings.Builder
	for _, p := range t.Parts() {
		c, ok := p.Cell()
		if !ok {
			b.WriteString(template.HTMLEscapeString(p.Words()))
			continue
		}
		if !p.HasNumber() {
			b.WriteString(`<span class="name-of" title="` + template.HTMLEscapeString(c.Ref().String()) + `">` + template.HTMLEscapeString(p.String()) + `</span>`)
			continue
		}
		if p.IsName() { // a text that happens to hold a digit
			fmt.Fprintf(&b, `<a class="n t" href="#%s" title="%s">%s</a>`, template.HTMLEscapeString(c.Ref().Source), template.HTMLEscapeString(c.Ref().String()), template.HTMLEscapeString(p.String()))
			continue
		}
		b.WriteString(linked(c.Ref(), template.HTMLEscapeString(p.String())))
	}
	return template.HTML(b.String()) //nolint:gosec // every piece is escaped above
}

func linked(r reports.Ref, inner string) string {
	return fmt.Sprintf(`<a class="n" href="#%s" title="%s">%s</a>`, template.HTMLEscapeString(r.Source), template.HTMLEscapeString(r.String()), inner)
}

// quantity writes a figure; one that holds nothing is said to be n/a with its reason.
func quantity(q reports.Quantity) template.HTML {
	if q.Cell.IsNull() {
		return template.HTML(`<span class="na">` + template.HTMLEscapeString(q.String()) + `</span>`) //nolint:gosec // escaped
	}
	return template.HTML(`<span class="q" title="` + template.HTMLEscapeString(q.Cell.Ref().String()) + `">` + template.HTMLEscapeString(q.String()) + `</span>`) //nolint:gosec // escaped
}

// value writes the large figure of a card, its unit smaller, so that it fits.
func value(q reports.Quantity) template.HTML {
	shown, bare := q.String(), q.Format.Plain().Show(q.Cell.Value)
	if q.Cell.IsNull() || !strings.HasPrefix(shown, bare+" ") {
		return quantity(q)
	}
	return template.HTML(fmt.Sprintf(`<span class="q" title="%s">%s</span> <span class="unit">%s</span>`, template.HTMLEscapeString(q.Cell.Ref().String()), //nolint:gosec // escaped
		template.HTMLEscapeString(bare), template.HTMLEscapeString(strings.TrimPrefix(shown, bare+" "))))
}

func toneClass(t reports.Tone) string {
	if t == reports.Neutral {
		return "neutral"
	}
	return string(t)
}

func arrow(q reports.Quantity) string {
	switch q.Cell.Sign() {
	case 1:
		return "▲"
	case -1:
		return "▼"
	}
	return "■"
}

func hasChange(k *reports.KPIs) bool { return k.Previous != "" }

func slug(s string) string {
	return strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(s)), "-")
}

func draw(c *reports.Chart) template.HTML {
	return template.HTML(c.Drawing().SVG()) //nolint:gosec // the drawing escapes every text
}

func spark(k reports.KPI) template.HTML {
	if len(k.History) < 3 {
		return ""
	}
	return template.HTML(chart.Spark(reports.Marks(k.History), k.Label+" over the last periods")) //nolint:gosec // escaped
}

type chartRow struct {
	X     string
	Cells []reports.Quantity
}

// chartTable is the drawing as numbers, for readers who cannot see it or want to copy it.
func chartTable(c *reports.Chart) []chartRow {
	rows := make([]chartRow, len(c.X))
	for i, x := range c.X {
		rows[i].X = x
		for _, s := range c.Series {
			q := reports.Quantity{}
			if i < len(s.Points) {
				q = s.Points[i]
			}
			rows[i].Cells = append(rows[i].Cells, q)
		}
	}
	return rows
}

func shownRows(g *reports.Grid) [][]reports.Quantity {
	if g.Limit > 0 && len(g.Rows) > g.Limit {
		return g.Rows[:g.Limit]
	}
	return g.Rows
}

func moreRows(g *reports.Grid) bool { return len(g.Rows) > len(shownRows(g)) }

// gridCell writes one cell of a table: its number, a bar of its size behind it, and whether it misses its target.
func gridCell(g *reports.Grid, row []reports.Quantity, col int) template.HTML {
	c, q := g.Columns[col], row[col]
	class := "num"
	if c.Text {
		class = "txt"
	}
	style := ""
	if c.Status {
		return template.HTML(fmt.Sprintf(`<td class="txt"><span class="chip %s">%s</span></td>`, statusTone(q.Cell.Text()), template.HTMLEscapeString(q.String()))) //nolint:gosec // escaped
	}
	if missed, ok := misses(g, row, col); ok {
		class += map[bool]string{true: " bad", false: " good"}[missed]
	}
	if c.Bars {
		if v, ok := q.Cell.Float(); ok {
			if share := v / largest(g, col); share != 0 {
				side := "pos"
				if share < 0 {
					side, share = "neg", -share
				}
				class += " bar " + side
				style = fmt.Sprintf(` style="--share:%.1f%%"`, share*100)
			}
		}
	}
	inner := string(quantity(q))
	if q.Cell.IsNull() && c.Text {
		inner = `<span class="na">–</span>`
	}
	return template.HTML(fmt.Sprintf(`<td class="%s"%s>%s</td>`, class, style, inner)) //nolint:gosec // escaped
}

func statusTone(s string) string {
	switch s {
	case "pass", "ok", "met":
		return "good"
	case "fail", "error", "missed":
		return "bad"
	case "warn":
		return "warn"
	}
	return "neutral"
}

func misses(g *reports.Grid, row []reports.Quantity, col int) (missed, known bool) {
	c := g.Columns[col]
	if c.Compare == "" {
		return false, false
	}
	for j, other := range g.Columns {
		if other.Name != c.Compare {
			continue
		}
		v, ok1 := row[col].Cell.Rat()
		t, ok2 := row[j].Cell.Rat()
		if !ok1 || !ok2 {
			return false, false
		}
		if c.LowerBetter {
			return v.Cmp(t) > 0, true
		}
		return v.Cmp(t) < 0, true
	}
	return false, false
}

func largest(g *reports.Grid, col int) float64 {
	m := 0.0
	for _, row := range g.Rows {
		if v, ok := row[col].Cell.Float(); ok {
			m = max(m, v, -v)
		}
	}
	if m == 0 {
		return 1
	}
	return m
}

func calcValue(c reports.CalcCell) template.HTML {
	switch {
	case c.Formula != "" && c.Result.IsNull():
		return template.HTML(`<span class="na">n/a: ` + template.HTMLEscapeString(c.Reason) + `</span>`) //nolint:gosec // escaped
	case c.Formula != "":
		return template.HTML(template.HTMLEscapeString(c.Format.Show(c.Result))) //nolint:gosec // escaped
	case !c.Given.IsNull():
		return template.HTML(template.HTMLEscapeString(c.Format.Show(c.Given))) //nolint:gosec // escaped
	}
	return quantity(c.Value)
}

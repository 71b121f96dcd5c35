// Package markdown renders a report as plain text that reads well unrendered and in any Markdown viewer. Numbers in
// sentences carry footnotes to their queries (P7). It must not ask queries or change content.
package markdown

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"millrace/reports"
)

// Kind is the channel's entry in the catalog.
func Kind() reports.ChannelKind {
	return reports.FileKind("markdown", "plain text for a wiki, a repository or a terminal", ".md", func(d *reports.Document) ([]byte, error) { return Render(d), nil })
}

// Render gives the text.
func Render(d *reports.Document) []byte {
	w := &writer{}
	w.line("# %s", escape(d.Title))
	w.line("")
	w.line("%s, %s", escape(reports.Title(d.Project)), d.Period.Label())
	if len(d.Stale) > 0 {
		w.line("")
		w.line("> **Some figures are older than the rest.** These relations failed a test and stayed at their last good version: `%s`.", strings.Join(d.Stale, "`, `"))
	}
	for _, b := range d.Blocks {
		w.line("")
		w.block(b)
	}
	w.line("")
	w.line("---")
	w.line("")
	w.line("Made by Millrace on %s from build `%s`. Each query below was run on it; `millrace query` shows it again.", d.At.UTC().Format("2006-01-02 15:04 MST"), d.BuildID)
	for _, s := range d.Sources {
		w.line("")
		// Line by line: a comment in the SQL must not swallow what follows it.
		w.line("[^%s]: asked by %s\n", s.ID, s.Section)
		fence := "```"
		for strings.Contains(s.SQL, fence) {
			fence += "`"
		}
		w.line("    %ssql", fence)
		for _, l := range strings.Split(s.SQL, "\n") {
			w.line("%s", strings.TrimRight("    "+l, " "))
		}
		w.line("    %s", fence)
	}
	return []byte(w.String())
}

type writer struct{ strings.Builder }

func (w *writer) line(format string, args ...any) {
	fmt.Fprintf(&w.Builder, format, args...)
	w.WriteByte('\n')
}

func (w *writer) heading(title string) { w.line("## %s\n", escape(title)) }

// text gives a sentence with a footnote for each query behind it.
func text(t reports.Text) string {
	var b strings.Builder
	for _, p := range t.Parts() {
		if p.HasNumber() {
			b.WriteString("**" + escape(p.String()) + "**")
		} else {
			b.WriteString(escape(p.String()))
		}
	}
	for _, id := range t.Sources() {
		b.WriteString("[^" + id + "]")
	}
	return b.String()
}

func (w *writer) block(b reports.Block) {
	switch b := b.(type) {
	case *reports.Headline:
		role := reports.Role("")
		for i, l := range b.Lines {
			if l.Role != role {
				if i > 0 {
					w.line("")
				}
				w.line("**%s**\n", escape(strings.ToUpper(string(l.Role[:1]))+string(l.Role[1:])))
				role = l.Role
			}
			w.line("- %s", text(l.Text))
		}
	case *reports.KPIs:
		w.kpis(b)
	case *reports.Chart:
		w.heading(b.Title)
		w.chart(b)
		if !b.Note.IsZero() {
			w.line("\n%s", text(b.Note))
		}
	case *reports.Grid:
		w.grid(b)
	case *reports.Prose:
		w.heading(b.Title)
		for i, l := range b.Lines {
			if i > 0 {
				w.line("")
			}
			w.line("%s", text(l.Text))
		}
	case *reports.Calculator:
		w.calculator(b)
	case *reports.Failure:
		w.heading(b.Title)
		w.line("> **This section could not be built.** The rest of the report is complete.")
		w.line(">")
		for _, l := range strings.Split(b.Reason, "\n") {
			w.line("> %s", escape(l))
		}
	}
}

func (w *writer) kpis(b *reports.KPIs) {
	w.heading(b.Title)
	head := []string{"", reports.Title(b.Period)}
	right := []bool{false, true}
	change := b.Previous != ""
	if change {
		head = append(head, b.Previous, "Change", "Target", "")
		right = append(right, true, true, true, false)
	} else {
		head[1] = "Value"
	}
	var rows [][]string
	for _, k := range b.Items {
		row := []string{k.Label, k.Value.String()}
		if change {
			delta := blank(k.Delta)
			if !k.DeltaPct.Cell.IsNull() {
				delta += " (" + k.DeltaPct.String() + ")"
			}
			row = append(row, blank(k.Previous), delta, blank(k.Target), k.Verdict)
		}
		rows = append(rows, row)
	}
	w.table(head, right, rows)
	if b.Benchmark != "" {
		w.line("\nDirectional, from public sources: %s", escape(b.Benchmark))
	}
}

// blank writes nothing for a figure that was never there.
func blank(q reports.Quantity) string {
	if q.Cell.IsNull() && q.Reason == "" {
		return ""
	}
	return q.String()
}

func (w *writer) grid(g *reports.Grid) {
	w.heading(g.Title)
	if !g.Note.IsZero() {
		w.line("%s\n", text(g.Note))
	}
	if len(g.Rows) == 0 {
		w.line("%s", escape(g.Empty))
		return
	}
	var head []string
	var right []bool
	for _, c := range g.Columns {
		head, right = append(head, c.Label), append(right, !c.Text)
	}
	var rows [][]string
	for i, r := range g.Rows {
		if g.Limit > 0 && i == g.Limit {
			break
		}
		var row []string
		for j, q := range r {
			if g.Columns[j].Text && q.Cell.IsNull() {
				row = append(row, "")
				continue
			}
			row = append(row, q.String())
		}
		rows = append(rows, row)
	}
	w.table(head, right, rows)
	if g.Limit > 0 && len(g.Rows) > g.Limit {
		w.line("\nOnly the first rows are here; the workbook has all.")
	}
}

func (w *writer) calculator(c *reports.Calculator) {
	w.heading(c.Title)
	if c.Note != "" {
		w.line("%s\n", escape(c.Note))
	}
	var rows [][]string
	for _, x := range c.Wired {
		rows = append(rows, []string{x.Label, x.Value.String(), join("figure", x.Note)})
	}
	for _, x := range c.Assumed {
		rows = append(rows, []string{x.Label, x.Format.Show(x.Given), join("assumption", x.Note)})
	}
	for _, x := range c.Results {
		v := x.Format.Show(x.Result)
		if x.Result.IsNull() {
			v = "n/a: " + x.Reason
		}
		rows = append(rows, []string{x.Label, v, join("= "+x.Formula, x.Note)})
	}
	w.table([]string{"", "Value", ""}, []bool{false, true, false}, rows)
}

func join(a, b string) string {
	if b == "" {
		return a
	}
	return a + "; " + b
}

// table writes a Markdown table whose columns line up when read as plain text.
func (w *writer) table(head []string, right []bool, rows [][]string) {
	width := make([]int, len(head))
	clean := func(s string) string {
		return strings.ReplaceAll(escape(strings.Join(strings.Fields(s), " ")), "|", `\|`)
	}
	all := append([][]string{head}, rows...)
	for i, r := range all {
		out := make([]string, len(head))
		for j := range head {
			if j < len(r) {
				out[j] = clean(r[j])
			}
			width[j] = max(width[j], 3, utf8.RuneCountInString(out[j]))
		}
		all[i] = out
	}
	for i, r := range all {
		for j, s := range r {
			pad := strings.Repeat(" ", width[j]-utf8.RuneCountInString(s))
			if right[j] {
				s = pad + s
			} else {
				s += pad
			}
			w.WriteString("| " + s + " ")
		}
		w.WriteString("|\n")
		if i == 0 {
			for j := range r {
				dash := strings.Repeat("-", width[j]+1)
				if right[j] {
					w.WriteString("|" + dash + ":")
				} else {
					w.WriteString("|" + dash + "-")
				}
			}
			w.WriteString("|\n")
		}
	}
}

// chart draws bars of characters for one series, and a table for several or for a history with an outlook.
func (w *writer) chart(c *reports.Chart) {
	if len(c.Series) != 1 {
		head, right := []string{c.XLabel}, []bool{false}
		for _, s := range c.Series {
			head, right = append(head, s.Name), append(right, true)
		}
		var rows [][]string
		for i, x := range c.X {
			row := []string{x}
			for _, s := range c.Series {
				if i < len(s.Points) {
					row = append(row, blank(s.Points[i]))
				} else {
					row = append(row, "")
				}
			}
			rows = append(rows, row)
		}
		w.table(head, right, rows)
		return
	}
	const room = 32
	most, names := 0.0, 0
	for i, q := range c.Series[0].Points {
		if v, ok := q.Cell.Float(); ok {
			most = max(most, v, -v)
		}
		names = max(names, utf8.RuneCountInString(c.X[i]))
	}
	w.line("```")
	for i, q := range c.Series[0].Points {
		bar := ""
		if v, ok := q.Cell.Float(); ok && most > 0 {
			mark := "█"
			if v < 0 {
				mark, v = "░", -v
			}
			bar = strings.Repeat(mark, int(v/most*room+0.5))
		}
		w.line("%s%s  %s%s %s", c.X[i], strings.Repeat(" ", names-utf8.RuneCountInString(c.X[i])), bar, strings.Repeat(" ", room-utf8.RuneCountInString(bar)), q.String())
	}
	w.line("```")
}

// escape keeps text from being read as markup.
func escape(s string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "_", `\_`, "`", "\\`", "<", "&lt;", "[", `\[`, "]", `\]`, "#", `\#`).Replace(s)
}

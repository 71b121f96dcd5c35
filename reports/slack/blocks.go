package slack

import (
	"strings"
	"unicode/utf8"

	"millrace/reports"
)

// Slack's limits on a message.
const (
	maxBlocks   = 50
	maxHeader   = 150
	maxText     = 3000  // of one text object
	maxFields   = 10    // of a section
	maxField    = 2000  // of one of them
	maxFallback = 4000  // of the plain text beside blocks: Slack cuts longer ones
	maxMessage  = 12000 // of all texts together: our own limit, so that a detail stays readable
	tableRows   = 15    // of a table in the thread: the workbook has all
)

// post is one message: blocks, and a text for notifications and readers without blocks.
type post struct {
	text   string
	blocks []block
}

type block = map[string]any

// message is the report's first screen: headline, key figures, what failed, and where the rest is.
func message(d *reports.Document, thread bool) post {
	title := d.Title + ", " + d.Period.Label()
	m := post{blocks: []block{{"type": "header", "text": plain(title, maxHeader)}}}
	fallback := []string{title}
	for _, b := range d.Blocks {
		switch x := b.(type) {
		case *reports.Headline:
			role := reports.Role("")
			var elements, items []any
			for _, l := range x.Lines {
				if l.Role != role {
					elements = append(elements, list(items)...)
					items, role = nil, l.Role
					elements = append(elements, section(bold(strings.ToUpper(string(role[:1]))+string(role[1:]))))
				}
				items = append(items, section(rich(l.Text)...))
				fallback = append(fallback, l.Text.String())
			}
			elements = append(elements, list(items)...)
			m.blocks = append(m.blocks, richText(elements...))
		case *reports.KPIs:
			if x.Previous != "" && len(m.blocks) < maxBlocks/2 {
				m.blocks = append(m.blocks, kpis(x)...)
			}
		case *reports.Failure:
			m.blocks = append(m.blocks, failure(x))
			fallback = append(fallback, x.Title+" could not be built.")
		}
	}
	if len(d.Stale) > 0 {
		m.blocks = append(m.blocks, richText(section(bold("Some figures are older than the rest. "), words("These relations failed a test and stayed at their last good version: "+strings.Join(d.Stale, ", ")+"."))))
	}
	where := "Every number is a cell of a published relation; the workbook's sheet Sources has the queries."
	if thread {
		where = "Details, charts and the workbook are in the thread. " + where
	}
	m.blocks = append(m.blocks, block{"type": "context", "elements": []any{plain("Made by Millrace from build "+d.BuildID+". "+where, maxField)}})
	if len(m.blocks) > maxBlocks {
		m.blocks = append(m.blocks[:maxBlocks-1], m.blocks[len(m.blocks)-1])
	}
	m.text = cut(strings.Join(fallback, "\n"), maxFallback)
	return m
}

// kpis are fields of sections, ten a section.
func kpis(k *reports.KPIs) []block {
	var out []block
	var fields []any
	flush := func() {
		if len(fields) > 0 {
			out = append(out, block{"type": "section", "fields": fields})
			fields = nil
		}
	}
	for _, item := range k.Items {
		s := "*" + escape(item.Label) + "*\n" + escape(item.Value.String())
		if !item.Delta.Cell.IsNull() {
			change := item.Delta.String()
			if !item.DeltaPct.Cell.IsNull() {
				change = item.DeltaPct.String()
			}
			s += "\n" + mark(item) + " " + escape(change)
		}
		if !item.Target.Cell.IsNull() {
			s += "\ntarget " + escape(item.Target.String()) + ": " + escape(item.Verdict)
		}
		fields = append(fields, block{"type": "mrkdwn", "text": cut(s, maxField)})
		if len(fields) == maxFields {
			flush()
		}
	}
	flush()
	return out
}

// mark shows direction by shape and judgement by colour, so that neither is lost without the other.
func mark(k reports.KPI) string {
	arrow := "■"
	switch k.Delta.Cell.Sign() {
	case 1:
		arrow = "▲"
	case -1:
		arrow = "▼"
	}
	switch k.Tone {
	case reports.Good:
		return ":large_green_circle: " + arrow
	case reports.Bad:
		return ":red_circle: " + arrow
	}
	return ":white_circle: " + arrow
}

func failure(f *reports.Failure) block {
	return richText(section(bold(f.Title+": this section could not be built. "), words(cut(f.Reason, 600))))
}

// details are the messages of the thread: sentences and tables, cut into as few as the limits allow.
func details(d *reports.Document) []post {
	var out []post
	cur := post{}
	size := 0
	flush := func() {
		if len(cur.blocks) > 0 {
			cur.text = cut(d.Title+", "+d.Period.Label()+": details", maxFallback)
			out = append(out, cur)
		}
		cur, size = post{}, 0
	}
	add := func(b block, n int) {
		if len(cur.blocks) == maxBlocks-1 || size+n > maxMessage {
			flush()
		}
		cur.blocks = append(cur.blocks, b)
		size += n
	}
	for _, b := range d.Blocks {
		switch x := b.(type) {
		case *reports.Prose:
			add(richText(section(bold(x.Title))), len(x.Title))
			for _, l := range x.Lines {
				add(richText(section(rich(l.Text)...)), len(l.Text.String()))
			}
		case *reports.Grid:
			t := table(x)
			elements := []any{section(bold(x.Title))}
			if !x.Note.IsZero() {
				elements = append(elements, section(rich(x.Note)...))
			}
			if t == "" {
				elements = append(elements, section(words(x.Empty)))
			} else {
				elements = append(elements, element{"type": "rich_text_preformatted", "elements": []any{words(t)}})
				if shown := strings.Count(t, "\n"); shown < len(x.Rows) {
					elements = append(elements, section(words("Only the first rows are here; the workbook has all.")))
				}
			}
			add(richText(elements...), utf8.RuneCountInString(t)+len(x.Title)+len(x.Note.String()))
		case *reports.Chart:
			if !x.Note.IsZero() {
				add(richText(section(bold(x.Title+" ")), section(rich(x.Note)...)), len(x.Note.String())+len(x.Title))
			}
		}
	}
	flush()
	return out
}

// table writes the first rows of a grid in columns of one width each; "" when there is no row.
func table(g *reports.Grid) string {
	if len(g.Rows) == 0 {
		return ""
	}
	const widest = 28
	width := make([]int, len(g.Columns))
	cell := func(s string) string { return cut(strings.Join(strings.Fields(s), " "), widest) }
	n := min(len(g.Rows), tableRows)
	for c, col := range g.Columns {
		width[c] = utf8.RuneCountInString(cell(col.Label))
		for _, row := range g.Rows[:n] {
			width[c] = max(width[c], utf8.RuneCountInString(cell(shown(g, row, c))))
		}
	}
	var b strings.Builder
	line := func(get func(c int) string) string {
		var l strings.Builder
		for c := range g.Columns {
			s := get(c)
			pad := strings.Repeat(" ", width[c]-utf8.RuneCountInString(s))
			if c > 0 {
				l.WriteString("  ")
			}
			if g.Columns[c].Text {
				l.WriteString(s + pad)
			} else {
				l.WriteString(pad + s)
			}
		}
		return strings.TrimRight(l.String(), " ")
	}
	b.WriteString(line(func(c int) string { return cell(g.Columns[c].Label) }))
	for _, row := range g.Rows[:n] {
		l := "\n" + line(func(c int) string { return cell(shown(g, row, c)) })
		if utf8.RuneCountInString(b.String())+utf8.RuneCountInString(l) > maxText {
			break
		}
		b.WriteString(l)
	}
	return b.String()
}

func shown(g *reports.Grid, row []reports.Quantity, c int) string {
	if g.Columns[c].Text && row[c].Cell.IsNull() {
		return ""
	}
	return row[c].String()
}

// Structured text needs no escapes: what the data holds is never read as markup.
type element = map[string]any

func richText(elements ...any) block { return block{"type": "rich_text", "elements": elements} }
func section(inner ...any) element {
	return element{"type": "rich_text_section", "elements": inner}
}

// list is the items as one list with bullets; nothing when there are none.
func list(items []any) []any {
	if len(items) == 0 {
		return nil
	}
	return []any{element{"type": "rich_text_list", "style": "bullet", "elements": items}}
}

func words(s string) element { return element{"type": "text", "text": s} }
func bold(s string) element {
	return element{"type": "text", "text": s, "style": map[string]bool{"bold": true}}
}

// rich writes a sentence with its numbers in bold.
func rich(t reports.Text) []any {
	var out []any
	for _, p := range t.Parts() {
		s := cut(p.String(), maxText)
		if p.HasNumber() && !p.IsName() {
			out = append(out, bold(s))
		} else {
			out = append(out, words(s))
		}
	}
	return out
}

func plain(s string, n int) element { return element{"type": "plain_text", "text": cut(s, n)} }

// escape keeps text from being read as mrkdwn or as a link.
func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "*", "∗", "`", "ˋ", "~", "∼").Replace(s)
}

// cut shortens to n characters.
func cut(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}

package excel

import (
	"math"
	"strings"
	"unicode/utf8"

	"millrace/reports"

	"github.com/xuri/excelize/v2"
)

// summary is the first sheet: the headline, every paragraph, and what failed.
func (b *book) summary() error {
	s, err := b.sheet("Summary")
	if err != nil {
		return err
	}
	if err := b.widths(s, 19, 104, 12); err != nil {
		return err
	}
	if err := b.heading(s, "A1", b.doc.Title, 20); err != nil {
		return err
	}
	if err := b.f.SetRowHeight(s, 1, 30); err != nil {
		return err
	}
	if err := b.faint(s, "A2", reports.Title(b.doc.Project)+", "+b.doc.Period.Label()); err != nil {
		return err
	}
	row := 4
	if len(b.doc.Stale) > 0 {
		if err := b.told(s, row, "older figures", reports.Warn, "These relations failed a test and stayed at their last good version: "+strings.Join(b.doc.Stale, ", ")+".", ""); err != nil {
			return err
		}
		row += 2
	}
	for _, block := range b.doc.Blocks {
		switch x := block.(type) {
		case *reports.Headline:
			role := reports.Role("")
			for _, l := range x.Lines {
				name := string(l.Role)
				if l.Role == role {
					name = ""
				}
				role = l.Role
				if err := b.told(s, row, name, l.Tone, l.Text.String(), strings.Join(l.Text.Sources(), " ")); err != nil {
					return err
				}
				row++
			}
			row++
		case *reports.Prose:
			if err := b.heading(s, at(1, row), x.Title, 13); err != nil {
				return err
			}
			row++
			for _, l := range x.Lines {
				if err := b.told(s, row, "", l.Tone, l.Text.String(), strings.Join(l.Text.Sources(), " ")); err != nil {
					return err
				}
				row++
			}
			row++
		case *reports.Failure:
			if err := b.told(s, row, x.Title, reports.Bad, "This section could not be built; the rest of the report is complete. "+x.Reason, ""); err != nil {
				return err
			}
			row += 2
		}
	}
	if err := b.faint(s, at(1, row+1), "Made by Millrace on "+b.doc.At.UTC().Format("2006-01-02 15:04 MST")+" from build "+b.doc.BuildID+
		". The last column names the queries behind each sentence: see the sheet Sources."); err != nil {
		return err
	}
	return b.f.SetPanes(s, &excelize.Panes{Freeze: true, YSplit: 2, TopLeftCell: "A3", ActivePane: "bottomLeft"})
}

// told writes one sentence with what it is for, a mark of its tone, and its sources.
func (b *book) told(sheet string, row int, role string, tone reports.Tone, text, sources string) error {
	if err := b.faint(sheet, at(1, row), role); err != nil {
		return err
	}
	id, err := b.style("told "+string(tone), func() *excelize.Style {
		colour := map[reports.Tone]string{reports.Good: goodInk, reports.Bad: badInk, reports.Warn: warnInk}[tone]
		if colour == "" {
			colour = ruleColour
		}
		return &excelize.Style{Border: []excelize.Border{{Type: "left", Style: 5, Color: colour}}, Alignment: &excelize.Alignment{WrapText: true, Vertical: "top", Indent: 1}}
	})
	if err != nil {
		return err
	}
	if err := b.text(sheet, at(2, row), text, id); err != nil {
		return err
	}
	// Excel does not grow rows of files that it did not write, so the height is worked out from the length.
	lines := 0.0
	for _, l := range strings.Split(text, "\n") {
		lines += math.Max(1, math.Ceil(float64(utf8.RuneCountInString(l))/116))
	}
	if err := b.f.SetRowHeight(sheet, row, math.Min(lines*15+4, 400)); err != nil {
		return err
	}
	if sources == "" {
		return nil
	}
	return b.faint(sheet, at(3, row), sources)
}

// kpis is the sheet with the figures: those of the period beside the ones before and targets, then the others.
func (b *book) kpis() error {
	var blocks []*reports.KPIs
	for _, block := range b.doc.Blocks {
		if k, ok := block.(*reports.KPIs); ok {
			blocks = append(blocks, k)
		}
	}
	if len(blocks) == 0 {
		return nil
	}
	s, err := b.sheet("KPIs")
	if err != nil {
		return err
	}
	if err := b.widths(s, 26, 20, 20, 18, 12, 16, 16, 11, 10, 22, 10); err != nil {
		return err
	}
	if err := b.heading(s, "A1", b.doc.Title+", "+b.doc.Period.Label(), 16); err != nil {
		return err
	}
	row := 3
	for _, k := range blocks {
		if row, err = b.kpiTable(s, k, row); err != nil {
			return err
		}
	}
	return b.f.SetPanes(s, &excelize.Panes{Freeze: true, XSplit: 1, YSplit: 3, TopLeftCell: "B4", ActivePane: "bottomRight"})
}

func (b *book) kpiTable(s string, k *reports.KPIs, row int) (int, error) {
	change := k.Previous != ""
	head := []string{k.Title, "Value", "Cases", "Source"}
	if change {
		head = []string{k.Title, k.Period, k.Previous, "Change", "Change, %", "Target", "To target", "Verdict", "Cases", "History", "Source"}
	}
	top := row
	texts := []int{1, len(head)}
	if change {
		texts = append(texts, 8, 10)
	}
	for i, h := range head {
		if err := b.f.SetCellStr(s, at(i+1, row), h); err != nil {
			return 0, err
		}
	}
	for _, item := range k.Items {
		row++
		if err := b.text(s, at(1, row), item.Label, 0); err != nil {
			return 0, err
		}
		if err := b.put(s, at(2, row), item.Value, true); err != nil {
			return 0, err
		}
		if _, dup := b.kpiAt[item.Value.Cell.Ref().String()]; !dup && !item.Value.Cell.IsNull() {
			b.kpiAt[kpiKey(k, item)] = quoteSheet(s) + "!" + absolute(2, row)
		}
		n, src := 3, 4
		if change {
			for i, q := range []reports.Quantity{item.Previous, item.Delta, item.DeltaPct, item.Target, item.Gap} {
				if err := b.put(s, at(3+i, row), q, false); err != nil {
					return 0, err
				}
			}
			if err := b.text(s, at(8, row), item.Verdict, 0); err != nil {
				return 0, err
			}
			if err := b.toned(s, at(4, row), item); err != nil {
				return 0, err
			}
			n, src = 9, 11
		}
		if err := b.put(s, at(n, row), item.N, false); err != nil {
			return 0, err
		}
		if err := b.aside(s, at(src, row), item.Value.Cell.Ref().Source); err != nil {
			return 0, err
		}
		if item.Value.Cell.IsNull() {
			if err := b.f.SetRowHeight(s, row, 32); err != nil {
				return 0, err
			}
		}
	}
	if err := b.table(s, top, row, len(head), k.Title, texts...); err != nil {
		return 0, err
	}
	if change {
		b.later = append(b.later, func() error { return b.sparklines(s, k, top) }) // their sheet of histories comes near the end
		if err := b.verdicts(s, at(8, top+1)+":"+at(8, row)); err != nil {
			return 0, err
		}
	}
	if k.Benchmark != "" {
		row++
		if err := b.faint(s, at(1, row), "Directional, from public sources: "+k.Benchmark); err != nil {
			return 0, err
		}
	}
	return row + 2, nil
}

// kpiKey tells a KPI of the period from the same one over everything.
func kpiKey(k *reports.KPIs, item reports.KPI) string {
	if k.Previous == "" {
		return "all " + item.Name
	}
	return "period " + item.Name
}

// toned colours a change by whether it is good news.
func (b *book) toned(s, cell string, item reports.KPI) error {
	if item.Delta.Cell.IsNull() || item.Tone == reports.Neutral {
		return nil
	}
	v, _ := item.Delta.Cell.Float()
	format := numFmt(item.Delta.Format, v)
	id, err := b.style("tone "+string(item.Tone)+format, func() *excelize.Style {
		colour := goodInk
		if item.Tone == reports.Bad {
			colour = badInk
		}
		return &excelize.Style{CustomNumFmt: &format, Font: &excelize.Font{Color: colour, Bold: true}, Alignment: &excelize.Alignment{Horizontal: "right", Vertical: "top"}}
	})
	if err != nil {
		return err
	}
	return b.f.SetCellStyle(s, cell, cell, id)
}

// verdicts marks status words: missed and fail red, met and pass green, warn amber.
func (b *book) verdicts(s, ref string) error {
	var rules []excelize.ConditionalFormatOptions
	for _, r := range []struct{ words, ink, fill string }{{"missed,fail", badInk, badFill}, {"met,pass", goodInk, goodFill}, {"warn", warnInk, warnFill}} {
		id, err := b.f.NewConditionalStyle(&excelize.Style{Font: &excelize.Font{Color: r.ink, Bold: true}, Fill: excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{r.fill}}})
		if err != nil {
			return err
		}
		for _, w := range strings.Split(r.words, ",") {
			rules = append(rules, excelize.ConditionalFormatOptions{Type: "cell", Criteria: "==", Value: `"` + w + `"`, Format: &id})
		}
	}
	return b.f.SetConditionalFormat(s, ref, rules)
}

// sparklines draws each KPI's history in its row, over a table of the histories further down the sheet.
func (b *book) sparklines(s string, k *reports.KPIs, top int) error {
	longest := 0
	for _, item := range k.Items {
		longest = max(longest, len(item.History))
	}
	if longest < 3 {
		return nil
	}
	hidden, err := b.historySheet(k, longest)
	if err != nil {
		return err
	}
	var where, ranges []string
	for i, item := range k.Items {
		if len(item.History) < 3 {
			continue
		}
		where = append(where, at(10, top+1+i))
		ranges = append(ranges, quoteSheet(hidden)+"!"+at(2, i+2)+":"+at(len(item.History)+1, i+2))
	}
	if len(where) == 0 {
		return nil
	}
	return b.f.AddSparkline(s, &excelize.SparklineOptions{Location: where, Range: ranges, Markers: true, Last: true, SeriesColor: "#" + accent, MarkersColor: "#" + accent, LastColor: "#" + accent, EmptyCells: "gap"})
}

func (b *book) historySheet(k *reports.KPIs, longest int) (string, error) {
	s, err := b.sheet(k.Title + " history")
	if err != nil {
		return "", err
	}
	if err := b.f.SetColWidth(s, "A", "A", 26); err != nil {
		return "", err
	}
	last, err := excelize.ColumnNumberToName(longest + 1)
	if err != nil {
		return "", err
	}
	if err := b.f.SetColWidth(s, "B", last, 18); err != nil {
		return "", err
	}
	if err := b.f.SetCellStr(s, "A1", "KPI"); err != nil {
		return "", err
	}
	for i, item := range k.Items {
		if err := b.text(s, at(1, i+2), item.Label, 0); err != nil {
			return "", err
		}
		for j, q := range item.History {
			if err := b.f.SetCellStr(s, at(j+2, 1), item.HistoryX[j]); err != nil {
				return "", err
			}
			if q.Cell.IsNull() {
				continue
			}
			if err := b.put(s, at(j+2, i+2), q, false); err != nil {
				return "", err
			}
		}
	}
	if err := b.table(s, 1, len(k.Items)+1, longest+1, k.Title+" history", 1); err != nil {
		return "", err
	}
	return s, b.f.SetPanes(s, &excelize.Panes{Freeze: true, XSplit: 1, YSplit: 1, TopLeftCell: "B2", ActivePane: "bottomRight"})
}

func quoteSheet(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func absolute(col, row int) string {
	s, err := excelize.CoordinatesToCellName(col, row, true)
	if err != nil {
		return "$A$1" // unreachable: both are positive
	}
	return s
}

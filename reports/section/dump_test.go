package section_test

import (
	"fmt"
	"testing"

	"millrace/reports"
)

func TestDump2(t *testing.T) {
	doc := compose(t, open(t), definition(t))
	for _, b := range doc.Blocks {
		switch b := b.(type) {
		case *reports.Headline:
			for _, l := range b.Lines {
				fmt.Println(l.Role, "|", l.Tone, "|", l.Text.String())
			}
		case *reports.Prose:
			fmt.Println("##", b.Title)
			for _, l := range b.Lines {
				fmt.Println(l.Role, "|", l.Tone, "|", l.Text.String())
			}
		case *reports.KPIs:
			fmt.Println("##", b.Title, b.Period)
			for _, k := range b.Items {
				fmt.Println(k.Label, "|", k.Value, "|", k.Previous, "|", k.Delta, "|", k.DeltaPct, "|", k.Target, k.Verdict, len(k.History), k.Tone)
			}
		case *reports.Failure:
			fmt.Println("FAIL", b)
		case *reports.Chart:
			fmt.Println("##", b.Title, b.Kind, b.X, b.Note.String())
			for _, s := range b.Series {
				fmt.Println("  ", s.Name, s.Points, s.Low, s.High)
			}
		case *reports.Grid:
			fmt.Println("##", b.Title, b.Note.String(), b.Empty)
			for _, r := range b.Rows {
				fmt.Println("   ", r)
			}
		case *reports.Calculator:
			for _, r := range b.Wired {
				fmt.Println("   ", r.Label, r.Value)
			}
			for _, r := range b.Results {
				fmt.Println("   ", r.Label, r.Format.Show(r.Result), r.Reason, r.Sheet(func(s string) string { return s }))
			}
		}
	}
}

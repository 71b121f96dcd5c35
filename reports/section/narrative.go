package section

import (
	"context"

	"millrace/internal/fault"
	"millrace/reports"
)

type narrativeOptions struct {
	Show []string `yaml:"show" doc:"KPIs to tell about, in order (default: those of the report)"`
	By   []string `yaml:"by" doc:"dimensions to explain by (default: the report's)"`
}

// ShownKPIs are the KPIs that the report is about.
func (o *narrativeOptions) ShownKPIs() []string { return o.Show }

func narrativeKind() reports.SectionKind {
	return reports.SectionKind{
		Name:    "narrative",
		Summary: "what changed, how much, and why, in sentences",
		Options: func() any { return &narrativeOptions{} },
		Build:   typed(buildNarrative),
	}
}

// fewCases is the number below which a ratio is told with a warning.
const fewCases = 30

func buildNarrative(ctx context.Context, in *reports.Input, o *narrativeOptions) ([]reports.Block, error) {
	show, by := o.Show, o.By
	if len(show) == 0 {
		show = in.Shown
	}
	if len(by) == 0 {
		by = in.Dimensions
	}
	if len(show) == 0 {
		return nil, &fault.Error{Key: "show", Msg: "no KPI is named", Hint: "Write show: [revenue, win_rate]."}
	}
	ch, err := readChanges(ctx, in)
	if err != nil {
		return nil, err
	}
	p := &reports.Prose{Title: title(in, "What happened, and why")}
	for i, kpi := range show {
		line, err := ch.sentence(in, kpi, i)
		if err != nil {
			return nil, err
		}
		w := new(reports.Writer)
		w.Text(line.Text)
		if t, ok, err := ch.target(in, kpi); err != nil {
			return nil, err
		} else if ok {
			w.Say(" ").Text(t.Text)
		}
		if row, ok := ch.row[kpi]; ok && ch.res.Cell(row, "unit").Text() == string(reports.Ratio) {
			n := ch.res.Cell(row, "n")
			if f, ok := n.Float(); ok && f < fewCases && !ch.res.Cell(row, "value").IsNull() {
				w.Say(" It rests on ").Num(n, reports.Format{Unit: reports.Count}).Say(" cases only: read it with care.")
			}
		}
		for d, dim := range by {
			t, ok, err := why(ctx, in, kpi, dim, i+d)
			if err != nil {
				return nil, err
			}
			if ok {
				w.Say(" ").Text(t.Text)
			}
		}
		if line.Text, err = w.Done(); err != nil {
			return nil, err
		}
		p.Lines = append(p.Lines, line)
	}
	return []reports.Block{p}, nil
}

package section

import (
	"context"
	"strings"

	"millrace/internal/fault"
	"millrace/reports"
)

type headlineOptions struct {
	Lead []string `yaml:"lead" doc:"at most three KPIs that open the report (default: the first three that it shows)"`
	By   string   `yaml:"by" doc:"the dimension that explains them (default: the report's first)"`
	Wait string   `yaml:"wait" doc:"a query for what waits for a person: one row each, a sentence in its first column"`
}

func headlineKind() reports.SectionKind {
	return reports.SectionKind{
		Name:    "headline",
		Summary: "the first screen, ten lines at most: what happened, why, what to do, what waits for you",
		Options: func() any { return &headlineOptions{} },
		Check: checked(func(o *headlineOptions) error {
			if len(o.Lead) > 3 {
				return &fault.Error{Key: "lead", Value: strings.Join(o.Lead, ", "), Msg: "more than three KPIs open the report", Hint: "Keep the three that matter most."}
			}
			return nil
		}),
		Build: typed(buildHeadline),
	}
}

// Lines that each role may take, so that ten are never exceeded: 3 + 2 + 2 + 2 + 1.
const (
	mostWhat, mostWhy, mostWatch, mostDo = 3, 2, 2, 2
)

func buildHeadline(ctx context.Context, in *reports.Input, o *headlineOptions) ([]reports.Block, error) {
	lead := o.Lead
	if len(lead) == 0 {
		lead = in.Shown[:min(mostWhat, len(in.Shown))]
	}
	if len(lead) == 0 {
		return nil, &fault.Error{Key: "lead", Msg: "no KPI is named", Hint: "Write lead: [revenue, win_rate], or add a kpis section."}
	}
	dim := o.By
	if dim == "" && len(in.Dimensions) > 0 {
		dim = in.Dimensions[0]
	}
	ch, err := readChanges(ctx, in)
	if err != nil {
		return nil, err
	}
	h := &reports.Headline{}
	var whys, watch []reports.Line
	for i, kpi := range lead {
		line, err := ch.sentence(in, kpi, i)
		if err != nil {
			return nil, err
		}
		h.Lines = append(h.Lines, line)
		if dim != "" {
			if l, ok, err := why(ctx, in, kpi, dim, i); err != nil {
				return nil, err
			} else if ok {
				whys = append(whys, l)
			}
		}
		if l, ok, err := ch.target(in, kpi); err != nil {
			return nil, err
		} else if ok && l.Tone == reports.Bad {
			watch = append(watch, l)
		}
	}
	odd, _, err := anomalies(ctx, in, &anomaliesOptions{Show: lead, Dimension: "total", Threshold: 4})
	if err != nil {
		return nil, err
	}
	watch = append(odd, watch...)
	h.Lines = append(h.Lines, whys[:min(mostWhy, len(whys))]...)
	h.Lines = append(h.Lines, watch[:min(mostWatch, len(watch))]...)
	recs, err := recommend(ctx, in)
	if err != nil {
		return nil, err
	}
	for _, r := range recs[:min(mostDo, len(recs))] {
		w := new(reports.Writer)
		w.Text(r.do)
		if !r.short.IsZero() {
			w.Say(" ").Text(r.short)
		}
		t, err := w.Done()
		if err != nil {
			return nil, err
		}
		h.Lines = append(h.Lines, reports.Line{Role: reports.Do, Text: t})
	}
	wait, err := waiting(ctx, in, o.Wait)
	if err != nil {
		return nil, err
	}
	room := reports.MaxHeadline - len(h.Lines)
	h.Lines = append(h.Lines, wait[:min(room, len(wait))]...)
	return []reports.Block{h}, nil
}

// waiting lists what needs a person: relations that stayed at an earlier version, and the rows of the definition's query.
func waiting(ctx context.Context, in *reports.Input, query string) ([]reports.Line, error) {
	var lines []reports.Line
	var stale []string
	for name, r := range in.Build().Relations {
		if r.Stale {
			stale = append(stale, name)
		}
	}
	if len(stale) > 0 {
		t, err := new(reports.Writer).Say("Some figures are older than the rest: relations failed their tests and stayed at their last good version. See `millrace ls`.").Done()
		if err != nil {
			return nil, err
		}
		lines = append(lines, reports.Line{Role: reports.Wait, Tone: reports.Bad, Text: t})
	}
	if query != "" {
		res, err := in.Query(ctx, query)
		if err != nil {
			return nil, err
		}
		for i := range res.Len() {
			t, err := new(reports.Writer).Name(res.At(i, 0)).Done()
			if err != nil {
				return nil, err
			}
			lines = append(lines, reports.Line{Role: reports.Wait, Tone: reports.Warn, Text: t})
		}
	}
	if len(lines) == 0 {
		t, err := new(reports.Writer).Say("Nothing waits for you.").Done()
		if err != nil {
			return nil, err
		}
		lines = append(lines, reports.Line{Role: reports.Wait, Tone: reports.Good, Text: t})
	}
	return lines, nil
}

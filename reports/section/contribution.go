package section

import (
	"context"
	"fmt"

	"millrace/internal/fault"
	"millrace/reports"
)

type contributionOptions struct {
	KPI string   `yaml:"kpi" required:"true" doc:"the KPI whose change is split"`
	By  []string `yaml:"by" doc:"dimensions, one table each (default: the report's)"`
	Top int      `yaml:"top" default:"10" min:"1" doc:"how many members pages show; the workbook has all"`
}

func contributionKind() reports.SectionKind {
	return reports.SectionKind{
		Name:    "contribution",
		Summary: "why a KPI changed: what each member of a dimension added, by mix and by rate",
		Options: func() any { return &contributionOptions{} },
		Build:   typed(buildContribution),
	}
}

func buildContribution(ctx context.Context, in *reports.Input, o *contributionOptions) ([]reports.Block, error) {
	by := o.By
	if len(by) == 0 {
		by = in.Dimensions
	}
	if len(by) == 0 {
		return nil, &fault.Error{Key: "by", Msg: "no dimension is named", Hint: "Write by: [region], or dimensions: for the whole report."}
	}
	var blocks []reports.Block
	for _, dim := range by {
		res, err := readContribution(ctx, in, o.KPI, dim)
		if err != nil {
			return nil, err
		}
		label := in.Labels.Of(o.KPI)
		g := &reports.Grid{Title: fmt.Sprintf("%s change, by %s", label, reports.Humanize(dim)), Limit: o.Top, Source: res.Source.ID,
			Empty: fmt.Sprintf("%s cannot be split by %s for this period: the members do not add up to the total, or there is no period before.", label, reports.Humanize(dim))}
		if in.Title != "" {
			g.Title = in.Title + ", by " + reports.Humanize(dim)
		}
		f := reports.Format{Unit: reports.Number}
		if res.Len() > 0 {
			f = formatOf(in, res, 0)
		}
		g.Columns = []reports.GridColumn{
			{Name: "segment", Label: reports.Title(dim), Text: true, Format: reports.Format{Unit: reports.TextUnit}},
			{Name: "previous", Label: "Before", Format: f}, {Name: "value", Label: "Now", Format: f},
			{Name: "mix_effect", Label: mixName(f), Format: f.Delta()}, {Name: "rate_effect", Label: rateName(f), Format: f.Delta()},
			{Name: "total_effect", Label: "Part in the change", Format: f.Delta(), Bars: true},
		}
		for i := range res.Len() {
			var row []reports.Quantity
			for _, c := range g.Columns {
				row = append(row, reports.Quantity{Cell: res.Cell(i, c.Name), Format: c.Format})
			}
			g.Rows = append(g.Rows, row)
		}
		if res.Len() > 0 {
			if g.Note, err = mixNote(ctx, in, o.KPI, dim); err != nil {
				return nil, err
			}
		}
		blocks = append(blocks, g)
	}
	return blocks, nil
}

// mixName and rateName are what the two effects are for a unit; see metrics.kpi_contribution.
func mixName(f reports.Format) string {
	if f.Unit == reports.Ratio {
		return "From the mix"
	}
	return "From volume"
}

func rateName(f reports.Format) string {
	if f.Unit == reports.Ratio {
		return "From own rate"
	}
	return "From value per case"
}

// readContribution gives the members with the largest part first.
func readContribution(ctx context.Context, in *reports.Input, kpi, dim string) (*reports.Result, error) {
	if err := need(in, "metrics.kpi_contribution"); err != nil {
		return nil, err
	}
	return in.Query(ctx, `
select segment, previous, value, mix_effect, rate_effect, total_effect, delta, share_of_delta, unit, currency
from metrics.kpi_contribution
where kpi = `+reports.Lit(kpi)+` and `+periodFilter("", in.Period)+` and dimension = `+reports.Lit(dim)+`
order by abs(total_effect) desc, segment`)
}

// mixNote sums the effects of a dimension: mix against rate.
func mixNote(ctx context.Context, in *reports.Input, kpi, dim string) (reports.Text, error) {
	res, err := in.Query(ctx, `
select sum(mix_effect)::decimal(28, 8) as mix, sum(rate_effect)::decimal(28, 8) as rate, any_value(delta) as delta,
  any_value(unit) as unit, any_value(currency) as currency
from metrics.kpi_contribution
where kpi = `+reports.Lit(kpi)+` and `+periodFilter("", in.Period)+` and dimension = `+reports.Lit(dim))
	if err != nil || res.Cell(0, "mix").IsNull() {
		return reports.Text{}, err
	}
	if res.Cell(0, "delta").Sign() == 0 {
		return new(reports.Writer).Say("The total did not change: what the members gained and lost adds up to nothing.").Done()
	}
	f := formatOf(in, res, 0)
	mix, rate := "the mix", "the members' own rates"
	if f.Unit != reports.Ratio {
		mix, rate = "volume", "value per case"
	}
	w := new(reports.Writer)
	w.Say("Of the change of ").Num(res.Cell(0, "delta"), f.Delta()).Say(", ")
	if f.Unit == reports.Count {
		w.Say("all is volume.")
		return w.Done()
	}
	w.Num(res.Cell(0, "mix"), f.Delta()).Say(" comes from "+mix+" and ").Num(res.Cell(0, "rate"), f.Delta()).Say(" from " + rate + ".")
	return w.Done()
}

// why tells in one sentence which members moved a KPI most; false when nothing can be said.
func why(ctx context.Context, in *reports.Input, kpi, dim string, turn int) (reports.Line, bool, error) {
	if !in.Has("metrics.kpi_contribution") {
		return reports.Line{}, false, nil
	}
	res, err := readContribution(ctx, in, kpi, dim)
	if err != nil || res.Len() == 0 {
		return reports.Line{}, false, err
	}
	delta := res.Cell(0, "delta")
	if delta.Sign() == 0 {
		return reports.Line{}, false, nil
	}
	// The two that pulled most the way the total went, and the one that held most against it.
	var with, against []int
	for i := range res.Len() {
		switch s := res.Cell(i, "total_effect").Sign(); {
		case s == delta.Sign() && len(with) < 2:
			with = append(with, i)
		case s == -delta.Sign() && s != 0 && len(against) < 1:
			against = append(against, i)
		}
	}
	if len(with) == 0 {
		return reports.Line{}, false, nil
	}
	f := formatOf(in, res, 0).Delta()
	w := new(reports.Writer)
	part := func(i int) { w.Name(res.Cell(i, "segment")).Say(" (").Num(res.Cell(i, "total_effect"), f).Say(")") }
	// In one dimension of effects, rate against mix of the leading member tells more than the sum.
	lead := with[0]
	if turn%2 == 0 {
		in.Labels.SayInside(w.Say("By "+reports.Humanize(dim)+", the change in "), kpi).Say(" of ").Num(delta, f).Say(" came most from ")
	} else {
		in.Labels.Say(w, kpi).Say(" moved by ").Num(delta, f).Say(", by " + reports.Humanize(dim) + " most through ")
	}
	part(lead)
	if len(with) > 1 {
		w.Say(" and ")
		part(with[1])
	}
	if len(against) > 0 {
		w.Say(", while ")
		part(against[0])
		w.Say(" pulled the other way")
	}
	if formatOf(in, res, 0).Unit != reports.Count {
		mix, rate := res.Cell(lead, "mix_effect"), res.Cell(lead, "rate_effect")
		if m, r := mix.Sign() != 0, rate.Sign() != 0; m || r {
			w.Say("; for ").Name(res.Cell(lead, "segment")).Say(mainly(formatOf(in, res, 0), mix, rate))
		}
	}
	w.Say(".")
	t, err := w.Done()
	return reports.Line{Role: reports.Why, Tone: tone(in, kpi, delta), Text: t}, true, err
}

// mainly says which of the two effects was larger.
func mainly(f reports.Format, mix, rate reports.Cell) string {
	m, _ := mix.Rat()
	r, _ := rate.Rat()
	byRate := r.Abs(r).Cmp(m.Abs(m)) >= 0
	switch {
	case f.Unit == reports.Ratio && byRate:
		return " it was its own rate more than its weight"
	case f.Unit == reports.Ratio:
		return " it was its weight in the mix more than its own rate"
	case byRate:
		return " it was the value of a case more than the number of them"
	}
	return " it was the number of cases more than the value of one"
}

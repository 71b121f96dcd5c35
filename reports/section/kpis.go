package section

import (
	"context"

	"millrace/internal/fault"
	"millrace/reports"
)

type kpisOptions struct {
	Show      []string `yaml:"show" required:"true" doc:"KPIs of metrics.kpi, in order"`
	Grain     string   `yaml:"grain" enum:"period,all" default:"period" doc:"period: the report's period beside the one before; all: everything so far"`
	Benchmark string   `yaml:"benchmark" doc:"a remark on public bands; it is marked as directional"`
}

// ShownKPIs are the KPIs that the report is about.
func (o *kpisOptions) ShownKPIs() []string { return o.Show }

func kpisKind() reports.SectionKind {
	return reports.SectionKind{
		Name:    "kpis",
		Summary: "figures of the period beside the one before and their targets, with their history",
		Options: func() any { return &kpisOptions{} },
		Build:   typed(buildKPIs),
	}
}

func buildKPIs(ctx context.Context, in *reports.Input, o *kpisOptions) ([]reports.Block, error) {
	if o.Grain == "all" {
		return buildAllTime(ctx, in, o)
	}
	ch, err := readChanges(ctx, in)
	if err != nil {
		return nil, err
	}
	hist, err := readHistory(ctx, in)
	if err != nil {
		return nil, err
	}
	block := &reports.KPIs{Title: title(in, "Key figures"), Period: in.Period.Label(), Previous: in.Period.Shift(-1).Label(), Benchmark: o.Benchmark}
	for _, name := range o.Show {
		row, ok := ch.row[name]
		if !ok {
			return nil, missingKPI(ctx, in, name)
		}
		r, f := ch.res, formatOf(in, ch.res, row)
		k := reports.KPI{
			Name: name, Label: in.Labels.Of(name), About: in.Labels[name].About, LowerBetter: in.Labels.LowerBetter(name),
			Value:    quantity(in, r, row, "value", f),
			Previous: reports.Quantity{Cell: r.Cell(row, "previous"), Format: f},
			Delta:    reports.Quantity{Cell: r.Cell(row, "delta"), Format: f.Delta()},
			DeltaPct: reports.Quantity{Cell: r.Cell(row, "delta_pct"), Format: reports.Format{Unit: reports.Ratio, Sign: true, Coarse: true}},
			N:        reports.Quantity{Cell: r.Cell(row, "n"), Format: reports.Format{Unit: reports.Count}},
			Target:   reports.Quantity{Cell: r.Cell(row, "target"), Format: f},
			Gap:      reports.Quantity{Cell: r.Cell(row, "gap"), Format: f.Delta()},
			Verdict:  r.Cell(row, "verdict").Text(),
			Tone:     tone(in, name, r.Cell(row, "delta")),
		}
		if f.Unit == reports.Ratio { // a percentage of a percentage confuses: points say it
			k.DeltaPct = reports.Quantity{}
		}
		for _, i := range hist.rows[name] {
			t, _ := hist.res.Cell(i, "period_start").Time()
			k.History = append(k.History, quantity(in, hist.res, i, "value", f))
			k.HistoryX = append(k.HistoryX, reports.PeriodOf(in.Period.Grain, t).Key())
		}
		block.Items = append(block.Items, k)
	}
	return []reports.Block{block}, nil
}

func buildAllTime(ctx context.Context, in *reports.Input, o *kpisOptions) ([]reports.Block, error) {
	if err := need(in, "metrics.kpi"); err != nil {
		return nil, err
	}
	res, err := in.Query(ctx, `
		select kpi, value, n, unit, currency, status, reason
		from metrics.kpi
		where grain = 'all' and dimension = 'total' and kpi in `+reports.LitList(o.Show)+`
		order by kpi`)
	if err != nil {
		return nil, err
	}
	at := map[string]int{}
	for i := range res.Len() {
		at[res.Cell(i, "kpi").Text()] = i
	}
	block := &reports.KPIs{Title: title(in, "So far"), Period: "everything so far", Benchmark: o.Benchmark}
	for _, name := range o.Show {
		row, ok := at[name]
		if !ok {
			return nil, missingKPI(ctx, in, name)
		}
		block.Items = append(block.Items, reports.KPI{
			Name: name, Label: in.Labels.Of(name), About: in.Labels[name].About, LowerBetter: in.Labels.LowerBetter(name),
			Value: quantity(in, res, row, "value", formatOf(in, res, row)),
			N:     reports.Quantity{Cell: res.Cell(row, "n"), Format: reports.Format{Unit: reports.Count}},
		})
	}
	return []reports.Block{block}, nil
}

// missingKPI says that a KPI has no row, and what there is.
func missingKPI(ctx context.Context, in *reports.Input, name string) error {
	e := &fault.Error{Msg: "metrics.kpi has no figure for the total of " + in.Period.Label(), Value: name}
	res, err := in.Query(ctx, `select distinct kpi from metrics.kpi order by kpi`)
	if err != nil {
		return e
	}
	var have []string
	for i := range res.Len() {
		k := res.Cell(i, "kpi").Text()
		if k == name {
			e.Hint = "Choose another --period."
			return e
		}
		have = append(have, k)
	}
	e.Hint = fault.DidYouMean(name, have)
	return e
}

// history is the totals of KPIs over the last periods.
type history struct {
	res  *reports.Result
	rows map[string][]int
}

func readHistory(ctx context.Context, in *reports.Input) (*history, error) {
	if err := need(in, "metrics.kpi"); err != nil {
		return nil, err
	}
	res, err := in.Query(ctx, `
		select kpi, period_start, value, n, unit, currency, status, reason
		from metrics.kpi
		where dimension = 'total' and grain = `+reports.Lit(in.Period.Grain)+`
		  and period_start between `+reports.LitDate(in.Period.Shift(1-in.Period.Last).Start)+` and `+reports.LitDate(in.Period.Start)+`
		order by kpi, period_start`)
	if err != nil {
		return nil, err
	}
	h := &history{res: res, rows: map[string][]int{}}
	for i := range res.Len() {
		k := res.Cell(i, "kpi").Text()
		h.rows[k] = append(h.rows[k], i)
	}
	return h, nil
}

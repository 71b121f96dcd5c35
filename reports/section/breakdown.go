package section

import (
	"context"
	"fmt"
	"strings"

	"millrace/internal/fault"
	"millrace/reports"
)

type breakdownOptions struct {
	By    string   `yaml:"by" required:"true" doc:"a dimension of metrics.kpi: one row a member"`
	Show  []string `yaml:"show" doc:"KPIs, one column each; rows are sorted by the first (default: those of the report)"`
	Grain string   `yaml:"grain" enum:"period,all" default:"period" doc:"the report's period, or everything so far"`
	Limit int      `yaml:"limit" default:"40" min:"1" doc:"how many rows pages show; the workbook has all"`
}

func breakdownKind() reports.SectionKind {
	return reports.SectionKind{
		Name:    "breakdown",
		Summary: "several KPIs for each member of a dimension, beside their targets where there are any",
		Options: func() any { return &breakdownOptions{} },
		Build:   typed(buildBreakdown),
	}
}

func buildBreakdown(ctx context.Context, in *reports.Input, o *breakdownOptions) ([]reports.Block, error) {
	if err := need(in, "metrics.kpi"); err != nil {
		return nil, err
	}
	show := o.Show
	if len(show) == 0 {
		show = in.Shown
	}
	if len(show) == 0 {
		return nil, &fault.Error{Key: "show", Msg: "no KPI is named", Hint: "Write show: [revenue, win_rate]."}
	}
	when, span := periodFilter("k", in.Period), in.Period.Label()
	if o.Grain == "all" {
		when, span = "k.grain = 'all'", "everything so far"
	}
	units, err := in.Query(ctx, "select distinct kpi, unit, currency\nfrom metrics.kpi\norder by all")
	if err != nil {
		return nil, err
	}
	format := map[string]reports.Format{}
	for i := range units.Len() {
		format[units.Cell(i, "kpi").Text()] = formatOf(in, units, i)
	}
	target, join := "null", ""
	if in.Has("metrics.kpi_attainment") {
		target = "a.target"
		join = "\nleft join metrics.kpi_attainment as a\n  on a.kpi = k.kpi and a.grain = k.grain and a.period_start is not distinct from k.period_start\n  and a.dimension = k.dimension and a.segment = k.segment"
	}
	var cols []string
	for i, kpi := range show {
		if _, ok := format[kpi]; !ok {
			return nil, missingKPI(ctx, in, kpi)
		}
		cols = append(cols, fmt.Sprintf("max(k.value) filter (where k.kpi = %s) as v%d, max(k.reason) filter (where k.kpi = %s and k.value is null) as r%d, max(%s) filter (where k.kpi = %s) as t%d",
			reports.Lit(kpi), i, reports.Lit(kpi), i, target, reports.Lit(kpi), i))
	}
	dir := "desc"
	if in.Labels.LowerBetter(show[0]) {
		dir = "asc"
	}
	res, err := in.Query(ctx, "select k.segment,\n  "+strings.Join(cols, ",\n  ")+"\nfrom metrics.kpi as k"+join+
		"\nwhere "+when+" and k.dimension = "+reports.Lit(o.By)+"\ngroup by k.segment\norder by v0 "+dir+" nulls last, k.segment")
	if err != nil {
		return nil, err
	}
	g := &reports.Grid{Title: title(in, "By "+reports.Humanize(o.By)+", "+span), Limit: o.Limit, Source: res.Source.ID,
		Empty:   "metrics.kpi has no figure by " + reports.Humanize(o.By) + " for " + span + ".",
		Columns: []reports.GridColumn{{Name: "segment", Label: reports.Title(o.By), Text: true, Format: reports.Format{Unit: reports.TextUnit}}}}
	var source []string // of each column, in the result
	source = append(source, "segment")
	for i, kpi := range show {
		col := reports.GridColumn{Name: kpi, Label: in.Labels.Of(kpi), Format: format[kpi], LowerBetter: in.Labels.LowerBetter(kpi), Bars: i == 0}
		hasTarget := false
		for r := range res.Len() {
			hasTarget = hasTarget || !res.Cell(r, fmt.Sprintf("t%d", i)).IsNull()
		}
		if hasTarget {
			col.Compare = "target of " + kpi
		}
		g.Columns = append(g.Columns, col)
		source = append(source, fmt.Sprintf("v%d", i))
		if hasTarget {
			g.Columns = append(g.Columns, reports.GridColumn{Name: col.Compare, Label: "Target", Format: format[kpi]})
			source = append(source, fmt.Sprintf("t%d", i))
		}
	}
	for r := range res.Len() {
		row := make([]reports.Quantity, len(g.Columns))
		for c := range g.Columns {
			row[c] = reports.Quantity{Cell: res.Cell(r, source[c]), Format: g.Columns[c].Format}
			if strings.HasPrefix(source[c], "v") && row[c].Cell.IsNull() {
				row[c].Reason = res.Cell(r, "r"+source[c][1:]).Text()
			}
		}
		g.Rows = append(g.Rows, row)
	}
	return []reports.Block{g}, nil
}

// Package section holds the built-in sections of reports, one file each. A section asks queries over the published
// build and gives content; it never writes markup, and every number in its sentences is a cell of a query (P7).
//
// Sections over KPIs read metrics.kpi, metrics.kpi_change, metrics.kpi_contribution and metrics.kpi_attainment as the
// SQL models define them; any other section reads whatever its definition names.
package section

import (
	"context"
	"fmt"
	"strings"

	"millrace/internal/fault"
	"millrace/reports"
)

// Kinds lists the built-in sections.
func Kinds() []reports.SectionKind {
	return []reports.SectionKind{
		headlineKind(), kpisKind(), breakdownKind(), chartKind(), tableKind(), narrativeKind(), contributionKind(), anomaliesKind(),
		forecastKind(), actionsKind(), textKind(), qualityKind(), formulasKind(),
	}
}

// typed turns a build function over its own options into the catalog's shape.
func typed[T any](build func(ctx context.Context, in *reports.Input, o *T) ([]reports.Block, error)) func(context.Context, *reports.Input, any) ([]reports.Block, error) {
	return func(ctx context.Context, in *reports.Input, opts any) ([]reports.Block, error) {
		o, ok := opts.(*T)
		if !ok {
			return nil, fmt.Errorf("options are %T, not %T", opts, o)
		}
		return build(ctx, in, o)
	}
}

func checked[T any](check func(o *T) error) func(any) error {
	return func(opts any) error {
		o, ok := opts.(*T)
		if !ok {
			return fmt.Errorf("options are %T, not %T", opts, o)
		}
		return check(o)
	}
}

// title is the section's own title or the given one.
func title(in *reports.Input, otherwise string) string {
	if in.Title != "" {
		return in.Title
	}
	return otherwise
}

// need fails when the build does not hold a relation.
func need(in *reports.Input, names ...string) error {
	for _, n := range names {
		if !in.Has(n) {
			var have []string
			for r := range in.Build().Relations {
				have = append(have, r)
			}
			return &fault.Error{Msg: "the published build has no relation " + n, Hint: strings.TrimSpace("Run `millrace build`. " + fault.DidYouMean(n, have))}
		}
	}
	return nil
}

// formatOf is how the figure of a row of metrics.kpi and its kin is shown.
func formatOf(in *reports.Input, r *reports.Result, row int) reports.Format {
	f := reports.Format{Unit: reports.Unit(r.Cell(row, "unit").Text()), Currency: r.Cell(row, "currency").Text()}
	if f.Unit == "" {
		f.Unit = reports.Number
	}
	if f.Currency == "" && (f.Unit == reports.Money || f.Unit == reports.MoneyPerDay) {
		f.Currency = in.Currency
	}
	return f
}

// quantity is a cell of a row of metrics.kpi and its kin, with the row's reason where the cell holds nothing.
func quantity(in *reports.Input, r *reports.Result, row int, column string, f reports.Format) reports.Quantity {
	q := reports.Quantity{Cell: r.Cell(row, column), Format: f}
	if q.Cell.IsNull() {
		q.Reason = r.Cell(row, "reason").Text()
	} else if s := r.Cell(row, "status").Text(); s == "provisional" || s == "restated" {
		q.Status = s
	}
	return q
}

// periodFilter is the SQL condition for one period of metrics.kpi and its kin.
func periodFilter(alias string, p reports.Period) string {
	if alias != "" {
		alias += "."
	}
	return fmt.Sprintf("%sgrain = %s and %speriod_start = %s", alias, reports.Lit(p.Grain), alias, reports.LitDate(p.Start))
}

// from gives the query of options that have either sql or from.
func from(sql, relation, columns, order string) (string, error) {
	switch {
	case sql != "" && relation != "":
		return "", &fault.Error{Msg: "both sql and from are given", Hint: "Keep one of them."}
	case sql != "":
		return sql, nil
	case relation == "":
		return "", &fault.Error{Msg: "neither sql nor from is given", Hint: "Name a relation in from:, or write a query in sql:."}
	}
	if columns == "" {
		columns = "*"
	}
	parts := strings.Split(relation, ".")
	for i, p := range parts {
		parts[i] = `"` + strings.ReplaceAll(p, `"`, `""`) + `"`
	}
	q := "select " + columns + "\nfrom " + strings.Join(parts, ".")
	if order != "" {
		q += "\norder by " + order
	}
	return q, nil
}

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"millrace/internal/duck"
	"millrace/internal/fault"
	"millrace/transform/relation"
)

// kpiAsk is what a person wants to see of KPIs.
type kpiAsk struct {
	names    []string
	by       string
	only     []string
	grain    string
	from, to string
	asOf     string
	sql      bool
	csv      bool
}

func newKPICmd(a *app) *cobra.Command {
	var ask kpiAsk
	cmd := &cobra.Command{
		Use:     "kpi [KPI...]",
		GroupID: "data",
		Short:   "KPIs: what they are, what they were, sliced without writing SQL",
		Long: `Without a name: every KPI with its last value and how it is computed. With names, each period with numerator, denominator, the
number of records behind it, target, status and reason. The first part of a name stands for its family: cac is cac_blended, cac_lagged
and cac_paid. --by slices by a dimension; what several periods make together is the ratio of their sums, never the mean of their
ratios, and n/a where they do not make a larger one. --sql prints the query instead, for millrace query or for a report.`,
		Example: `  millrace kpi
  millrace kpi cac --by channel --grain month
  millrace kpi win_rate --by owner --grain quarter --from 2026-01
  millrace kpi media_spend --as-of 2026-03-01        # what was known then
  millrace kpi mrr --csv > mrr.csv`,
		RunE: func(cmd *cobra.Command, args []string) error {
			ask.names = args
			return a.kpi(cmd.Context(), ask)
		},
	}
	f := cmd.Flags()
	f.StringVar(&ask.by, "by", "", "dimension to slice by: channel, segment, region, owner, industry, pipeline")
	f.StringArrayVar(&ask.only, "only", nil, "this member of the dimension only; may be repeated")
	f.StringVar(&ask.grain, "grain", "", "month, quarter or all (default month)")
	f.StringVar(&ask.from, "from", "", "first period: 2026-01, 2026-Q1, 2026 or a day in it")
	f.StringVar(&ask.to, "to", "", "last period")
	f.StringVar(&ask.asOf, "as-of", "", "totals as they were stated on this day")
	f.BoolVar(&ask.sql, "sql", false, "print the query and do not run it")
	f.BoolVar(&ask.csv, "csv", false, "write CSV")
	return cmd
}

// kpiDef is a row of metrics.kpi_definition with what the build has of it.
type kpiDef struct {
	Name       string   `json:"kpi"`
	Label      string   `json:"label"`
	Topic      string   `json:"topic"`
	Unit       string   `json:"unit"`
	Currency   string   `json:"currency,omitempty"`
	Better     string   `json:"better"`
	Formula    string   `json:"formula"`
	Remark     string   `json:"remark,omitempty"`
	Rollup     string   `json:"rollup"`
	NoSlices   string   `json:"no_other_slices,omitempty"`
	Slices     []string `json:"slices"`
	Low        any      `json:"benchmark_low,omitempty"`
	High       any      `json:"benchmark_high,omitempty"`
	band       []any    // the cells of both
	first      time.Time
	last       time.Time // first days of the first and last month with a row
	lastClosed time.Time
}

// kpiSlices are the dimensions that people ask for, in the order in which they are shown.
func kpiSlices() []string {
	return []string{"channel", "segment", "region", "owner", "industry", "pipeline"}
}

func (a *app) kpi(ctx context.Context, ask kpiAsk) error {
	if ask.csv && a.flags.json {
		return &fault.Error{Key: "--csv", Msg: "one result has one format: --csv or --json", Hint: "Leave one of them out."}
	}
	p, err := a.project()
	if err != nil {
		return err
	}
	pb, err := a.published(ctx, p)
	if err != nil {
		return err
	}
	defer pb.Close()
	defs, err := kpiDefs(ctx, pb)
	if err != nil {
		return err
	}
	if _, ok := pb.build.Relations["metrics.kpi_history"]; ask.asOf != "" && !ok {
		return &fault.Error{Key: "--as-of", Value: ask.asOf, Msg: "this project does not keep what was stated", Hint: "sql/metrics/kpi_history.sql keeps it; `millrace init` writes it into a new project."}
	}
	if len(ask.names) == 0 {
		return a.kpiList(ctx, pb, defs, ask)
	}
	chosen, err := chooseKPIs(ask.names, defs)
	if err != nil {
		return err
	}
	chosen, notes, err := sliceable(chosen, ask)
	if err != nil {
		return err
	}
	var tables []*kpiTable
	for _, d := range chosen {
		q, err := kpiQuery(d, ask)
		if err != nil {
			return err
		}
		if ask.sql {
			fmt.Fprintln(a.con.Out, q.sql)
			continue
		}
		t, err := readKPI(ctx, pb, d, q, ask)
		if err != nil {
			return err
		}
		tables = append(tables, t)
	}
	if ask.sql {
		return nil
	}
	return a.kpiTables(tables, notes, ask)
}

// kpiDefs reads what KPIs the build has.
func kpiDefs(ctx context.Context, pb *publishedBuild) ([]*kpiDef, error) {
	for _, need := range []string{"metrics.kpi", "metrics.kpi_definition"} {
		if _, ok := pb.build.Relations[need]; !ok {
			return nil, &fault.Error{Value: need, Msg: "the published build has no KPIs", Hint: "Build first: millrace build. A project without the built-in KPIs has sql/metrics/kpi.sql to write."}
		}
	}
	if rel := pb.build.Relations["metrics.kpi_definition"]; !slices.ContainsFunc(rel.Columns, func(c relation.Column) bool { return c.Name == "rollup" }) {
		return nil, &fault.Error{Value: "metrics.kpi_definition", Msg: "has no column rollup, which says how values make up a larger one",
			Hint: "`millrace upgrade` brings the columns topic, rollup and no_slices, or add them to sql/seeds/kpi_definitions.csv and sql/metrics/kpi_definition.sql."}
	}
	res, err := pb.db.Query(ctx, `
		with stated as (
		  select
		    kpi,
		    max(currency) as currency,
		    list(distinct dimension order by dimension) as dimensions,
		    min(period_start) filter (where grain = 'month') as first_month,
		    max(period_start) filter (where grain = 'month') as last_month,
		    max(period_start) filter (where grain = 'month' and period_start + interval 1 month <= (select max(period_start) filter (where grain = 'month') + interval 1 month - interval 1 day from metrics.kpi)) as closed_month
		  from metrics.kpi
		  group by kpi
		)
		select d.kpi, d.label, d.topic, d.unit, d.better, d.formula, d.remark, d.rollup, d.no_slices, d.benchmark_low, d.benchmark_high,
		  stated.currency, stated.dimensions, stated.first_month, stated.last_month, stated.closed_month
		from metrics.kpi_definition as d
		inner join stated on stated.kpi = d.kpi`)
	if err != nil {
		return nil, fault.Wrap(err, "read metrics.kpi_definition")
	}
	order, err := definitionOrder(ctx, pb)
	if err != nil {
		return nil, err
	}
	closed, err := lastClosedMonth(ctx, pb)
	if err != nil {
		return nil, err
	}
	var out []*kpiDef
	for _, r := range res.Rows {
		d := &kpiDef{Name: cellText(r[0]), Label: cellText(r[1]), Topic: cellText(r[2]), Unit: cellText(r[3]), Better: cellText(r[4]), Formula: cellText(r[5]),
			Remark: cellText(r[6]), Rollup: cellText(r[7]), NoSlices: cellText(r[8]), Currency: cellText(r[11])}
		if r[9] != nil && r[10] != nil {
			d.Low, d.High, d.band = jsonCell(r[9]), jsonCell(r[10]), r[9:11]
		}
		dims, _ := r[12].([]any)
		for _, known := range kpiSlices() {
			if slices.Contains(dims, any(known)) {
				d.Slices = append(d.Slices, known)
			}
		}
		for _, x := range dims {
			if s := fmt.Sprint(x); s != "total" && !slices.Contains(d.Slices, s) {
				d.Slices = append(d.Slices, s)
			}
		}
		d.first, _ = r[13].(time.Time)
		d.last, _ = r[14].(time.Time)
		d.lastClosed, _ = r[15].(time.Time)
		switch {
		case !closed.IsZero() && closed.Before(d.last):
			d.lastClosed = closed
		case !closed.IsZero(), d.lastClosed.IsZero():
			d.lastClosed = d.last
		}
		out = append(out, d)
	}
	slices.SortFunc(out, func(x, y *kpiDef) int { return order[x.Name] - order[y.Name] })
	return out, nil
}

// lastClosedMonth is the last month that is over, as core.periods has it; zero in a project without that relation, where the
// month before the last one with figures is taken for it.
func lastClosedMonth(ctx context.Context, pb *publishedBuild) (time.Time, error) {
	if _, ok := pb.build.Relations["core.periods"]; !ok {
		return time.Time{}, nil
	}
	res, err := pb.db.Query(ctx, "select max(period_start) from core.periods where grain = 'month' and is_complete")
	if err != nil {
		return time.Time{}, fault.Wrap(err, "read core.periods")
	}
	t, _ := res.Rows[0][0].(time.Time)
	return t, nil
}

// definitionOrder is the order of the definitions' rows, which is that of their seed.
func definitionOrder(ctx context.Context, pb *publishedBuild) (map[string]int, error) {
	res, err := pb.db.Query(ctx, "select kpi from metrics.kpi_definition order by rowid")
	if err != nil { // a view has no row ids
		if res, err = pb.db.Query(ctx, "select kpi from metrics.kpi_definition order by topic, kpi"); err != nil {
			return nil, fault.Wrap(err, "read metrics.kpi_definition")
		}
	}
	out := map[string]int{}
	for i, r := range res.Rows {
		out[cellText(r[0])] = i
	}
	return out, nil
}

// chooseKPIs finds each name: a KPI, its label, or the first part of the names of a family.
func chooseKPIs(names []string, defs []*kpiDef) ([]*kpiDef, error) {
	var out []*kpiDef
	add := func(d *kpiDef) {
		if !slices.Contains(out, d) {
			out = append(out, d)
		}
	}
	for _, name := range names {
		want := strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(name, "metrics.")), "-", "_")
		found := false
		for _, d := range defs {
			if d.Name == want || strings.EqualFold(d.Label, name) {
				add(d)
				found = true
			}
		}
		if found {
			continue
		}
		for _, d := range defs {
			if strings.HasPrefix(d.Name, want+"_") {
				add(d)
				found = true
			}
		}
		if found {
			continue
		}
		var known []string
		for _, d := range defs {
			known = append(known, d.Name)
		}
		hint := ""
		if near := fault.Nearest(want, known); near != "" {
			hint = fmt.Sprintf("Did you mean %q?", near)
		} else if hint = holding(want, defs); hint == "" {
			hint = "`millrace kpi` lists them."
		}
		return nil, &fault.Error{Value: name, Msg: "no KPI has this name", Hint: hint}
	}
	return out, nil
}

// holding lists KPIs whose name or label holds the word.
func holding(word string, defs []*kpiDef) string {
	var out []string
	for _, d := range defs {
		if strings.Contains(d.Name, word) || strings.Contains(strings.ToLower(d.Label), strings.ReplaceAll(word, "_", " ")) {
			out = append(out, d.Name)
		}
	}
	if len(out) == 0 || len(out) > 6 {
		return ""
	}
	return "Did you mean " + strings.Join(out, ", ") + "?"
}

// sliceable leaves the KPIs that are stated by the dimension, and says why others are not. Where none is, that is an error.
func sliceable(chosen []*kpiDef, ask kpiAsk) (out []*kpiDef, notes []string, err error) {
	if ask.by == "" {
		if len(ask.only) > 0 {
			return nil, nil, &fault.Error{Key: "--only", Value: ask.only[0], Msg: "a member of no dimension", Hint: "Say which dimension it belongs to: --by channel --only \"Paid Search\"."}
		}
		return chosen, nil, nil
	}
	if ask.asOf != "" {
		return nil, nil, &fault.Error{Key: "--as-of", Value: ask.asOf, Msg: "what was stated earlier is kept in total only", Hint: "Leave out --by."}
	}
	all := map[string]bool{}
	why := map[string][]string{}
	var reasons []string
	for _, d := range chosen {
		for _, s := range d.Slices {
			all[s] = true
		}
		if slices.Contains(d.Slices, ask.by) {
			out = append(out, d)
			continue
		}
		reason := notSliced(d)
		if why[reason] == nil {
			reasons = append(reasons, reason)
		}
		why[reason] = append(why[reason], d.Name)
	}
	for _, r := range reasons {
		notes = append(notes, strings.Join(why[r], ", ")+" by "+ask.by+": "+r)
	}
	if len(out) > 0 {
		return out, notes, nil
	}
	known := append(kpiSlices(), sortedKeys(all)...)
	e := &fault.Error{Key: "--by", Value: ask.by, Msg: "no dimension of KPIs", Hint: fault.DidYouMean(ask.by, known)}
	if ask.by == "agent" || ask.by == "rep" || ask.by == "representative" {
		e.Hint = "Did you mean \"owner\"?"
	}
	if slices.Contains(known, ask.by) {
		e.Key, e.Value, e.Msg, e.Hint = "", "", "not stated: "+strings.Join(notes, "; "), "Leave out --by for the total."
		if len(all) > 0 {
			e.Hint = "Slices that there are: " + strings.Join(sortedKeys(all), ", ") + "."
		}
	} else if e.Hint == "" {
		e.Hint = "Valid: " + strings.Join(kpiSlices(), ", ") + "."
	}
	return nil, nil, e
}

func sortedKeys(m map[string]bool) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

// notSliced says why a KPI is not stated by more dimensions than it is.
func notSliced(d *kpiDef) string {
	switch {
	case d.NoSlices != "":
		return d.NoSlices
	case len(d.Slices) == 0:
		return "stated in total only"
	}
	return "stated by " + strings.Join(d.Slices, ", ")
}

// kpiRow is one period, or what the periods make together, of one member.
type kpiRow struct {
	Period      string `json:"period"` // 2026-02, 2026-Q1, all, together
	Dimension   string `json:"dimension"`
	Segment     string `json:"segment"`
	Value       any    `json:"value"`
	Numerator   any    `json:"numerator"`
	Denominator any    `json:"denominator"`
	N           any    `json:"n"`
	Target      any    `json:"target"`
	Status      string `json:"status"`
	Reason      string `json:"reason,omitempty"`
	cells       []any
}

// kpiTable is what was read of one KPI.
type kpiTable struct {
	*kpiDef
	Grain  string   `json:"grain"`
	By     string   `json:"by,omitempty"`
	AsOf   string   `json:"as_of,omitempty"`
	Rows   []kpiRow `json:"rows"`
	SQL    string   `json:"sql"`
	span   string
	single bool // one period only: nothing to put together
}

func readKPI(ctx context.Context, pb *publishedBuild, d *kpiDef, q *kpiSQL, ask kpiAsk) (*kpiTable, error) {
	if err := knownMembers(ctx, pb, d, ask); err != nil {
		return nil, err
	}
	res, err := pb.db.Query(ctx, q.sql)
	if err != nil {
		return nil, fault.Wrap(err, "read %s", d.Name)
	}
	t := &kpiTable{kpiDef: d, Grain: q.grain, By: ask.by, AsOf: ask.asOf, SQL: q.sql, span: q.span, Rows: []kpiRow{}}
	periods := map[string]bool{}
	for _, r := range res.Rows {
		row := kpiRow{Period: cellText(r[0]), Dimension: cellText(r[1]), Segment: cellText(r[2]), Value: jsonCell(r[3]), Numerator: jsonCell(r[4]), Denominator: jsonCell(r[5]),
			N: jsonCell(r[6]), Target: jsonCell(r[7]), Status: cellText(r[8]), Reason: cellText(r[9]), cells: r}
		if row.Period != together {
			periods[row.Period] = true
		}
		t.Rows = append(t.Rows, row)
	}
	t.single = len(periods) < 2
	if len(t.Rows) == 0 {
		e := &fault.Error{Value: d.Name, Msg: "has no figure for " + q.span}
		if !d.first.IsZero() {
			e.Hint = fmt.Sprintf("There are figures from %s to %s.", d.first.Format("2006-01"), d.last.Format("2006-01"))
		}
		if ask.asOf != "" {
			e.Msg, e.Hint = "was not stated on "+ask.asOf+" for "+q.span, "What was stated is kept since the first build with this KPI: millrace query 'select min(valid_from) from metrics.kpi_history'."
		}
		return nil, e
	}
	return t, nil
}

// knownMembers checks the members that --only names.
func knownMembers(ctx context.Context, pb *publishedBuild, d *kpiDef, ask kpiAsk) error {
	if len(ask.only) == 0 {
		return nil
	}
	res, err := pb.db.Query(ctx, "select distinct segment from metrics.kpi where kpi = "+duck.Quote(d.Name)+" and dimension = "+duck.Quote(ask.by)+" order by segment")
	if err != nil {
		return fault.Wrap(err, "read the members of %s", ask.by)
	}
	var known []string
	for _, r := range res.Rows {
		known = append(known, cellText(r[0]))
	}
	var wrong []error
	for _, o := range ask.only {
		if !slices.Contains(known, o) {
			hint := fault.DidYouMean(o, known)
			if hint == "" {
				hint = "There are: " + strings.Join(known, ", ") + "."
			}
			wrong = append(wrong, &fault.Error{Key: "--only", Value: o, Msg: "no " + ask.by + " of " + d.Name, Hint: hint})
		}
	}
	return errors.Join(wrong...)
}

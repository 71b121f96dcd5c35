package main

import (
	"context"
	"encoding/csv"
	"fmt"
	"slices"
	"strings"

	"millrace/internal/duck"
	"millrace/internal/fault"
	"millrace/reports"
)

// amount shows a cell of metrics.kpi in the KPI's unit.
func (d *kpiDef) amount(cell any, bare bool) string {
	return reports.Format{Unit: reports.Unit(d.Unit), Currency: d.Currency, Bare: bare}.Show(reports.ValueOf(cell))
}

// part shows a numerator or denominator: grouped, with cents where it has any.
func part(cell any) string {
	if cell == nil {
		return ""
	}
	v := reports.ValueOf(cell)
	r, ok := v.Rat()
	if !ok {
		return ""
	}
	f := reports.Format{Unit: reports.Money, Bare: true}
	if r.IsInt() {
		f.Unit = reports.Count
	}
	return f.Show(v)
}

// period is the name of a row's period for a person.
func (t *kpiTable) period(row kpiRow) string {
	switch row.Period {
	case together:
		return t.span
	case "all":
		return "so far"
	}
	begin, err := periodBegin(row.Period)
	if err != nil {
		return row.Period
	}
	return reports.PeriodOf(t.Grain, begin).Label()
}

type kpisJSON struct {
	KPIs  []*kpiTable `json:"kpis"`
	Notes []string    `json:"notes,omitempty"`
}

func (a *app) kpiTables(tables []*kpiTable, notes []string, ask kpiAsk) error {
	if ask.csv {
		return a.kpiCSV(tables)
	}
	if a.flags.json {
		return a.con.Result(kpisJSON{KPIs: tables, Notes: notes})
	}
	for i, t := range tables {
		if i > 0 {
			fmt.Fprintln(a.con.Out)
		}
		a.kpiTable(t)
	}
	if len(notes) > 0 {
		a.con.Say("\nNot stated: %s.", strings.Join(notes, "; "))
	}
	return nil
}

func (a *app) kpiTable(t *kpiTable) {
	heading := fmt.Sprintf("%s (%s): %s", t.Label, t.Name, t.Formula)
	if t.Remark != "" {
		heading += "; " + t.Remark
	}
	a.con.Say("%s.", strings.TrimSuffix(heading, "."))
	if t.AsOf != "" {
		a.con.Say("As it was stated on %s.", t.AsOf)
	}
	if t.Low != nil {
		f := reports.Format{Unit: reports.Unit(t.Unit), Coarse: true}
		a.con.Say("Public figures lie between %s and %s: a direction, no goal.", f.Show(reports.ValueOf(t.band[0])), f.Show(reports.ValueOf(t.band[1])))
	}
	fmt.Fprintln(a.con.Out)

	has := func(cell func(kpiRow) any) bool {
		return slices.ContainsFunc(t.Rows, func(r kpiRow) bool { return cell(r) != nil })
	}
	num, den := has(func(r kpiRow) any { return r.cells[4] }) && t.Rollup != "sum" && t.Rollup != "stock" && t.Rollup != "periods", has(func(r kpiRow) any { return r.cells[5] })
	n, target := has(func(r kpiRow) any { return r.cells[6] }), has(func(r kpiRow) any { return r.cells[7] })

	headers := []string{"period"}
	if t.By != "" {
		headers = append(headers, t.By)
	}
	var right []int
	number := func(name string) {
		right = append(right, len(headers))
		headers = append(headers, name)
	}
	number("value")
	if num {
		number("numerator")
	}
	if den {
		number("denominator")
	}
	if n {
		number("n")
	}
	if target {
		number("target")
	}
	headers = append(headers, "status", "reason")

	var rows [][]string
	last := ""
	for _, r := range t.Rows {
		name := t.period(r)
		if r.Period == together && last != together {
			rows = append(rows, make([]string, len(headers)))
		}
		line := []string{name}
		if r.Period == last {
			line[0] = ""
		}
		last = r.Period
		if t.By != "" {
			member := r.Segment
			if r.Dimension == "total" {
				member = "total"
			}
			line = append(line, member)
		}
		line = append(line, t.amount(r.cells[3], false))
		if num {
			line = append(line, part(r.cells[4]))
		}
		if den {
			line = append(line, part(r.cells[5]))
		}
		if n {
			line = append(line, part(r.cells[6]))
		}
		if target {
			goal := ""
			if r.cells[7] != nil {
				goal = t.amount(r.cells[7], false)
			}
			line = append(line, goal)
		}
		rows = append(rows, append(line, r.Status, shortReason(r.Reason)))
	}
	a.con.Table(headers, rows, right...)

	if a.con.Quiet {
		return
	}
	fmt.Fprintln(a.con.Out)
	if t.By != "" && (t.Rollup == "none" || t.Rollup == "periods") {
		a.con.Say("The members of %s do not add up to the total.", t.By)
	}
	a.con.Say("%s", slicesLine(t.kpiDef))
}

// slicesLine says what a KPI can be sliced by, and why not by more.
func slicesLine(d *kpiDef) string {
	s := "It is stated in total only"
	if len(d.Slices) > 0 {
		s = "Slices: --by " + strings.Join(d.Slices, ", ")
	}
	if d.NoSlices != "" {
		s += "; " + d.NoSlices
	}
	return s + "."
}

func shortReason(s string) string {
	if r := []rune(s); len(r) > 90 {
		return string(r[:89]) + "…"
	}
	return s
}

func (a *app) kpiCSV(tables []*kpiTable) error {
	w := csv.NewWriter(a.con.Out)
	if err := w.Write([]string{"kpi", "grain", "period", "dimension", "segment", "value", "numerator", "denominator", "n", "target", "unit", "currency", "status", "reason"}); err != nil {
		return err
	}
	for _, t := range tables {
		for _, r := range t.Rows {
			cell := func(i int) string { return cellText(r.cells[i]) }
			if err := w.Write([]string{t.Name, t.Grain, r.Period, r.Dimension, r.Segment, cell(3), cell(4), cell(5), cell(6), cell(7), t.Unit, t.Currency, r.Status, r.Reason}); err != nil {
				return err
			}
		}
	}
	w.Flush()
	return w.Error()
}

// kpiListing is one KPI in the list.
type kpiListing struct {
	*kpiDef
	Period   string `json:"period"`
	Value    any    `json:"value"`
	Previous any    `json:"previous"`
	SoFar    any    `json:"so_far"`
	Target   any    `json:"target"`
	Status   string `json:"status"`
	Reason   string `json:"reason,omitempty"`
	cells    []any
}

// kpiList prints every KPI with the last period that is over, the one before it and everything so far.
func (a *app) kpiList(ctx context.Context, pb *publishedBuild, defs []*kpiDef, ask kpiAsk) error {
	if ask.by != "" || len(ask.only) > 0 || ask.asOf != "" || ask.from != "" || ask.to != "" {
		return &fault.Error{Msg: "no KPI is named", Hint: "Name what is to be sliced: millrace kpi cac --by channel. `millrace kpi` alone lists them."}
	}
	grain := ask.grain
	if grain == "" {
		grain = "month"
	}
	if grain != "month" && grain != "quarter" {
		_, err := kpiQuery(&kpiDef{}, kpiAsk{grain: grain})
		if err == nil {
			err = &fault.Error{Key: "--grain", Value: grain, Msg: "everything so far is no period to list", Hint: "Write month or quarter; what is so far stands beside them."}
		}
		return err
	}
	at := reports.Period{}
	for _, d := range defs {
		if p := reports.PeriodOf(grain, d.lastClosed); !d.lastClosed.IsZero() && p.Start.After(at.Start) {
			at = p
		}
	}
	if at.Start.IsZero() {
		at = reports.PeriodOf(grain, pb.build.PublishedAt)
	} else if grain == "quarter" {
		// The last quarter that is over, not the one that the last month lies in.
		if end := at.Shift(1).Start.AddDate(0, -1, 0); end.After(defs[0].lastClosed) {
			at = at.Shift(-1)
		}
	}
	q := fmt.Sprintf(`select
  kpi.kpi,
  max(kpi.value) filter (where kpi.grain = %[1]s and kpi.period_start = %[2]s) as value,
  max(kpi.value) filter (where kpi.grain = %[1]s and kpi.period_start = %[3]s) as previous,
  max(kpi.value) filter (where kpi.grain = 'all') as so_far,
  max(targets.target) as target,
  max(kpi.status) filter (where kpi.grain = %[1]s and kpi.period_start = %[2]s) as status,
  max(kpi.reason) filter (where kpi.grain = %[1]s and kpi.period_start = %[2]s) as reason
from metrics.kpi
left join metrics.kpi_target as targets
  on targets.kpi = kpi.kpi and targets.grain = %[1]s and targets.dimension = 'total' and targets.segment = 'all'
where kpi.dimension = 'total'
group by kpi.kpi
order by kpi.kpi`, duck.Quote(grain), reports.LitDate(at.Start), reports.LitDate(at.Shift(-1).Start))
	if ask.sql {
		fmt.Fprintln(a.con.Out, q)
		return nil
	}
	res, err := pb.db.Query(ctx, q)
	if err != nil {
		return fault.Wrap(err, "read metrics.kpi")
	}
	rows := map[string][]any{}
	for _, r := range res.Rows {
		rows[cellText(r[0])] = r
	}
	var list []kpiListing
	for _, d := range defs {
		r := rows[d.Name]
		if r == nil {
			continue
		}
		list = append(list, kpiListing{kpiDef: d, Period: at.Key(), Value: jsonCell(r[1]), Previous: jsonCell(r[2]), SoFar: jsonCell(r[3]), Target: jsonCell(r[4]),
			Status: cellText(r[5]), Reason: cellText(r[6]), cells: r})
	}
	switch {
	case ask.csv:
		return a.kpiListCSV(list)
	case a.flags.json:
		return a.con.Result(struct {
			Grain string       `json:"grain"`
			KPIs  []kpiListing `json:"kpis"`
		}{grain, list})
	}
	a.kpiListTable(list, at)
	return nil
}

func (a *app) kpiListTable(list []kpiListing, at reports.Period) {
	target := slices.ContainsFunc(list, func(l kpiListing) bool { return l.Target != nil })
	headers := []string{"", shortLabel(at), shortLabel(at.Shift(-1)), "so far"}
	right := []int{1, 2, 3}
	if target {
		right = append(right, len(headers))
		headers = append(headers, "target")
	}
	headers = append(headers, "", "how it is computed")
	var rows [][]string
	topic := ""
	why := map[string][]string{} // reasons of n/a, in order of the list
	var reasons []string
	marks := map[string]string{"provisional": "p", "restated": "r"}
	seen := map[string]bool{}
	for _, l := range list {
		if l.Topic != topic {
			if topic != "" {
				rows = append(rows, make([]string, len(headers)))
			}
			topic = l.Topic
			row := make([]string, len(headers))
			row[0] = topic
			rows = append(rows, row)
		}
		row := []string{"  " + l.Name, l.amount(l.cells[1], false), l.amount(l.cells[2], false), l.amount(l.cells[3], false)}
		if target {
			goal := ""
			if l.Target != nil {
				goal = l.amount(l.cells[4], false)
			}
			row = append(row, goal)
		}
		seen[l.Status] = true
		rows = append(rows, append(row, marks[l.Status], l.Formula))
		if l.Status == "na" {
			if why[l.Reason] == nil {
				reasons = append(reasons, l.Reason)
			}
			why[l.Reason] = append(why[l.Reason], l.Name)
		}
	}
	a.con.Table(headers, rows, right...)
	if a.con.Quiet {
		return
	}
	fmt.Fprintln(a.con.Out)
	if seen["provisional"] {
		a.con.Say("p  provisional: it may still change; `millrace kpi NAME` says why.")
	}
	if seen["restated"] {
		a.con.Say("r  restated: it was another one when its period closed; `millrace kpi NAME` says what and why.")
	}
	for _, r := range reasons {
		a.con.Say("n/a  %s: %s", strings.Join(why[r], ", "), r)
	}
	for _, l := range list {
		if len(l.Slices) > 0 {
			a.con.Say("Slice one: millrace kpi %s --by %s. The query behind it: --sql.", l.Name, l.Slices[0])
			break
		}
	}
}

// shortLabel is a period's name that fits over a column: Feb 2026, Q1 2026.
func shortLabel(p reports.Period) string {
	if p.Grain == "month" {
		return p.Start.Format("Jan 2006")
	}
	return p.Label()
}

func (a *app) kpiListCSV(list []kpiListing) error {
	w := csv.NewWriter(a.con.Out)
	if err := w.Write([]string{"kpi", "label", "topic", "period", "value", "previous", "so_far", "target", "unit", "currency", "status", "reason", "formula", "slices"}); err != nil {
		return err
	}
	for _, l := range list {
		cell := func(i int) string { return cellText(l.cells[i]) }
		if err := w.Write([]string{l.Name, l.Label, l.Topic, l.Period, cell(1), cell(2), cell(3), cell(4), l.Unit, l.Currency, l.Status, l.Reason, l.Formula, strings.Join(l.Slices, " ")}); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

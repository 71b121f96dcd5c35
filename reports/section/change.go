package section

import (
	"context"
	"math/big"

	"millrace/reports"
)

// changes is the row of each KPI for the report's period: what it is, what it was, and how far it is from its target.
type changes struct {
	res *reports.Result
	row map[string]int
}

// readChanges asks for the totals of all KPIs: one query serves every section.
func readChanges(ctx context.Context, in *reports.Input) (*changes, error) {
	if err := need(in, "metrics.kpi_change"); err != nil {
		return nil, err
	}
	target, join := "null as target, null as gap, null as verdict", ""
	if in.Has("metrics.kpi_attainment") {
		target = "a.target, a.gap, a.verdict"
		join = "\nleft join metrics.kpi_attainment as a\n  on a.kpi = c.kpi and a.grain = c.grain and a.period_start = c.period_start\n  and a.dimension = c.dimension and a.segment = c.segment"
	}
	res, err := in.Query(ctx, `
select c.kpi, c.period_start, `+reports.LitDate(in.Period.Shift(-1).Start)+` as previous_start, c.value, c.previous, c.delta, c.delta_pct, c.n, c.unit, c.currency,
  c.status, c.reason, `+target+`
from metrics.kpi_change as c`+join+`
where `+periodFilter("c", in.Period)+` and c.dimension = 'total'
order by c.kpi`)
	if err != nil {
		return nil, err
	}
	ch := &changes{res: res, row: map[string]int{}}
	for i := range res.Len() {
		ch.row[res.Cell(i, "kpi").Text()] = i
	}
	return ch, nil
}

// verbs for a change by its size; direction picks the column. Ordered from large to small.
var verbs = []struct {
	least    *big.Rat
	up, down string
}{
	{big.NewRat(25, 100), "jumped", "dropped sharply"},
	{big.NewRat(5, 100), "rose", "fell"},
	{big.NewRat(1, 100), "rose slightly", "slipped"},
	{big.NewRat(0, 1), "edged up", "edged down"},
}

// verb says in which way a KPI moved. Without a relative change the plain word is used.
func verb(delta, pct reports.Cell) string {
	size := big.NewRat(10, 100)
	if r, ok := pct.Rat(); ok {
		size = r.Abs(r)
	}
	for _, v := range verbs {
		if size.Cmp(v.least) >= 0 {
			if delta.Sign() < 0 {
				return v.down
			}
			return v.up
		}
	}
	return "moved"
}

// tone judges a change.
func tone(in *reports.Input, kpi string, delta reports.Cell) reports.Tone {
	s := delta.Sign()
	if in.Labels.Neutral(kpi) {
		return reports.Neutral
	}
	if in.Labels.LowerBetter(kpi) {
		s = -s
	}
	switch {
	case s > 0:
		return reports.Good
	case s < 0:
		return reports.Bad
	}
	return reports.Neutral
}

// sentence tells what one KPI did. Variation is by rule: turn chooses between phrasings of the same facts, so that a list
// of KPIs does not read like a form, and the same report always reads the same (P4).
func (ch *changes) sentence(in *reports.Input, kpi string, turn int) (reports.Line, error) {
	row, ok := ch.row[kpi]
	w := new(reports.Writer)
	label := func(words string) *reports.Writer { return in.Labels.Say(w, kpi).Say(words) }
	if !ok {
		t, err := label(" has no figure for this period.").Done()
		return reports.Line{Role: reports.What, Tone: reports.Warn, Text: t}, err
	}
	r := ch.res
	f := formatOf(in, r, row)
	value, previous, delta, pct := r.Cell(row, "value"), r.Cell(row, "previous"), r.Cell(row, "delta"), r.Cell(row, "delta_pct")
	now, before := r.Cell(row, "period_start"), r.Cell(row, "previous_start")
	when := reports.Format{Unit: reports.DateUnit, Grain: in.Period.Grain}
	line := reports.Line{Role: reports.What, Tone: tone(in, kpi, delta)}
	switch {
	case value.IsNull():
		label(" is not available for ").Num(now, when)
		if reason := r.Cell(row, "reason"); !reason.IsNull() {
			w.Say(": ").Name(reason)
		}
		w.Say(".")
		line.Tone = reports.Warn
	case previous.IsNull():
		label(" was ").Num(value, f).Say(" in ").Num(now, when).Say("; there is nothing before it to compare with.")
	case delta.Sign() == 0:
		label(" held at ").Num(value, f).Say(" in ").Num(now, when).Say(".")
	default:
		away := func(than bool) {
			// A relative change says more of amounts; ratios and times are clearer in their own unit.
			if f.Unit == reports.Ratio || f.Unit == reports.Days || f.Unit == reports.Hours || f.Unit == reports.Months || pct.IsNull() {
				w.Num(delta, f.Delta().Magnitude())
			} else {
				w.Num(pct, reports.Format{Unit: reports.Ratio, Coarse: true}.Magnitude())
			}
			if than {
				if delta.Sign() > 0 {
					w.Say(" above ")
				} else {
					w.Say(" below ")
				}
				w.Num(before, when)
			}
		}
		switch turn % 3 {
		case 0:
			label(" "+verb(delta, pct)+" to ").Num(value, f).Say(" in ").Num(now, when).Say(", ")
			away(true)
		case 1:
			label(" " + verb(delta, pct) + " by ")
			away(false)
			w.Say(" to ").Num(value, f)
		default:
			label(" stands at ").Num(value, f).Say(", ")
			away(true)
		}
		w.Say(".")
	}
	if status := r.Cell(row, "status").Text(); status == "provisional" || status == "restated" {
		w.Say(" The figure is " + status)
		if reason := r.Cell(row, "reason"); !reason.IsNull() {
			w.Say(": ").Name(reason)
		}
		w.Say(".")
	}
	t, err := w.Done()
	line.Text = t
	return line, err
}

// target tells how far a KPI is from its target; false when it has none.
func (ch *changes) target(in *reports.Input, kpi string) (reports.Line, bool, error) {
	row, ok := ch.row[kpi]
	if !ok {
		return reports.Line{}, false, nil
	}
	r := ch.res
	target, gap, status := r.Cell(row, "target"), r.Cell(row, "gap"), r.Cell(row, "verdict").Text()
	if target.IsNull() || gap.IsNull() {
		return reports.Line{}, false, nil
	}
	f := formatOf(in, r, row)
	w := new(reports.Writer)
	line := reports.Line{Role: reports.Watch}
	side := " above its target of "
	if gap.Sign() < 0 {
		side = " below its target of "
	}
	in.Labels.Say(w, kpi)
	if gap.Sign() == 0 {
		w.Say(" is at its target of ").Num(target, f)
	} else {
		w.Say(" is ").Num(gap, f.Delta().Magnitude()).Say(side).Num(target, f)
	}
	line.Tone = reports.Bad
	if status == "met" {
		line.Tone = reports.Good
	}
	w.Say(".")
	t, err := w.Done()
	line.Text = t
	return line, true, err
}

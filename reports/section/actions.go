package section

import (
	"context"
	"fmt"
	"strings"

	"millrace/internal/fault"
	"millrace/reports"
)

type actionsOptions struct{}

func actionsKind() reports.SectionKind {
	return reports.SectionKind{
		Name:    "actions",
		Summary: "what to do, with its expected effect and the arithmetic behind it",
		Options: func() any { return &actionsOptions{} },
		Build: typed(func(ctx context.Context, in *reports.Input, _ *actionsOptions) ([]reports.Block, error) {
			if len(in.Actions) == 0 {
				return nil, &fault.Error{Msg: "the report defines no actions", Hint: "Add actions: to the report, each with kpi: and do:."}
			}
			recs, err := recommend(ctx, in)
			if err != nil {
				return nil, err
			}
			p := &reports.Prose{Title: title(in, "What to do")}
			for _, r := range recs {
				w := new(reports.Writer)
				t, err := w.Text(r.do).Say(" ").Text(r.effect).Done()
				if err != nil {
					return nil, err
				}
				p.Lines = append(p.Lines, reports.Line{Role: reports.Do, Text: t})
			}
			if len(p.Lines) == 0 {
				t, err := new(reports.Writer).Say("Nothing stands out enough to recommend: no segment with enough cases is clearly behind its goal.").Done()
				if err != nil {
					return nil, err
				}
				p.Lines = append(p.Lines, reports.Line{Text: t})
			}
			return []reports.Block{p}, nil
		}),
	}
}

// recommendation is one action: the sentence, its effect in a short sentence, and the arithmetic in a long one.
type recommendation struct {
	do, short, effect reports.Text
}

func recommend(ctx context.Context, in *reports.Input) ([]recommendation, error) {
	var out []recommendation
	for i := range in.Actions {
		a := &in.Actions[i]
		var rec recommendation
		var ok bool
		var err error
		if a.SQL != "" {
			rec, ok, err = fromQuery(ctx, in, a)
		} else {
			rec, ok, err = fromRatio(ctx, in, a)
		}
		if err != nil {
			return nil, fault.Wrap(err, "action %q", fault.Shorten(a.Do, 60))
		}
		if ok {
			out = append(out, rec)
		}
	}
	return out, nil
}

func fromQuery(ctx context.Context, in *reports.Input, a *reports.Action) (recommendation, bool, error) {
	res, err := in.Query(ctx, a.SQL)
	if err != nil || res.Len() == 0 {
		return recommendation{}, false, err
	}
	formats := map[string]reports.Format{"": {Currency: in.Currency}}
	for _, c := range res.Columns {
		formats[c.Name] = columnFormat(in, res, c.Name, columnOptions{})
	}
	var rec recommendation
	if rec.do, err = a.DoTemplate().Fill(res, 0, formats); err != nil {
		return rec, false, err
	}
	if t := a.EffectTemplate(); t != nil {
		if rec.effect, err = t.Fill(res, 0, formats); err != nil {
			return rec, false, err
		}
		rec.short = rec.effect
	}
	return rec, true, nil
}

// ratioSQL finds the segment that would add most if its ratio reached the goal. Segments are left alone when they have
// few cases, or when the distance is within what chance alone gives (1.64 standard errors of the segment's own ratio at
// the goal: one in twenty, one-sided). Members that stand for "not known" are left out: nobody can act on them.
const ratioSQL = `
with worth as (
  %s
),
segments as (
  select member.dimension, member.segment, member.value as rate, %s as goal, member.denominator as cases, member.n
  from metrics.kpi as member
  %s
  where member.kpi = %s and %s and member.dimension in %s and member.value is not null and member.denominator is not null
    and lower(member.segment) not in ('unknown', '(unknown)', 'other', '(none)')
),
behind as (
  select *, (goal - rate)::decimal(28, 8) as distance
  from segments
  where goal > rate and n >= %d
    and (goal - rate)::double > 1.64 * sqrt((goal * (1 - goal))::double / n)
),
gains as (
  select behind.*, round(distance::double * cases::double, 1)::decimal(18, 1) as extra, worth.worth, worth.currency
  from behind
  cross join worth
)
select dimension, segment, rate, goal, distance, cases, n, extra, worth,
  round(extra::double * worth::double, 2)::decimal(28, 8) as effect, currency
from gains
order by extra desc, dimension, segment
limit 1`

func fromRatio(ctx context.Context, in *reports.Input, a *reports.Action) (recommendation, bool, error) {
	var rec recommendation
	if err := need(in, "metrics.kpi"); err != nil {
		return rec, false, err
	}
	by := a.By
	if len(by) == 0 {
		by = in.Dimensions
	}
	if len(by) == 0 {
		return rec, false, &fault.Error{Key: "by", Msg: "no dimension is named", Hint: "Write by: [agent], or dimensions: for the whole report."}
	}
	worth := "select null::decimal(28, 8) as worth, null::varchar as currency"
	if a.Worth != "" {
		worth = "select value as worth, currency\n  from metrics.kpi\n  where kpi = " + reports.Lit(a.Worth) + " and " + periodFilter("", in.Period) + " and dimension = 'total'"
	}
	goal, join := "reference.value", ""
	same := "reference.kpi = member.kpi and reference.grain = member.grain and reference.dimension = member.dimension and reference.segment = member.segment"
	switch a.Goal {
	case "previous":
		join = "inner join metrics.kpi as reference\n    on " + same + "\n    and reference.period_start = " + reports.LitDate(in.Period.Shift(-1).Start)
	case "target":
		if err := need(in, "metrics.kpi_attainment"); err != nil {
			return rec, false, err
		}
		goal = "reference.target"
		join = "inner join metrics.kpi_attainment as reference\n    on " + same + "\n    and reference.period_start = member.period_start"
	default:
		join = "inner join metrics.kpi as reference\n    on reference.kpi = member.kpi and reference.grain = member.grain\n    and reference.period_start = member.period_start and reference.dimension = 'total'"
	}
	res, err := in.Query(ctx, fmt.Sprintf(ratioSQL, worth, goal, join, reports.Lit(a.KPI), periodFilter("member", in.Period), reports.LitList(by), a.MinN))
	if err != nil || res.Len() == 0 {
		return rec, false, err
	}
	ratio, count := reports.Format{Unit: reports.Ratio}, reports.Format{Unit: reports.Count}
	money := reports.Format{Unit: reports.Money, Currency: res.Cell(0, "currency").Text()}
	if money.Currency == "" {
		money.Currency = in.Currency
	}
	formats := map[string]reports.Format{"": {Currency: in.Currency}, "rate": ratio, "goal": ratio, "distance": ratio.Delta(), "cases": count,
		"n": count, "extra": count, "worth": money, "effect": money, "segment": {Unit: reports.TextUnit}, "dimension": {Unit: reports.TextUnit}}
	if rec.do, err = a.DoTemplate().Fill(res, 0, formats); err != nil {
		return rec, false, err
	}
	unit, of := a.Unit, a.Of
	if unit == "" {
		unit = "more"
	} else {
		unit = "more " + strings.TrimPrefix(unit, "more ")
	}
	if of == "" {
		of = "cases"
	}
	c := func(col string) reports.Cell { return res.Cell(0, col) }
	w := new(reports.Writer)
	w.Say("Expected effect: ").Num(c("distance"), ratio.Delta().Magnitude()).Say(" × ").Num(c("cases"), count).Say(" "+of+" = ").
		Num(c("extra"), count).Say(" " + unit)
	s := new(reports.Writer)
	s.Say("Expected: ").Num(c("extra"), count).Say(" " + unit)
	if !c("effect").IsNull() {
		w.Say(", × ").Num(c("worth"), money).Say(" each = ").Num(c("effect"), money)
		s.Say(", about ").Num(c("effect"), money)
	}
	goalWords := map[string]string{"previous": "its own figure of the period before", "target": "its target"}[a.Goal]
	if goalWords == "" {
		goalWords = "the figure of all"
	}
	w.Say(", if it gets from ").Num(c("rate"), ratio).Say(" to "+goalWords+", ").Num(c("goal"), ratio).Say(".")
	if rec.effect, err = w.Done(); err != nil {
		return rec, false, err
	}
	rec.short, err = s.Say(".").Done()
	return rec, true, err
}

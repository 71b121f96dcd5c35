package section

import (
	"context"
	"fmt"
	"math"
	"strings"

	"millrace/internal/fault"
	"millrace/reports"
)

type forecastOptions struct {
	KPI     string `yaml:"kpi" required:"true" doc:"the KPI to look ahead for"`
	Horizon int    `yaml:"horizon" default:"3" min:"1" max:"12" doc:"how many periods ahead"`
}

func forecastKind() reports.SectionKind {
	return reports.SectionKind{
		Name:    "forecast",
		Summary: "what to expect if nothing changes, with its interval; only when there is enough history",
		Options: func() any { return &forecastOptions{} },
		Build:   typed(buildForecast),
	}
}

// Constants of the method. The interval is a split-conformal one: as wide as the errors that the same method made one step
// ahead in the past, so that four in five past outcomes were inside; it widens with the root of the distance.
const (
	forecastLeast  = 6  // periods before the first error is measured
	forecastErrors = 4  // errors needed: below, four in five cannot be stated
	forecastWindow = 12 // periods that level and slope look back
)

// forecastSQL is a damped trend from medians (Theil-Sen slope over the last twelve periods, damping 0.85 a period), or the
// same period one season ago plus the median change over a season where two whole seasons are known. Everything is made of
// quantiles, which do not depend on the order of threads (P4).
const forecastSQL = `
with history as (
  select row_number() over (order by period_start) as i, period_start, value::double as v, unit, currency
  from metrics.kpi
  where kpi = %[1]s and grain = %[2]s and dimension = 'total' and status = 'ok' and value is not null
    and period_start <= %[3]s
),
origins as (
  select i as origin from history where i >= %[5]d
),
seen as (
  select origins.origin, history.i, history.v
  from origins
  inner join history on history.i between origins.origin - %[6]d + 1 and origins.origin
),
slopes as (
  select a.origin, median((b.v - a.v) / (b.i - a.i)) as slope
  from seen as a
  inner join seen as b on b.origin = a.origin and b.i > a.i
  group by a.origin
),
levels as (
  select seen.origin, slopes.slope, median(seen.v + slopes.slope * (seen.origin - seen.i)) as level
  from seen
  inner join slopes on slopes.origin = seen.origin
  group by seen.origin, slopes.slope
),
steps as (
  select levels.origin, ahead.step,
    levels.level + levels.slope * 0.85 * (1 - power(0.85, ahead.step)) / 0.15 as trend
  from levels
  cross join (select unnest(generate_series(1, %[4]d)) as step) as ahead
),
seasonal as (
  select steps.origin, steps.step, a.v + (
    select median(x.v - y.v) from history as x inner join history as y on y.i = x.i - %[7]d where x.i <= steps.origin
  ) as season
  from steps
  inner join history as a on a.i = steps.origin + steps.step - %[7]d
  where steps.origin >= 2 * %[7]d
),
made as (
  select steps.origin, steps.step, coalesce(seasonal.season, steps.trend) as expected
  from steps
  left join seasonal on seasonal.origin = steps.origin and seasonal.step = steps.step
),
errors as (
  select abs(history.v - made.expected) as error
  from made
  inner join history on history.i = made.origin + made.step
  where made.step = 1
),
measured as (
  select count(*) as errors, list_sort(list(error)) as sorted, median(error) as usual_error
  from errors
),
width as (
  select errors, usual_error, sorted[ceil((errors + 1) * 0.8)::bigint] as half_width
  from measured
  where errors >= %[8]d
)
select
  %[9]s as period_start,
  made.step,
  round(%[10]s, 8)::decimal(28, 8) as expected,
  round(%[11]s, 8)::decimal(28, 8) as low,
  round(%[12]s, 8)::decimal(28, 8) as high,
  round(width.usual_error, 8)::decimal(28, 8) as usual_error,
  (select count(*) from history) as periods,
  (select max_by(v, i)::decimal(28, 8) from history) as latest,
  (select any_value(unit) from history) as unit,
  (select any_value(currency) from history) as currency
from made
cross join width
where made.origin = (select max(i) from history)
order by made.step`

func buildForecast(ctx context.Context, in *reports.Input, o *forecastOptions) ([]reports.Block, error) {
	h, err := readHistory(ctx, in)
	if err != nil {
		return nil, err
	}
	rows := h.rows[o.KPI]
	if len(rows) == 0 {
		return nil, missingKPI(ctx, in, o.KPI)
	}
	label := in.Labels.Of(o.KPI)
	res, err := readForecast(ctx, in, o)
	if err != nil {
		return nil, err
	}
	heading := title(in, label+": what to expect")
	if res.Len() == 0 {
		count, err := in.Query(ctx, `
select count(*) as periods, `+fmt.Sprint(forecastLeast+forecastErrors)+` as needed
from metrics.kpi
where kpi = `+reports.Lit(o.KPI)+` and grain = `+reports.Lit(in.Period.Grain)+` and dimension = 'total' and status = 'ok'
  and period_start <= `+reports.LitDate(in.Period.Start))
		if err != nil {
			return nil, err
		}
		w := new(reports.Writer)
		w.Say("There is no forecast: ").Num(count.Cell(0, "periods"), reports.Format{Unit: reports.Count}).Say(" periods are known, and ").
			Num(count.Cell(0, "needed"), reports.Format{Unit: reports.Count}).Say(" are needed to state how wrong it may be.")
		t, err := w.Done()
		return []reports.Block{&reports.Prose{Title: heading, Lines: []reports.Line{{Text: t}}}}, err
	}
	f := formatOf(in, res, 0)
	line, err := forecastLine(in, o.KPI, res, f)
	if err != nil {
		return nil, err
	}
	c := &reports.Chart{Title: heading, Kind: reports.LineC, Format: f, Note: line.Text}
	past, ahead := reports.Series{Name: label}, reports.Series{Name: "Expected", Dashed: true}
	for k, i := range rows {
		c.X = append(c.X, category(h.res.Cell(i, "period_start").Value, in.Period.Grain))
		q := quantity(in, h.res, i, "value", f)
		past.Points = append(past.Points, q)
		join := reports.Quantity{}
		if k == len(rows)-1 { // the expectation starts where the past ends
			join = q
		}
		ahead.Points, ahead.Low, ahead.High = append(ahead.Points, join), append(ahead.Low, join), append(ahead.High, join)
	}
	for i := range res.Len() {
		c.X = append(c.X, category(res.Cell(i, "period_start").Value, in.Period.Grain))
		past.Points = append(past.Points, reports.Quantity{Format: f})
		ahead.Points = append(ahead.Points, reports.Quantity{Cell: res.Cell(i, "expected"), Format: f})
		ahead.Low = append(ahead.Low, reports.Quantity{Cell: res.Cell(i, "low"), Format: f})
		ahead.High = append(ahead.High, reports.Quantity{Cell: res.Cell(i, "high"), Format: f})
	}
	c.Series = []reports.Series{past, ahead}
	return []reports.Block{c}, nil
}

func readForecast(ctx context.Context, in *reports.Input, o *forecastOptions) (*reports.Result, error) {
	if err := need(in, "metrics.kpi"); err != nil {
		return nil, err
	}
	season := map[string]int{"day": 7, "week": 52, "month": 12, "quarter": 4, "year": math.MaxInt16}[in.Period.Grain]
	if season == 0 {
		return nil, &fault.Error{Msg: "no forecast for periods of this length", Value: in.Period.Grain}
	}
	next := map[string]string{"day": "interval (step) day", "week": "interval (7 * step) day", "month": "interval (step) month",
		"quarter": "interval (3 * step) month", "year": "interval (step) year"}[in.Period.Grain]
	clamp := func(e string) string {
		return fmt.Sprintf("case (select any_value(unit) from history) when 'ratio' then least(greatest(%s, 0), 1) else greatest(%s, 0) end", e, e)
	}
	return in.Query(ctx, fmt.Sprintf(forecastSQL, reports.Lit(o.KPI), reports.Lit(in.Period.Grain), reports.LitDate(in.Period.Start), o.Horizon,
		forecastLeast, forecastWindow, season, forecastErrors,
		"("+reports.LitDate(in.Period.Start)+" + "+strings.ReplaceAll(next, "step", "made.step")+")::date",
		clamp("made.expected"), clamp("made.expected - width.half_width * sqrt(made.step)"), clamp("made.expected + width.half_width * sqrt(made.step)")))
}

func forecastLine(in *reports.Input, kpi string, res *reports.Result, f reports.Format) (reports.Line, error) {
	when := reports.Format{Unit: reports.DateUnit, Grain: in.Period.Grain}
	w := new(reports.Writer)
	in.Labels.SayInside(w.Say("If nothing changes, expect "), kpi).Say(" near ").Num(res.Cell(0, "expected"), f).Say(" in ").Num(res.Cell(0, "period_start"), when).
		Say(", in four of five cases between ").Num(res.Cell(0, "low"), f).Say(" and ").Num(res.Cell(0, "high"), f).
		Say(". Over the past the same method was off by ").Num(res.Cell(0, "usual_error"), f.Delta().Magnitude()).Say(" at the median.")
	t, err := w.Done()
	return reports.Line{Role: reports.Watch, Text: t}, err
}

package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"millrace/internal/duck"
	"millrace/internal/fault"
	"millrace/reports"
)

// together names the row that several periods make.
const together = "together"

// kpiSQL is the query behind what is shown, and what it covers.
type kpiSQL struct {
	sql   string
	grain string
	span  string // of the periods, for a person
}

// How many periods are shown where nobody says from when.
const (
	shownMonths   = 12
	shownQuarters = 8
	shownSliced   = 6
)

// kpiQuery writes the query of one KPI. It is plain SQL on published relations: what is printed by --sql is what is run.
func kpiQuery(d *kpiDef, ask kpiAsk) (*kpiSQL, error) {
	grain := ask.grain
	if grain == "" {
		grain = "month"
	}
	switch grain {
	case "month", "quarter":
	case "all":
		if ask.from != "" || ask.to != "" {
			return nil, &fault.Error{Key: "--grain", Value: grain, Msg: "everything so far has no periods that --from and --to could choose", Hint: "Write --grain month or quarter, or leave out --from and --to."}
		}
	default:
		hint := fault.DidYouMean(grain, []string{"month", "quarter", "all"})
		if hint == "" || grain == "day" || grain == "week" || grain == "year" {
			hint = "KPIs are stated by month, by quarter and over everything: month, quarter or all."
		}
		return nil, &fault.Error{Key: "--grain", Value: grain, Msg: "KPIs are not stated by it", Hint: hint}
	}
	if d.last.IsZero() && grain != "all" {
		grain = "all"
	}
	q := &kpiSQL{grain: grain, span: "everything so far"}
	where := []string{"kpi = " + duck.Quote(d.Name), "grain = " + duck.Quote(grain)}
	period := "'all'"
	if grain != "all" {
		from, to, err := kpiSpan(d, ask, grain)
		if err != nil {
			return nil, err
		}
		q.span = from.Label()
		if !from.Start.Equal(to.Start) {
			q.span += " to " + to.Label()
		}
		where = append(where, "period_start between "+reports.LitDate(from.Start)+" and "+reports.LitDate(to.Start))
		period = "strftime(period_start, '%Y-%m')"
		if grain == "quarter" {
			period = "year(period_start) || '-Q' || quarter(period_start)"
		}
	}
	switch {
	case ask.by == "":
		where = append(where, "dimension = 'total'")
	case len(ask.only) > 0:
		where = append(where, "dimension = "+duck.Quote(ask.by), "segment in "+reports.LitList(ask.only))
	default:
		where = append(where, "dimension in ("+duck.Quote(ask.by)+", 'total')")
	}
	source, n, reason := "metrics.kpi", "n", "reason"
	if ask.asOf != "" {
		day, err := time.Parse(time.DateOnly, ask.asOf)
		if err != nil {
			return nil, &fault.Error{Key: "--as-of", Value: ask.asOf, Msg: "not a day", Hint: "Write it as 2026-03-01."}
		}
		if grain == "all" {
			return nil, &fault.Error{Key: "--as-of", Value: ask.asOf, Msg: "what was stated is kept by month and by quarter", Hint: "Write --grain month or quarter."}
		}
		at := reports.LitDate(day.AddDate(0, 0, 1)) + "::timestamp"
		source, n, reason = "metrics.kpi_history", "null::bigint as n", "null::varchar as reason"
		where = append(where, "valid_from < "+at, "coalesce(valid_to >= "+at+", true)")
	}
	q.sql = fmt.Sprintf(`with chosen as (
  select period_start, %s as period, dimension, segment, value, numerator, denominator, %s, status, %s
  from %s
  where %s
),
targets as (
  select dimension, segment, target
  from metrics.kpi_target
  where kpi = %s and grain = %s
),
shown as (
  select period, chosen.dimension, chosen.segment, value, numerator, denominator, n, target, status, reason
  from chosen
  left join targets on targets.dimension = chosen.dimension and targets.segment = chosen.segment
`, period, n, reason, source, strings.Join(where, "\n    and "), duck.Quote(d.Name), duck.Quote(grain))
	if grain != "all" {
		q.sql += fmt.Sprintf(`  union all
  select '%s', dimension, segment, %s
  from chosen
  group by dimension, segment
  having count(*) > 1
`, together, rollupSQL(d.Rollup))
	}
	q.sql += ")\nfrom shown\norder by period, dimension = 'total', segment"
	return q, nil
}

// rollupSQL is what several periods of one member make: value, numerator, denominator, n, target, status, reason. It is a ratio
// of sums, never a mean of ratios.
func rollupSQL(rollup string) string {
	const status = `case
      when %s is null then 'na'
      when bool_or(status = 'provisional') then 'provisional'
      when bool_or(status = 'restated') then 'restated'
      else 'ok'
    end`
	switch rollup {
	case "sum", "periods":
		return `sum(value), sum(numerator), null, sum(n)::bigint, null,
    ` + fmt.Sprintf(status, "sum(value)") + `,
    case
      when sum(value) is null then min(reason)
      when count(value) < count(*) then count(value) || ' of ' || count(*) || ' periods could be stated'
    end`
	case "ratio":
		value := "sum(numerator) / nullif(sum(denominator), 0)"
		return `round(` + value + `, 8)::decimal(28, 8), sum(numerator), sum(denominator), sum(n)::bigint, null,
    ` + fmt.Sprintf(status, value) + `,
    case when ` + value + ` is null then min(reason) else 'the sums of numerators and denominators' end`
	case "stock", "stock_ratio":
		last := func(col string) string { return "max_by(struct_pack(v := " + col + "), period_start).v" }
		return last("value") + ", " + last("numerator") + ", " + last("denominator") + ", " + last("n") + ", null,\n    max_by(status, period_start),\n    'as it was at the end of the last period'"
	}
	why := "periods do not add up; --grain quarter or all has a figure of its own"
	return "null, null, null, sum(n)::bigint, null, 'na', '" + why + "'"
}

// kpiSpan is the first and the last period to show.
func kpiSpan(d *kpiDef, ask kpiAsk, grain string) (from, to reports.Period, err error) {
	step := func(t time.Time) reports.Period { return reports.PeriodOf(grain, t) }
	to = step(d.last)
	if ask.to != "" {
		last, err := periodEnd(ask.to)
		if err != nil {
			return from, to, kpiPeriodError("--to", ask.to)
		}
		to = step(last)
	}
	n := shownMonths
	switch {
	case ask.by != "":
		n = shownSliced
	case grain == "quarter":
		n = shownQuarters
	}
	from = to.Shift(1 - n)
	if first := step(d.first); ask.from == "" && from.Start.Before(first.Start) && !first.Start.After(to.Start) {
		from = first
	}
	if ask.from != "" {
		first, err := periodBegin(ask.from)
		if err != nil {
			return from, to, kpiPeriodError("--from", ask.from)
		}
		from = step(first)
	}
	if from.Start.After(to.Start) {
		if ask.to == "" {
			return from, to, &fault.Error{Key: "--from", Value: from.Key(), Msg: "lies after the last figure", Hint: "There are figures from " + step(d.first).Key() + " to " + to.Key() + "."}
		}
		return from, to, &fault.Error{Key: "--from", Value: from.Key(), Msg: "lies after --to, which is " + to.Key(), Hint: "Turn them round."}
	}
	return from, to, nil
}

func kpiPeriodError(key, value string) error {
	return &fault.Error{Key: key, Value: value, Msg: "not a period", Hint: "Write a month (2026-01), a quarter (2026-Q1), a year (2026) or a day in it (2026-01-31)."}
}

func periodForms() (quarter, year *regexp.Regexp) {
	return regexp.MustCompile(`^(\d{4})-?[Qq]([1-4])$`), regexp.MustCompile(`^\d{4}$`)
}

// periodBegin is the first day of what a person wrote.
func periodBegin(s string) (time.Time, error) {
	quarter, year := periodForms()
	if m := quarter.FindStringSubmatch(s); m != nil {
		y, _ := strconv.Atoi(m[1])
		q, _ := strconv.Atoi(m[2])
		return time.Date(y, time.Month(3*q-2), 1, 0, 0, 0, 0, time.UTC), nil
	}
	if year.MatchString(s) {
		return time.Parse("2006", s)
	}
	if t, err := time.Parse("2006-01", s); err == nil {
		return t, nil
	}
	return time.Parse(time.DateOnly, s)
}

// periodEnd is the last day of what a person wrote.
func periodEnd(s string) (time.Time, error) {
	t, err := periodBegin(s)
	if err != nil {
		return t, err
	}
	quarter, year := periodForms()
	switch {
	case quarter.MatchString(s):
		return t.AddDate(0, 3, -1), nil
	case year.MatchString(s):
		return t.AddDate(1, 0, -1), nil
	case len(s) == len("2006-01"):
		return t.AddDate(0, 1, -1), nil
	}
	return t, nil
}

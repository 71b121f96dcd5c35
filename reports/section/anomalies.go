package section

import (
	"context"
	"fmt"

	"millrace/reports"
)

type anomaliesOptions struct {
	Show      []string `yaml:"show" doc:"KPIs to watch (default: those of the report)"`
	Dimension string   `yaml:"dimension" default:"total" doc:"total, or a dimension whose members are each watched"`
	Threshold int      `yaml:"threshold" default:"4" min:"2" max:"20" doc:"how many robust standard deviations count as unusual"`
}

func anomaliesKind() reports.SectionKind {
	return reports.SectionKind{
		Name:    "anomalies",
		Summary: "figures far from what the periods before let expect",
		Options: func() any { return &anomaliesOptions{} },
		Build:   typed(buildAnomalies),
	}
}

func buildAnomalies(ctx context.Context, in *reports.Input, o *anomaliesOptions) ([]reports.Block, error) {
	lines, judged, err := anomalies(ctx, in, o)
	if err != nil {
		return nil, err
	}
	p := &reports.Prose{Title: title(in, "Unusual figures"), Lines: lines}
	if len(lines) == 0 {
		words := "No figure of this period is far from what the periods before let expect."
		if !judged {
			words = "There are too few earlier periods to say what is unusual."
		}
		t, err := new(reports.Writer).Say(words).Done()
		if err != nil {
			return nil, err
		}
		p.Lines = []reports.Line{{Text: t}}
	}
	return []reports.Block{p}, nil
}

// anomalySQL compares each figure with the median of up to eight periods before it. The scale is the median absolute
// deviation of such one-step differences, times 1.4826 (which makes it a standard deviation for normal noise), and never
// less than the sampling error of a ratio of n cases, or of a count. Medians, unlike means, are not bent by the very
// values that are sought, and do not depend on the order of threads (P4).
const anomalySQL = `
with history as (
  select kpi, segment, period_start, value, n, unit, currency,
    case when unit in ('money', 'count', 'money_per_day') and value >= 0 then ln(1 + value::double) else value::double end as level
  from metrics.kpi
  where %s and dimension = %s and kpi in %s and value is not null and status = 'ok'
),
expected as (
  select *, median(level) over before as expected_level, count(*) over before as periods_before
  from history
  window before as (partition by kpi, segment order by period_start rows between 8 preceding and 1 preceding)
),
stepped as (
  select *, level - expected_level as step
  from expected
  where periods_before >= 4
),
scaled as (
  select *,
    1.4826 * median(abs(step)) over before as usual_step,
    count(*) over before as steps_before
  from stepped
  window before as (partition by kpi, segment order by period_start rows between unbounded preceding and 1 preceding)
),
judged as (
  select *,
    case unit
      when 'ratio' then greatest(usual_step, sqrt(greatest(expected_level * (1 - expected_level), 1.0 / (n + 2)) / nullif(n, 0)))
      when 'days' then greatest(usual_step, 1)
      else greatest(usual_step, 1 / sqrt(greatest(n, 1)))
    end as scale,
    case when unit in ('money', 'count', 'money_per_day') then exp(expected_level) - 1 else expected_level end as expected
  from scaled
  where steps_before >= 3
)
select kpi, segment, period_start, value, round(expected, 8)::decimal(28, 8) as expected,
  (value - round(expected, 8)::decimal(28, 8))::decimal(28, 8) as off_by,
  round(abs(step) / nullif(scale, 0), 1)::decimal(18, 1) as deviations, n, unit, currency,
  scale > 0 and abs(step) > %d * scale as is_unusual, periods_before
from judged
where period_start = %s
order by is_unusual desc, deviations desc, kpi, segment`

// anomalies gives one line for each unusual figure of the period; judged is false when no figure has enough history.
func anomalies(ctx context.Context, in *reports.Input, o *anomaliesOptions) (lines []reports.Line, judged bool, err error) {
	if err := need(in, "metrics.kpi"); err != nil {
		return nil, false, err
	}
	show := o.Show
	if len(show) == 0 {
		show = in.Shown
	}
	res, err := in.Query(ctx, fmt.Sprintf(anomalySQL, "grain = "+reports.Lit(in.Period.Grain), reports.Lit(o.Dimension),
		reports.LitList(show), o.Threshold, reports.LitDate(in.Period.Start)))
	if err != nil {
		return nil, false, err
	}
	for i := range res.Len() {
		if yes, _ := res.Cell(i, "is_unusual").Bool(); !yes {
			continue
		}
		kpi, f := res.Cell(i, "kpi").Text(), formatOf(in, res, i)
		w := new(reports.Writer)
		in.Labels.Say(w, kpi)
		if o.Dimension != "total" {
			w.Say(" of ").Name(res.Cell(i, "segment"))
		}
		w.Say(" of ").Num(res.Cell(i, "value"), f).Say(" is unusual: the periods before let expect about ").Num(res.Cell(i, "expected"), f).
			Say(", and it is ").Num(res.Cell(i, "deviations"), reports.Format{Unit: reports.Number}).Say(" times the usual step away. Check it before acting on it.")
		t, err := w.Done()
		if err != nil {
			return nil, true, err
		}
		lines = append(lines, reports.Line{Role: reports.Watch, Tone: reports.Warn, Text: t})
	}
	return lines, res.Len() > 0, nil
}

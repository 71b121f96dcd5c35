package section

import (
	"context"
	"fmt"
	"strings"

	"millrace/internal/fault"
	"millrace/reports"
)

type chartOptions struct {
	KPI    string   `yaml:"kpi" doc:"a KPI: over time, or by a dimension in the report's period"`
	By     string   `yaml:"by" doc:"for kpi: a dimension; one bar a segment"`
	Grain  string   `yaml:"grain" enum:"period,all" default:"period" doc:"for kpi with by: the report's period, or everything so far"`
	Top    int      `yaml:"top" default:"12" min:"1" max:"60" doc:"for kpi with by: how many segments, the largest first"`
	From   string   `yaml:"from" doc:"a published relation"`
	SQL    string   `yaml:"sql" doc:"a query over published relations; order it"`
	X      string   `yaml:"x" doc:"the column with the categories"`
	Y      []string `yaml:"y" doc:"columns with the numbers, one series each"`
	Series string   `yaml:"series" doc:"the column that splits one y into several series"`
	Kind   string   `yaml:"kind" enum:"column,bar,line,stacked,pie" doc:"the shape (default: line over time, bar by segment)"`
	Format string   `yaml:"format" enum:"ratio,money,days,months,count,money_per_day,number,times" doc:"how the numbers are written"`
	XGrain string   `yaml:"x_grain" enum:"day,week,month,quarter,year" doc:"for an x of dates that name periods"`
}

func chartKind() reports.SectionKind {
	return reports.SectionKind{
		Name:    "chart",
		Summary: "a drawing of a KPI or a query",
		Options: func() any { return &chartOptions{} },
		Check: checked(func(o *chartOptions) error {
			if o.KPI != "" {
				if o.SQL != "" || o.From != "" {
					return &fault.Error{Msg: "kpi is given beside sql or from", Hint: "Keep one of them."}
				}
				return nil
			}
			if _, err := from(o.SQL, o.From, "", ""); err != nil {
				return err
			}
			if o.X == "" || len(o.Y) == 0 {
				return &fault.Error{Msg: "a chart of a query needs x and y", Hint: "Name the column with the categories in x:, and those with the numbers in y:."}
			}
			if o.Series != "" && len(o.Y) != 1 {
				return &fault.Error{Key: "series", Msg: "series splits exactly one y", Hint: "Keep one column in y:."}
			}
			return nil
		}),
		Build: typed(buildChart),
	}
}

func buildChart(ctx context.Context, in *reports.Input, o *chartOptions) ([]reports.Block, error) {
	if o.KPI != "" {
		return kpiChart(ctx, in, o)
	}
	sql, err := from(o.SQL, o.From, "", "all")
	if err != nil {
		return nil, err
	}
	res, err := in.Query(ctx, sql)
	if err != nil {
		return nil, err
	}
	if err := res.Need(append([]string{o.X}, o.Y...)...); err != nil {
		return nil, err
	}
	f := reports.Format{Unit: reports.Unit(o.Format), Currency: in.Currency}
	if f.Unit == "" {
		f.Unit = reports.Number
	}
	c := &reports.Chart{Title: title(in, "Chart"), Kind: reports.ChartKind(o.Kind), Format: f, XLabel: reports.Title(o.X)}
	if c.Kind == "" {
		c.Kind = reports.Column
	}
	if o.Series == "" {
		for i := range res.Len() {
			c.X = append(c.X, category(res.Cell(i, o.X).Value, o.XGrain))
		}
		for _, y := range o.Y {
			s := reports.Series{Name: reports.Title(y)}
			for i := range res.Len() {
				s.Points = append(s.Points, quantity(in, res, i, y, f))
			}
			c.Series = append(c.Series, s)
		}
		return []reports.Block{c}, nil
	}
	if err := res.Need(o.Series); err != nil {
		return nil, err
	}
	xs, ss := map[string]int{}, map[string]int{}
	for i := range res.Len() {
		x, s := category(res.Cell(i, o.X).Value, o.XGrain), res.Cell(i, o.Series).Text()
		if _, ok := xs[x]; !ok {
			xs[x] = len(c.X)
			c.X = append(c.X, x)
		}
		if _, ok := ss[s]; !ok {
			ss[s] = len(c.Series)
			c.Series = append(c.Series, reports.Series{Name: s})
		}
	}
	for i := range c.Series {
		c.Series[i].Points = make([]reports.Quantity, len(c.X))
	}
	for i := range res.Len() {
		x, s := category(res.Cell(i, o.X).Value, o.XGrain), res.Cell(i, o.Series).Text()
		p := &c.Series[ss[s]].Points[xs[x]]
		if !p.Cell.IsNull() {
			return nil, &fault.Error{Msg: fmt.Sprintf("two rows for %s = %s and %s = %s", o.X, x, o.Series, s), Hint: "Group the query by both columns."}
		}
		*p = quantity(in, res, i, o.Y[0], f)
	}
	return []reports.Block{c}, nil
}

func category(v reports.Value, grain string) string {
	if t, ok := v.Time(); ok && grain != "" {
		return reports.PeriodOf(grain, t).Key()
	}
	if v.IsNull() {
		return "(none)"
	}
	return v.Text()
}

func kpiChart(ctx context.Context, in *reports.Input, o *chartOptions) ([]reports.Block, error) {
	if o.By != "" {
		return kpiBySegment(ctx, in, o)
	}
	h, err := readHistory(ctx, in)
	if err != nil {
		return nil, err
	}
	rows := h.rows[o.KPI]
	if len(rows) == 0 {
		return nil, missingKPI(ctx, in, o.KPI)
	}
	label := in.Labels.Of(o.KPI)
	f := formatOf(in, h.res, rows[0])
	c := &reports.Chart{Title: title(in, label+" by "+in.Period.Grain), Kind: reports.ChartKind(o.Kind), Format: f}
	if c.Kind == "" {
		c.Kind = reports.LineC
	}
	s := reports.Series{Name: label}
	for _, i := range rows {
		c.X = append(c.X, category(h.res.Cell(i, "period_start").Value, in.Period.Grain))
		s.Points = append(s.Points, quantity(in, h.res, i, "value", f))
	}
	c.Series = []reports.Series{s}
	return []reports.Block{c}, nil
}

func kpiBySegment(ctx context.Context, in *reports.Input, o *chartOptions) ([]reports.Block, error) {
	if err := need(in, "metrics.kpi"); err != nil {
		return nil, err
	}
	when := periodFilter("", in.Period)
	span := in.Period.Label()
	if o.Grain == "all" {
		when, span = "grain = 'all'", "everything so far"
	}
	dir := "desc"
	if in.Labels.LowerBetter(o.KPI) {
		dir = "asc"
	}
	res, err := in.Query(ctx, fmt.Sprintf(`
		select segment, value, n, unit, currency, status, reason
		from metrics.kpi
		where kpi = %s and %s and dimension = %s and value is not null
		order by value %s, segment
		limit %d`, reports.Lit(o.KPI), when, reports.Lit(o.By), dir, o.Top))
	if err != nil {
		return nil, err
	}
	heading := title(in, in.Labels.Of(o.KPI)+" by "+strings.ToLower(reports.Title(o.By))+", "+span)
	if res.Len() == 0 {
		return noBars(ctx, in, o, heading, span)
	}
	label := in.Labels.Of(o.KPI)
	f := formatOf(in, res, 0)
	c := &reports.Chart{Title: heading, Kind: reports.ChartKind(o.Kind), Format: f}
	if c.Kind == "" {
		c.Kind = reports.Bar
	}
	s := reports.Series{Name: label}
	for i := range res.Len() {
		c.X = append(c.X, category(res.Cell(i, "segment").Value, ""))
		s.Points = append(s.Points, quantity(in, res, i, "value", f))
	}
	c.Series = []reports.Series{s}
	return []reports.Block{c}, nil
}

// noBars tells a KPI that rests on no case yet, as in a project that has read nothing, from a name that is not there.
func noBars(ctx context.Context, in *reports.Input, o *chartOptions, heading, span string) ([]reports.Block, error) {
	res, err := in.Query(ctx, fmt.Sprintf(`
		select coalesce(bool_or(kpi = %s), false) as is_known, coalesce(bool_or(kpi = %[1]s and n > 0), false) as has_cases
		from metrics.kpi`, reports.Lit(o.KPI)))
	if err != nil {
		return nil, err
	}
	known, _ := res.Cell(0, "is_known").Bool()
	cases, _ := res.Cell(0, "has_cases").Bool()
	if !known || cases {
		return nil, &fault.Error{Msg: fmt.Sprintf("metrics.kpi has no figure of %s by %s for %s", o.KPI, o.By, span),
			Hint: "Check the names with `millrace query 'select distinct kpi, dimension from metrics.kpi'`."}
	}
	t, err := new(reports.Writer).Say("There are no figures yet.").Done()
	if err != nil {
		return nil, err
	}
	return []reports.Block{&reports.Prose{Title: heading, Lines: []reports.Line{{Text: t}}}}, nil
}

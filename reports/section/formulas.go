package section

import (
	"context"
	"math/big"
	"regexp"

	"millrace/internal/fault"
	"millrace/reports"
)

type formulasOptions struct {
	Note    string       `yaml:"note" doc:"what the sheet is for"`
	Figures []calcFigure `yaml:"figures" doc:"cells wired to the data"`
	Assume  []calcAssume `yaml:"assume" doc:"cells that the reader may change"`
	Results []calcResult `yaml:"results" required:"true" doc:"cells computed from the others by formulas, live in the workbook"`
	exprs   []*expr
}

type calcFigure struct {
	Name   string `yaml:"name" required:"true" doc:"what formulas call it"`
	Label  string `yaml:"label" doc:"as people read it (default: the KPI's label)"`
	KPI    string `yaml:"kpi" doc:"a KPI's total"`
	Grain  string `yaml:"grain" enum:"period,all" default:"period" doc:"for kpi: the report's period, or everything so far"`
	SQL    string `yaml:"sql" doc:"a query instead: the first cell of its first row"`
	Format string `yaml:"format" enum:"ratio,money,days,months,count,money_per_day,number,times" doc:"for sql: how it is written"`
	Note   string `yaml:"note" doc:"a remark beside it"`
}

type calcAssume struct {
	Name   string `yaml:"name" required:"true" doc:"what formulas call it"`
	Label  string `yaml:"label" doc:"as people read it"`
	Value  string `yaml:"value" required:"true" doc:"the number to begin with"`
	Format string `yaml:"format" enum:"ratio,money,days,months,count,money_per_day,number,times" default:"number" doc:"how it is written"`
	Note   string `yaml:"note" doc:"a remark beside it"`
}

type calcResult struct {
	Name    string `yaml:"name" required:"true" doc:"what later formulas call it"`
	Label   string `yaml:"label" doc:"as people read it"`
	Formula string `yaml:"formula" required:"true" doc:"of names, numbers, + - * / ^, brackets, comparisons, min, max, round and if"`
	Format  string `yaml:"format" enum:"ratio,money,days,months,count,money_per_day,number,times" default:"number" doc:"how it is written"`
	Note    string `yaml:"note" doc:"a remark beside it"`
}

var calcName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,40}$`)

func formulasKind() reports.SectionKind {
	return reports.SectionKind{
		Name:    "formulas",
		Summary: "a calculator: figures and assumptions with results that follow, live in the workbook",
		Options: func() any { return &formulasOptions{} },
		Check:   checked((*formulasOptions).check),
		Build:   typed(buildFormulas),
	}
}

// check parses the formulas: names are unique, known before they are used, and so never go in a circle.
func (o *formulasOptions) check() error {
	known := map[string]bool{}
	var names []string
	define := func(name string) error {
		switch {
		case !calcName.MatchString(name):
			return &fault.Error{Key: "name", Value: name, Msg: "not a name", Hint: "Use small letters, digits and underscores."}
		case known[name]:
			return &fault.Error{Key: "name", Value: name, Msg: "used twice", Hint: "Give each cell a name of its own."}
		}
		known[name] = true
		names = append(names, name)
		return nil
	}
	for _, f := range o.Figures {
		if err := define(f.Name); err != nil {
			return err
		}
		if (f.KPI == "") == (f.SQL == "") {
			return &fault.Error{Key: "figures", Value: f.Name, Msg: "a figure needs either kpi or sql"}
		}
	}
	for _, a := range o.Assume {
		if err := define(a.Name); err != nil {
			return err
		}
		if _, ok := new(big.Rat).SetString(a.Value); !ok {
			return &fault.Error{Key: "value", Value: a.Value, Msg: "not a number", Hint: "Write it with a point: 0.2."}
		}
	}
	o.exprs = nil
	for _, r := range o.Results {
		e, err := parseExpr(r.Formula)
		if err != nil {
			return fault.Wrap(err, "result %s", r.Name)
		}
		for _, n := range e.names() {
			if !known[n] {
				return &fault.Error{Key: "formula", Value: n, Msg: "result " + r.Name + " uses a name that is not known above it", Hint: fault.DidYouMean(n, names)}
			}
		}
		if err := define(r.Name); err != nil {
			return err
		}
		o.exprs = append(o.exprs, e)
	}
	return nil
}

func buildFormulas(ctx context.Context, in *reports.Input, o *formulasOptions) ([]reports.Block, error) {
	c := &reports.Calculator{Title: title(in, "Calculator"), Note: o.Note}
	now := map[string]*big.Rat{}
	at := func(name string) *big.Rat { return now[name] }
	for _, f := range o.Figures {
		cell, err := wired(ctx, in, f)
		if err != nil {
			return nil, fault.Wrap(err, "figure %s", f.Name)
		}
		if r, ok := cell.Value.Cell.Rat(); ok {
			now[f.Name] = r
		}
		c.Wired = append(c.Wired, cell)
	}
	for _, a := range o.Assume {
		r, _ := new(big.Rat).SetString(a.Value)
		now[a.Name] = r
		c.Assumed = append(c.Assumed, reports.CalcCell{Name: a.Name, Label: label(a.Label, a.Name), Format: unit(in, a.Format),
			Given: reports.ValueOf(exact(r)), Note: a.Note})
	}
	for i, r := range o.Results {
		cell := reports.CalcCell{Name: r.Name, Label: label(r.Label, r.Name), Format: unit(in, r.Format), Formula: r.Formula,
			Sheet: o.exprs[i].excel, Note: r.Note}
		if v := o.exprs[i].eval(at); v != nil {
			now[r.Name] = v
			cell.Result = reports.ValueOf(exact(v))
		} else {
			cell.Reason = "a figure it needs is missing, or it divides by zero"
		}
		c.Results = append(c.Results, cell)
	}
	return []reports.Block{c}, nil
}

func wired(ctx context.Context, in *reports.Input, f calcFigure) (reports.CalcCell, error) {
	cell := reports.CalcCell{Name: f.Name, Label: f.Label, Note: f.Note, KPI: f.KPI, AllTime: f.Grain == "all"}
	if f.SQL != "" {
		res, err := in.Query(ctx, f.SQL)
		if err != nil {
			return cell, err
		}
		if res.Len() == 0 {
			return cell, &fault.Error{Msg: "the query gives no row"}
		}
		cell.Format = unit(in, f.Format)
		cell.Value = reports.Quantity{Cell: res.At(0, 0), Format: cell.Format}
		cell.Label = label(cell.Label, f.Name)
		return cell, nil
	}
	if err := need(in, "metrics.kpi"); err != nil {
		return cell, err
	}
	when := periodFilter("", in.Period)
	if f.Grain == "all" {
		when = "grain = 'all'"
	}
	res, err := in.Query(ctx, `
select value, unit, currency, status, reason
from metrics.kpi
where kpi = `+reports.Lit(f.KPI)+` and `+when+` and dimension = 'total'`)
	if err != nil {
		return cell, err
	}
	if res.Len() == 0 {
		return cell, missingKPI(ctx, in, f.KPI)
	}
	cell.Format = formatOf(in, res, 0)
	cell.Value = quantity(in, res, 0, "value", cell.Format)
	if cell.Label == "" {
		cell.Label = in.Labels.Of(f.KPI)
	}
	return cell, nil
}

func label(s, name string) string {
	if s != "" {
		return s
	}
	return reports.Title(name)
}

func unit(in *reports.Input, s string) reports.Format {
	f := reports.Format{Unit: reports.Unit(s)}
	if s == "" {
		f.Unit = reports.Number
	}
	if f.Unit == reports.Money || f.Unit == reports.MoneyPerDay {
		f.Currency = in.Currency
	}
	return f
}

// rat lets an exact number become a Value.
type rat struct{ *big.Rat }

func (r rat) String() string { return r.Rat.String() }
func (r rat) Float() float64 { f, _ := r.Rat.Float64(); return f }

func exact(r *big.Rat) rat { return rat{r} }

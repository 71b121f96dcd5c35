package lifetime

import (
	"context"
	"fmt"
	"math"
	"math/big"
	"strings"

	"millrace/internal/duck"
	"millrace/internal/fault"
	"millrace/transform"
	"millrace/transform/relation"
)

// Options of the operator, in the front matter of its SQL node.
type Options struct {
	HorizonMonths int    `yaml:"horizon_months" default:"60" doc:"longest horizon that the input may ask for; the curve has this many months"`
	MinChurned    int64  `yaml:"min_churned" default:"10" doc:"customers of a segment who must have left before it gets a curve of its own; below, it has that of the total"`
	Total         string `yaml:"total" default:"total" doc:"the dimension whose curve segments without their own have"`
}

// Curve is the operator: it reads one row per segment, months completed and whether they ended, with the number of customers,
// the horizon in months and the discount of a year, and writes one row per segment and month of life.
type Curve struct{}

var _ transform.Operator = Curve{}

// Version is part of the fingerprint of what the operator made.
func (Curve) Version() string { return "1" }

// Options returns what the front matter decodes into.
func (Curve) Options() any { return &Options{} }

// columns that the input must have, in this order.
func wanted() []string {
	return []string{"dimension", "segment", "months", "is_churned", "customers", "horizon_months", "discount_rate"}
}

// Output says which columns are written.
func (Curve) Output(in []relation.Column, _ any) ([]relation.Column, error) {
	for i, name := range wanted() {
		if i >= len(in) || !strings.EqualFold(in[i].Name, name) {
			return nil, &fault.Error{Msg: "the input of operator lifetime has other columns", Value: names(in),
				Hint: "Select " + strings.Join(wanted(), ", ") + ", in this order."}
		}
	}
	return []relation.Column{
		{Name: "dimension", Type: "VARCHAR"}, {Name: "segment", Type: "VARCHAR"}, {Name: "month", Type: "INTEGER"},
		{Name: "at_risk", Type: "BIGINT"}, {Name: "churned", Type: "BIGINT"}, {Name: "observed_survival", Type: "DECIMAL(18,8)"},
		{Name: "expected_survival", Type: "DECIMAL(18,8)"}, {Name: "remaining_months", Type: "DECIMAL(18,8)"},
		{Name: "alpha", Type: "DECIMAL(18,8)"}, {Name: "beta", Type: "DECIMAL(18,8)"}, {Name: "basis", Type: "VARCHAR"},
	}, nil
}

func names(in []relation.Column) string {
	var out []string
	for _, c := range in {
		out = append(out, c.Name)
	}
	return strings.Join(out, ", ")
}

// group is a segment with its lives.
type group struct {
	dimension, segment string
	lives              []Life
}

// Run fits the total first, then each segment. Rows are summed per month before anything is computed with them, so their order
// does not matter (P4); figures are rounded to eight digits, which the last bits of an exponential do not reach.
func (Curve) Run(ctx context.Context, in transform.OperatorInput, out transform.OperatorOutput) error {
	o := in.Options.(*Options)
	if o.HorizonMonths < 1 || o.HorizonMonths > 1200 {
		return &fault.Error{Key: "options.horizon_months", Value: fmt.Sprint(o.HorizonMonths), Msg: "is not a number of months from 1 to 1200"}
	}
	var groups []*group
	at := map[[2]string]*group{}
	horizon, discount := o.HorizonMonths, 0.0
	for row, err := range in.Rows(ctx) {
		if err != nil {
			return err
		}
		key := [2]string{fmt.Sprint(row[0]), fmt.Sprint(row[1])}
		g := at[key]
		if g == nil {
			g = &group{dimension: key[0], segment: key[1]}
			at[key], groups = g, append(groups, g)
		}
		months, ok1 := whole(row[2])
		churned, ok2 := row[3].(bool)
		n, ok3 := whole(row[4])
		h, ok4 := whole(row[5])
		d, ok5 := float(row[6])
		if !ok1 || !ok2 || !ok3 || !ok4 || !ok5 {
			return &fault.Error{Msg: "operator lifetime cannot read a row", Value: fmt.Sprint(row), Hint: "months, customers and horizon_months are whole numbers, is_churned a boolean, discount_rate a number; none is null."}
		}
		if h < 1 || h > int64(o.HorizonMonths) {
			return &fault.Error{Key: "horizon_months", Value: fmt.Sprint(h), Msg: fmt.Sprintf("is not between 1 and %d", o.HorizonMonths),
				Hint: "Change ltv_horizon_months in seeds/assumptions.csv, or options.horizon_months of this node."}
		}
		g.lives = append(g.lives, Life{Months: int(months), Churned: churned, Count: n})
		horizon, discount = int(h), d
	}
	monthly := math.Pow(1+discount, -1.0/12)

	var total *group
	for _, g := range groups {
		if g.dimension == o.Total {
			total = g
		}
	}
	if total == nil {
		return nil // nobody was ever a customer
	}
	ofAll, fitted := Fit(total.lives)
	for _, g := range groups {
		if err := write(out, g, o, ofAll, fitted, horizon, monthly); err != nil {
			return err
		}
	}
	return nil
}

func write(out transform.OperatorOutput, g *group, o *Options, ofAll Model, fitted bool, horizon int, monthly float64) error {
	var left int64
	for _, l := range g.lives {
		if l.Churned {
			left += l.Count
		}
	}
	model, basis := ofAll, "all customers"
	switch {
	case !fitted:
		basis = "nobody left"
	case g.dimension != o.Total && left >= o.MinChurned:
		model, basis = mustFit(g.lives), "own customers"
	}
	expected := make([]float64, horizon+1)
	for i := range expected {
		expected[i] = 1
	}
	var alpha, beta any
	if fitted {
		expected = model.Survival(horizon)
		alpha, beta = decimal(model.Alpha), decimal(model.Beta)
	}
	remaining := Remaining(expected, monthly)
	observed := KaplanMeier(g.lives)
	for m := range horizon + 1 {
		var risk, churned int64
		var seen any
		switch {
		case m == 0:
			seen = decimal(1)
		case m <= len(observed):
			seen = decimal(observed[m-1].Survival)
		}
		if m < len(observed) {
			risk, churned = observed[m].AtRisk, observed[m].Churned
		}
		if err := out.Append(g.dimension, g.segment, int32(m), risk, churned, seen, decimal(expected[m]), decimal(remaining[m]), alpha, beta, basis); err != nil {
			return err
		}
	}
	return nil
}

// mustFit fits lives of which some ended.
func mustFit(lives []Life) Model {
	m, _ := Fit(lives)
	return m
}

// decimal rounds to eight digits, half away from zero.
func decimal(x float64) duck.Decimal {
	n, _ := new(big.Float).SetFloat64(math.Round(x * 1e8)).Int(nil)
	return duck.Decimal{Unscaled: n, Scale: 8}
}

func whole(v any) (int64, bool) {
	switch x := v.(type) {
	case int64:
		return x, true
	case int32:
		return int64(x), true
	case *big.Int:
		return x.Int64(), x.IsInt64()
	}
	return 0, false
}

func float(v any) (float64, bool) {
	switch x := v.(type) {
	case float64:
		return x, true
	case duck.Decimal:
		r, ok := new(big.Rat).SetString(x.String())
		if !ok {
			return 0, false
		}
		f, _ := r.Float64()
		return f, true
	}
	return 0, false
}

// Operators are the operators of this package by the name that SQL nodes use.
func Operators() map[string]transform.Operator {
	return map[string]transform.Operator{"lifetime": Curve{}}
}

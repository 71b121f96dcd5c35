package identity

import (
	"context"
	"slices"
	"time"

	"millrace/internal/fault"
	"millrace/transform"
	"millrace/transform/relation"
)

func date(day string) (any, error) {
	if day == "" {
		return nil, nil
	}
	t, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return nil, fault.Wrap(err, "read the day %q of an event", day)
	}
	return t, nil
}

// Verdicts is the operator that says what became of each override: rows item `record` (left_key) and `override`, as Cluster
// takes them.
type Verdicts struct{}

// Version implements transform.Operator.
func (Verdicts) Version() string { return "1" }

// Options implements transform.Operator.
func (Verdicts) Options() any { return &ClusterOptions{} }

// Output implements transform.Operator.
func (Verdicts) Output(in []relation.Column, _ any) ([]relation.Column, error) {
	_, err := need(in, clusterInput()...)
	return []relation.Column{
		{Name: "override_id", Type: "BIGINT"},
		{Name: "status", Type: "VARCHAR"},
		{Name: "contradicts", Type: "BIGINT"},
		{Name: "why", Type: "VARCHAR"},
		{Name: "records", Type: "VARCHAR"},
	}, err
}

// Run implements transform.Operator.
func (Verdicts) Run(ctx context.Context, in transform.OperatorInput, out transform.OperatorOutput) error {
	at, err := need(in.Columns, clusterInput()...)
	if err != nil {
		return err
	}
	here := map[string]bool{}
	byEntity := map[string][]Override{}
	for r, err := range rowsOf(ctx, in, at) {
		if err != nil {
			return err
		}
		switch item := r.text("item"); item {
		case "record":
			here[r.text("left_key")] = true
		case "override":
			o, err := readOverride(r)
			if err != nil {
				return err
			}
			byEntity[r.text("right_key")] = append(byEntity[r.text("right_key")], o) // person or company
		default:
			return unknownItem(item, "record", "override")
		}
	}
	var kinds []string
	for k := range byEntity {
		kinds = append(kinds, k)
	}
	slices.Sort(kinds)
	for _, kind := range kinds {
		list := byEntity[kind]
		keys := map[int64][]string{}
		for _, o := range list {
			keys[o.ID] = append(slices.Clone(o.Left), o.Right...)
		}
		for _, v := range Resolve(list, func(k string) bool { return here[k] }).Verdicts {
			var with any
			if v.With != 0 {
				with = v.With
			}
			if err := out.Append(v.ID, v.Status, with, orNull(v.Why), jsonList(keys[v.ID])); err != nil {
				return err
			}
		}
	}
	return nil
}

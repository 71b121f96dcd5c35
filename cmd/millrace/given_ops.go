package main

import (
	"context"

	"millrace/internal/state"
	"millrace/transform"
	"millrace/transform/relation"
)

// givenOps are the parts of the state that analysts may query: plans, rows, attempts, consents, the log of decisions. db is
// nil before the target has a state; the relations are typed and empty then.
func givenOps(ctx context.Context, db *state.DB) ([]transform.Given, error) {
	tables, err := state.OpsTables(ctx, db)
	if err != nil {
		return nil, err
	}
	out := make([]transform.Given, len(tables))
	for i, t := range tables {
		g := transform.Given{Name: t.Name, Description: t.Description}
		for _, c := range t.Columns {
			g.Columns = append(g.Columns, relation.Column{Name: c.Name, Type: c.Type, Description: c.Description, PII: c.PII})
		}
		if g.Version, g.Rows, err = rowsOf(t.Rows, func(r []any) []any { return r }); err != nil {
			return nil, err
		}
		out[i] = g
	}
	return out, nil
}

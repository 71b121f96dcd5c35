package main

import (
	"context"
	"slices"

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
			g.Columns = append(g.Columns, relation.Column{Name: c.Name, Type: c.Type, Description: c.Description, PII: c.PII, Tags: operationalTag(t.Name, c.Name)})
		}
		if g.Version, g.Rows, err = rowsOf(t.Rows, func(r []any) []any { return r }); err != nil {
			return nil, err
		}
		out[i] = g
	}
	return out, nil
}

// operationalTag marks the columns of the state's relations that say when, under which id and after how many attempts
// something was done, not what was done: a run that was killed and run again differs in them from an undisturbed one, and
// digests leave them out (P4). Logical times stay in. key_id is hashed with a key that each project has for itself.
func operationalTag(table, column string) []string {
	operational := map[string][]string{
		"ops.plans":       {"plan_id", "build_id", "ended_at"},
		"ops.syncs":       {"plan_id", "finished_at"},
		"ops.breakers":    {"plan_id"},
		"ops.approvals":   {"plan_id", "position"},
		"ops.rows":        {"outbox_id", "plan_id", "key_id", "attempts", "undoes", "created_at", "updated_at"},
		"ops.edits":       {"outbox_id", "seen_at"},
		"ops.sync_health": {"position", "changed_at"},
		"ops.spend":       {"outbox_id", "changed_at"},
		"decisions.log":   {"relation_version", "build_id"}, // both follow from the ids of loads
	}
	if slices.Contains(operational[table], column) {
		return []string{"operational"}
	}
	return nil
}

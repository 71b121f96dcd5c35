// Package models holds the stage that turns what is known into what to do: policies (files in models/) are read here,
// run over a published build, and answer with decisions. Scorers and prompts are packages below it.
//
// Invariants: P4 (the same build and the same file give the same decisions), P5 (it proposes; only decision.Gate lets
// anything out). It must not know any destination and must not write to the build.
package models

import (
	"context"
	"iter"

	"millrace/models/decision"
	"millrace/transform/relation"
)

// Warehouse is a published build, read-only. Its queries are written by people, so the implementation must run them
// with external access switched off.
type Warehouse interface {
	// Build describes what can be queried.
	Build() relation.Build
	// Query yields the rows of one select. Cells are nil, bool, int64, float64, string, time.Time (UTC) or values that
	// marshal as exact JSON numbers. An error ends it. A row belongs to the consumer until the next one.
	Query(ctx context.Context, sql string) iter.Seq2[[]any, error]
}

// Log is where decisions are kept for good.
type Log interface {
	// Current gives the newest decision of a policy for each subject.
	Current(ctx context.Context, policy string) (map[string]decision.Decision, error)
	// Append adds decisions in one transaction; one whose id is known is left as it is.
	Append(ctx context.Context, runID string, ds []decision.Decision) error
}

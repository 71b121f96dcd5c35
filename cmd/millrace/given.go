package main

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"slices"

	"millrace/internal/fault"
	"millrace/internal/project"
	"millrace/internal/state"
	"millrace/models/decision"
	"millrace/transform"
	"millrace/transform/relation"
)

// given are the relations that Go hands to the graph: what was decided, what was sent, what was run and what people said
// about who is who. They are there, typed and empty, before anything was. Their versions follow their rows, so a build
// with nothing new is skipped. The operators come along, since one of them needs the key of the state.
func (a *app) given(ctx context.Context, p *project.Project) ([]transform.Given, map[string]transform.Operator, error) {
	keys, err := a.givenKeys(p)
	if err != nil {
		return nil, nil, err
	}
	if _, err := os.Stat(p.StateFile()); errors.Is(err, fs.ErrNotExist) {
		out, err := givenOf(ctx, nil)
		return append(out, keys), operators(nil), err
	}
	db, err := state.Open(ctx, p.StateFile())
	if err != nil {
		return nil, nil, err
	}
	defer db.Close()
	out, err := givenOf(ctx, db)
	return append(out, keys), operators(db.Tombstones.KeyID), err
}

// givenOf reads the relations from the state; nil before there is one.
func givenOf(ctx context.Context, db *state.DB) ([]transform.Given, error) {
	out := []transform.Given{givenDecisions(), givenSyncs()}
	who, err := givenIdentity(ctx, db)
	if err != nil {
		return nil, err
	}
	if db == nil {
		for i := range out {
			if out[i].Version, out[i].Rows, err = rowsOf([]struct{}{}, func(struct{}) []any { return nil }); err != nil {
				return nil, err
			}
		}
		ops, err := givenOps(ctx, nil)
		return slices.Concat(out, ops, who), err
	}
	decisions, err := db.Decisions.List(ctx, "")
	if err != nil {
		return nil, err
	}
	out[0].Version, out[0].Rows, err = rowsOf(decisions, func(d decision.Decision) []any {
		var score any
		if d.Score != nil {
			score = *d.Score
		}
		return []any{d.Policy, d.Subject, d.Choice, score, d.Reason, d.Mode, d.ID, d.DecidedAt, d.Version, d.Propensity, d.Held}
	})
	if err != nil {
		return nil, err
	}
	syncs, err := syncRows(ctx, db)
	if err != nil {
		return nil, err
	}
	if out[1].Version, out[1].Rows, err = rowsOf(syncs, func(r []any) []any { return r }); err != nil {
		return nil, err
	}
	ops, err := givenOps(ctx, db)
	return slices.Concat(out, ops, who), err
}

func givenDecisions() transform.Given {
	return transform.Given{Name: "decisions.current", Description: "The latest decision of each policy about each subject.",
		Columns: []relation.Column{
			{Name: "policy", Type: "VARCHAR", Description: "File in models/ that decided."},
			{Name: "subject", Type: "VARCHAR", Description: "Person or account that was decided on.", PII: "id"},
			{Name: "choice", Type: "VARCHAR", Description: "Action that was chosen."},
			{Name: "score", Type: "DECIMAL(18,4)", Description: "Score that the rules saw."},
			{Name: "reason", Type: "VARCHAR", Description: "Why, in a sentence."},
			{Name: "mode", Type: "VARCHAR", Description: "shadow or live."},
			{Name: "decision_id", Type: "VARCHAR", Description: "Id of the decision in the log."},
			{Name: "decided_at", Type: "TIMESTAMP", Description: "When (UTC)."},
			{Name: "policy_version", Type: "VARCHAR", Description: "Hash of what the file said."},
			{Name: "propensity", Type: "DECIMAL(18,8)", Description: "Chance of this choice for these inputs; 1 for rules."},
			{Name: "held_out", Type: "BOOLEAN", Description: "True for the control group, which is left alone."},
		}}
}

func givenSyncs() transform.Given {
	return transform.Given{Name: "ops.syncs", Description: "Every plan of every sync and what became of its rows.",
		Columns: []relation.Column{
			{Name: "sync", Type: "VARCHAR", Description: "File in activate/."},
			{Name: "destination", Type: "VARCHAR", Description: "System that was written to."},
			{Name: "object", Type: "VARCHAR", Description: "Object there."},
			{Name: "plan_id", Type: "VARCHAR", Description: "Id of the plan.", Tags: operationalTag("ops.syncs", "plan_id")},
			{Name: "kind", Type: "VARCHAR", Description: "sync or undo."},
			{Name: "verdict", Type: "VARCHAR", Description: "within, hold or blocked: what the limits said."},
			{Name: "state", Type: "VARCHAR", Description: "Where the plan stands."},
			{Name: "planned", Type: "BIGINT", Description: "Rows of the plan."},
			{Name: "acked", Type: "BIGINT", Description: "Rows that the destination said yes to."},
			{Name: "rejected", Type: "BIGINT", Description: "Rows that it refused for good."},
			{Name: "unknown", Type: "BIGINT", Description: "Rows of which it is not known whether they arrived."},
			{Name: "waiting", Type: "BIGINT", Description: "Rows that were not sent yet."},
			{Name: "not_sent", Type: "BIGINT", Description: "Rows that will not be sent: replaced by a newer plan, stopped before sending, or of a plan that lapsed or was refused."},
			{Name: "requested_by", Type: "VARCHAR", Description: "Who asked for the plan."},
			{Name: "created_at", Type: "TIMESTAMP", Description: "Logical time of the plan (UTC)."},
			{Name: "finished_at", Type: "TIMESTAMP", Description: "When every row had an outcome (UTC).", Tags: operationalTag("ops.syncs", "finished_at")},
		}}
}

// syncRows are the plans with the states of their rows, oldest first.
func syncRows(ctx context.Context, db *state.DB) ([][]any, error) {
	plans, err := db.Plans.List(ctx, "", 10_000)
	if err != nil {
		return nil, err
	}
	var out [][]any
	for i := len(plans) - 1; i >= 0; i-- {
		p := plans[i]
		var body struct {
			Destination string `json:"destination"`
			Object      string `json:"object"`
			Changes     int64  `json:"changes"`
		}
		if err := json.Unmarshal(p.Body, &body); err != nil {
			return nil, fault.Wrap(err, "read plan %s", p.ID)
		}
		n, err := db.Outbox.Counts(ctx, state.Filter{PlanID: p.ID})
		if err != nil {
			return nil, err
		}
		acked := n[state.RowAcked] + n[state.RowSettled] + n[state.RowUndone]
		rejected := n[state.RowRejected] + n[state.RowDead]
		unknown := n[state.RowUnknown] + n[state.RowInflight] + n[state.RowShortfall]
		// What a newer plan replaced, the gate stopped, or nobody will send any more, waits for nobody.
		gone := n[state.RowSuperseded] + n[state.RowCancelled]
		rest := max(0, body.Changes-int64(acked+rejected+unknown+gone))
		if p.State == state.PlanVoid || p.State == state.PlanRefused {
			gone, rest = gone+int(rest), 0
		}
		out = append(out, []any{p.Sync, body.Destination, body.Object, p.ID, p.Kind, p.Verdict, p.State, body.Changes, int64(acked), int64(rejected), int64(unknown),
			rest, int64(gone), p.By, p.Created, instant(p.Ended)})
	}
	return out, nil
}

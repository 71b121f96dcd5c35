package state

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"millrace/models/decision"
)

func TestOpsTables(t *testing.T) {
	ctx, db := t.Context(), open(t)
	p := plan("1", PlanApproved)
	p.Body = raw(`{"changes":2,"breakers":[{"name":"max_changed_pct","value":12.5,"verdict":"within","message":"m"},{"name":"first_run","value":2,"verdict":"hold","message":"n"}]}`)
	must(t, db.Plans.Save(ctx, p, nil))
	must(t, db.Plans.NotePolicy(ctx, Approval{PlanID: "1", Hash: "h1", By: "scores", At: t0}))
	must(t, db.Outbox.Enqueue(ctx, "1", seq(row("a", "1", "k1"), row("b", "1", "k2")), t0))
	attempt, err := db.Outbox.Begin(ctx, "1", "scores", "upsert", []string{"a"}, nil, t0)
	must(t, err)
	must(t, db.Outbox.Record(ctx, AttemptEnd{ID: attempt, At: t0.Add(time.Second), RequestID: "req"}, []Outcome{{ID: "a", State: RowAcked, CreatedIt: true}}))
	must(t, db.Switches.Stop(ctx, decision.Switch{Scope: "all", By: "ann", At: t0}))
	must(t, db.Consents.Record(ctx, Consent{"s", "p", "c", true, "form", t0}))
	must(t, db.Touches.Record(ctx, Touch{"s", "email", "w", "r", t0}))
	score := 3.5
	d := decision.Identify(decision.Decision{Policy: "p", Subject: "s", Score: &score, Choice: "x", DecidedAt: t0}, "")
	must(t, db.Decisions.Append(ctx, "r", []decision.Decision{d}))
	must(t, db.Decisions.Review(ctx, d.ID, "ann", "agree", "", t0))
	tables, err := OpsTables(ctx, db)
	must(t, err)
	got := map[string]OpsTable{}
	for _, x := range tables {
		got[x.Name] = x
		names := map[string]bool{}
		for _, c := range x.Columns {
			if c.Description == "" || c.Name != strings.ToLower(c.Name) || names[c.Name] {
				t.Errorf("%s.%s: described once, in lower case", x.Name, c.Name)
			}
			names[c.Name] = true
		}
		for _, k := range x.Key {
			if !names[k] {
				t.Errorf("%s: key %s is no column", x.Name, k)
			}
		}
		seen := map[string]bool{}
		for _, r := range x.Rows {
			var key []any
			for i, c := range x.Columns {
				for _, k := range x.Key {
					if k == c.Name {
						key = append(key, r[i])
					}
				}
			}
			if seen[fmt.Sprint(key)] {
				t.Errorf("%s: key %v twice", x.Name, key)
			}
			seen[fmt.Sprint(key)] = true
			if strings.Contains(fmt.Sprint(r...), "@example.com") {
				t.Errorf("%s shows a key: %v", x.Name, r)
			}
		}
	}
	for name, want := range map[string]int{"ops.plans": 1, "ops.breakers": 2, "ops.approvals": 1, "ops.rows": 2, "ops.attempts": 1, "ops.attempt_rows": 1, "ops.jobs": 0,
		"ops.switches": 1, "ops.consents": 1, "ops.touches": 1, "decisions.log": 1, "decisions.reviews": 1} {
		if n := len(got[name].Rows); n != want {
			t.Errorf("%s: %d rows, want %d", name, n, want)
		}
	}
	if r := got["ops.rows"].Rows[0]; r[6] != RowAcked || r[7] != int64(1) || r[11] != true || !r[15].(time.Time).Equal(t0) || r[4] != nil {
		t.Errorf("%v", r)
	}
	if r := got["ops.breakers"].Rows[0]; r[2] != "max_changed_pct" || r[3] != nil || r[4] != 12.5 {
		t.Errorf("%v", r)
	}
	empty, err := OpsTables(ctx, nil)
	if err != nil || len(empty) != len(tables) || len(empty[0].Columns) == 0 || len(empty[0].Rows) != 0 {
		t.Errorf("%v %v", empty, err)
	}
}

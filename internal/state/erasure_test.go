package state

import (
	"os"
	"strings"
	"testing"

	"millrace/models/decision"
)

func TestErasure(t *testing.T) {
	ctx, db := t.Context(), open(t)
	for _, who := range []string{"p_jane", "p_bob"} {
		d := decision.Identify(decision.Decision{Policy: "p", Version: "v", Subject: who, Mode: "live", Trigger: "build", Inputs: map[string]decision.Value{"email": raw(`"` + who + `@acme.example"`)},
			Candidates: []decision.Candidate{{Action: "sales", Allowed: true}}, Choice: "sales", Propensity: 1, Reason: "because of " + who, Relation: "a.b", RelationVersion: "1", BuildID: "b1", DecidedAt: t0}, "")
		must(t, db.Decisions.Append(ctx, "run1", []decision.Decision{d}))
		must(t, db.Decisions.Review(ctx, d.ID, "ann", "agree", "knows "+who, t0))
		must(t, db.Consents.Record(ctx, Consent{Subject: who, Purpose: "ads", Channel: "*", Granted: true, Source: "form", At: t0}))
		must(t, db.Touches.Record(ctx, Touch{Subject: who, Channel: "email", Workflow: "w", Ref: who, At: t0}))
		_, err := db.Overrides.Add(ctx, Override{Kind: "merge", Entity: "person", Left: []string{"crm:contact:" + who}, Right: []string{"crm:contact:9"}, Author: "ann", At: t0}, func([]Override) error { return nil })
		must(t, err)
	}
	jane := Erased{Subjects: []string{"p_jane"}, Records: []string{"crm:contact:p_jane"}, Emails: []string{"p_jane@acme.example"}, IDs: []string{"crm:p_jane"}}
	want := Forgotten{Decisions: 1, Consents: 1, Touches: 1}
	for range 2 {
		if got, err := db.Erasures.Count(ctx, jane); err != nil || got != want {
			t.Fatalf("counted %+v, %v", got, err)
		}
	}
	stone := Tombstone{KeyID: db.Tombstones.KeyID("email", "p_jane@acme.example"), Kind: "email", Ticket: "T-1", At: t0}
	for range 2 { // a crash just after: it is asked again
		must(t, db.Erasures.Begin(ctx, Erasure{Ticket: "T-1", Person: jane, By: "ann", Reason: "asked for it", At: t0}, []Tombstone{stone}))
	}
	list, err := db.Erasures.List(ctx)
	if err != nil || len(list) != 1 || !list[0].Done.IsZero() || list[0].Person.Emails[0] != "p_jane@acme.example" {
		t.Fatalf("%+v %v", list, err)
	}
	want.Overrides = 1
	if got, err := db.Erasures.Forget(ctx, jane); err != nil || got != want {
		t.Fatalf("forgot %+v, %v", got, err)
	}
	if got, err := db.Erasures.Forget(ctx, jane); err != nil || got != (Forgotten{}) {
		t.Errorf("a second time: %+v, %v", got, err)
	}
	must(t, db.Erasures.Finish(ctx, "T-1", want, t0))
	list, err = db.Erasures.List(ctx)
	if err != nil || list[0].Done.IsZero() || len(list[0].Person.Emails) != 0 || !strings.Contains(string(list[0].Summary), `"decisions":1`) {
		t.Errorf("%+v %v", list, err)
	}
	left, err := db.Erasures.Count(ctx, Erased{Subjects: []string{"p_bob"}})
	if err != nil || left.Decisions != 1 || left.Touches != 1 || left.Consents != 1 {
		t.Errorf("of somebody else: %+v, %v", left, err)
	}
	stones, err := db.Tombstones.List(ctx)
	if err != nil || len(stones) != 1 {
		t.Errorf("%+v %v", stones, err)
	}
	path := db.Path()
	must(t, db.Close())
	for _, f := range []string{path, path + "-wal"} {
		if data, err := os.ReadFile(f); err == nil && strings.Contains(string(data), "p_jane") {
			t.Errorf("%s still names the person", f)
		}
	}
}

package activate_test

import (
	"strings"
	"testing"
	"time"

	"millrace/activate"
	"millrace/activate/desttest"
	"millrace/internal/state"
	"millrace/models/decision"
)

func TestOnlyWhatChangedIsSent(t *testing.T) {
	r := newRig(t)
	s, d := r.sync(records), desttest.NewRecords(r.world, 4)
	r.publish(leads(10, 50)...)
	p, a := r.run(s, d)
	if p.Changes != 10 || p.Ops["new"] != 10 || p.Verdict != activate.VerdictWithin || a.Acked() != 10 || !a.Done || !a.Clean() {
		t.Fatalf("%+v %+v", p, a)
	}
	if want := `"because 53"`; r.world.Records["p03@example.com"].Values["why"] != want {
		t.Errorf("%+v", r.world.Records["p03@example.com"])
	}
	calls := r.world.Calls
	if p, _ = r.run(s, d); p.Verdict != activate.VerdictEmpty || p.Unchanged != 10 || r.world.Calls != calls {
		t.Errorf("nothing changed, and yet: %+v, %d calls", p, r.world.Calls-calls)
	}
	rows := leads(10, 50)
	rows[3]["score"] = 99
	r.publish(rows...)
	p, a = r.run(s, d)
	if p.Changes != 1 || p.Ops["changed"] != 1 || a.Acked() != 1 || r.world.Records["p03@example.com"].Values["lead_score"] != "99" {
		t.Errorf("%+v %+v", p, a)
	}
	if len(p.Fields) != 2 || p.Fields[0].Changed != 1 || p.Fields[1].Changed != 0 {
		t.Errorf("only the score changed: %+v %+v", p.Fields[0], p.Fields[1])
	}
}

// The same build, file and ledger give the same plan, whoever asks and whenever (P4), and it holds no person (P8).
func TestPlanIsDeterministicAndHoldsNobody(t *testing.T) {
	var hashes []string
	for i := range 2 {
		r := newRig(t)
		r.clock = t0.Add(time.Duration(i) * time.Hour)
		r.publish(leads(8, 50)...)
		p := r.plan(r.sync(records), desttest.NewRecords(r.world, 3))
		hashes = append(hashes, p.Hash)
		if r.world.Calls != 0 {
			t.Error("planning went to the destination")
		}
		stored, _, err := r.db.Plans.Get(t.Context(), p.ID)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(stored.Body), "p03@") || strings.Contains(string(stored.Body), "example.com") || !strings.Contains(string(stored.Body), "p•••@e•••.com") {
			t.Errorf("the plan at rest: %s", stored.Body)
		}
	}
	if hashes[0] != hashes[1] {
		t.Error("two installations, two plans")
	}
}

// Planning twice changes nothing: neither the ledger nor the outbox.
func TestPlanningWritesNoState(t *testing.T) {
	r := newRig(t)
	s, d := r.sync(records), desttest.NewRecords(r.world, 3)
	r.publish(leads(5, 50)...)
	one, two := r.plan(s, d), r.plan(s, d)
	n, err := r.db.Outbox.Counts(t.Context(), state.Filter{})
	if err != nil || len(n) != 0 || one.ID != two.ID {
		t.Errorf("%v %v %s %s", n, err, one.ID, two.ID)
	}
}

func TestMappingMistakeIsStopped(t *testing.T) {
	r := newRig(t)
	s, d := r.sync(records), desttest.NewRecords(r.world, 100)
	r.publish(leads(20, 50)...)
	r.run(s, d)
	rows := leads(20, 50)
	for i := range 6 { // 30 % of the reasons become empty
		rows[i]["reason"] = nil
	}
	r.publish(rows...)
	p := r.plan(s, d)
	if p.Verdict != activate.VerdictBlocked || p.State != state.PlanBlocked {
		t.Fatalf("%+v", p.Breakers)
	}
	if _, err := r.engine().Approve(t.Context(), s, p.ID, "bob", "", true); err == nil || !strings.Contains(err.Error(), "why would become empty in 6 of the 20 rows in which we wrote it (30.0 %)") {
		t.Errorf("%v", err)
	}
	if _, err := r.engine().Apply(t.Context(), s, d, p.ID); err == nil {
		t.Error("a blocked plan was applied")
	}
	// 10 % is for a person to judge.
	rows = leads(20, 50)
	for i := range 3 {
		rows[i]["reason"] = nil
	}
	r.publish(rows...)
	if p = r.plan(s, d); p.Verdict != activate.VerdictHold {
		t.Fatalf("%+v", p.Breakers)
	}
	if _, err := r.engine().Apply(t.Context(), s, d, p.ID); err == nil || !strings.Contains(err.Error(), "waits for a person") {
		t.Errorf("%v", err)
	}
	if _, err := r.engine().Approve(t.Context(), s, p.ID, "", "", true); err == nil {
		t.Error("nobody approved")
	}
	if _, err := r.engine().Approve(t.Context(), s, p.ID, "bob", "known gap", true); err != nil {
		t.Fatal(err)
	}
	if a := r.apply(s, d, p.ID); a.Acked() != 3 {
		t.Errorf("%+v", a)
	}
	if _, still := r.world.Records["p01@example.com"].Values["why"]; still {
		t.Error("clear did not clear")
	}
}

func TestBreakers(t *testing.T) {
	for _, c := range []struct {
		name    string
		edit    func(string) string
		second  []map[string]any
		verdict string
		breaker string
	}{
		{"empty source", nil, nil, activate.VerdictBlocked, "min_rows"},
		{"half of the rows are gone", nil, leads(9, 51), activate.VerdictHold, "max_shrink_pct"},
		{"most rows change", nil, leads(20, 51), activate.VerdictHold, "max_changed_pct"},
		{"the limit is lifted", func(s string) string {
			return strings.Replace(s, "first_run: allow", "first_run: allow, max_changed_pct: 100", 1)
		}, leads(20, 51), activate.VerdictWithin, ""},
		{"a field of its own", func(s string) string {
			return strings.Replace(s, "lead_score: score", "lead_score: {column: score, max_changed_pct: {block: 10}}", 1)
		}, append(leads(4, 51), leads(20, 50)[4:]...), activate.VerdictBlocked, "mapping.lead_score.max_changed_pct"},
		{"too many new", func(s string) string {
			return strings.Replace(s, "first_run: allow", "first_run: allow, max_creates: 20", 1)
		}, leads(50, 50), activate.VerdictHold, "max_creates"},
		{"duplicate keys", nil, append(leads(20, 50), lead(3, 1)), activate.VerdictHold, "duplicate_key"},
	} {
		r := newRig(t)
		text := records
		if c.edit != nil {
			text = c.edit(text)
		}
		s, d := r.sync(text), desttest.NewRecords(r.world, 100)
		r.publish(leads(20, 50)...)
		if p, a := r.run(s, d); a == nil || a.Acked() != 20 {
			t.Fatalf("%s: first run %+v", c.name, p.Breakers)
		}
		r.publish(c.second...)
		p := r.plan(s, d)
		got := ""
		for _, b := range p.Breakers {
			if b.Verdict == c.verdict && b.Verdict != activate.VerdictWithin {
				got = b.Name
			}
		}
		// Nothing but the duplicate: the plan is empty of changes, and that must not hide it.
		if c.name == "duplicate keys" {
			if p.Drops["duplicate_key"] != 2 || p.Verdict != activate.VerdictEmpty {
				t.Errorf("%s: %+v", c.name, p)
			}
			continue
		}
		if p.Verdict != c.verdict || got != c.breaker {
			t.Errorf("%s: %s by %q, want %s by %q", c.name, p.Verdict, got, c.verdict, c.breaker)
		}
	}
	r := newRig(t)
	r.publish(leads(5, 50)...)
	p := r.plan(r.sync(strings.Replace(records, "guardrails: {first_run: allow}\n", "", 1)), desttest.NewRecords(r.world, 3))
	if p.Verdict != activate.VerdictHold || p.Breakers[0].Name != "first_run" {
		t.Errorf("a first run must wait for a person: %+v", p.Breakers)
	}
}

func TestApprovalBinds(t *testing.T) {
	hold := strings.Replace(records, "guardrails: {first_run: allow}\n", "guardrails: {four_eyes: true}\n", 1)
	setup := func(t *testing.T) (*rig, *activate.Sync, *desttest.Records, *activate.Plan) {
		r := newRig(t)
		s, d := r.sync(hold), desttest.NewRecords(r.world, 3)
		r.publish(leads(5, 50)...)
		return r, s, d, r.plan(s, d)
	}
	approve := func(r *rig, s *activate.Sync, id, by string) error {
		_, err := r.engine().Approve(r.t.Context(), s, id, by, "", true)
		return err
	}
	t.Run("whoever asked may not approve", func(t *testing.T) {
		r, s, _, p := setup(t)
		if err := approve(r, s, p.ID, "ann"); err == nil || !strings.Contains(err.Error(), "may not approve") {
			t.Error(err)
		}
		if err := approve(r, s, p.ID, "bob"); err != nil {
			t.Error(err)
		}
	})
	t.Run("it expires", func(t *testing.T) {
		r, s, d, p := setup(t)
		if err := approve(r, s, p.ID, "bob"); err != nil {
			t.Fatal(err)
		}
		r.clock = r.clock.Add(25 * time.Hour)
		if _, err := r.engine().Apply(t.Context(), s, d, p.ID); err == nil || !strings.Contains(err.Error(), "void") {
			t.Error(err)
		}
	})
	t.Run("the file changes", func(t *testing.T) {
		r, s, d, p := setup(t)
		if err := approve(r, s, p.ID, "bob"); err != nil {
			t.Fatal(err)
		}
		other := r.sync(strings.Replace(hold, "lead_score: score", "lead_score: {column: score, if: empty}", 1))
		if _, err := r.engine().Apply(t.Context(), other, d, p.ID); err == nil || !strings.Contains(err.Error(), "file has changed") {
			t.Error(err)
		}
		if _, err := r.engine().Apply(t.Context(), s, d, p.ID); err == nil {
			t.Error("a void plan was applied")
		}
	})
	t.Run("the data changes, and the plan sends what was approved", func(t *testing.T) {
		r, s, d, p := setup(t)
		if err := approve(r, s, p.ID, "bob"); err != nil {
			t.Fatal(err)
		}
		r.publish(leads(5, 90)...)
		if a := r.apply(s, d, p.ID); a.Acked() != 5 || r.world.Records["p00@example.com"].Values["lead_score"] != "50" {
			t.Errorf("%+v %+v", a, r.world.Records["p00@example.com"])
		}
	})
	t.Run("the pinned build is not what it was", func(t *testing.T) {
		r, s, d, p := setup(t)
		if err := approve(r, s, p.ID, "bob"); err != nil {
			t.Fatal(err)
		}
		r.builds[p.BuildID].Rows[2]["score"] = 1_000_000
		if _, err := r.engine().Apply(t.Context(), s, d, p.ID); err == nil || !strings.Contains(err.Error(), "does not follow any more") || r.world.Calls != 0 {
			t.Error(err)
		}
	})
	t.Run("it was meddled with", func(t *testing.T) {
		r, _, _, p := setup(t)
		stored, _, err := r.db.Plans.Get(t.Context(), p.ID)
		if err != nil {
			t.Fatal(err)
		}
		stored.ID, stored.Body = "p_forged", []byte(strings.Replace(string(stored.Body), `"changes":5`, `"changes":1`, 1))
		if err := r.db.Plans.Save(t.Context(), stored, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := r.engine().Load(t.Context(), "p_forged"); err == nil || !strings.Contains(err.Error(), "not the one that was made") {
			t.Error(err)
		}
	})
}

func TestAudienceFollowsItsRows(t *testing.T) {
	r := newRig(t)
	s, d := r.sync(audience), desttest.NewAudience(r.world, 10)
	r.grant("p0", "p1", "p2", "p3", "p4", "p5")
	r.publish(leads(6, 50)...)
	r.run(s, d)
	rows := leads(6, 50)[1:] // one leaves, one has a new number, one stands twice
	rows[0]["phone"] = "+49301111111"
	rows = append(rows, rows[4])
	r.publish(rows...)
	p, _ := r.run(s, d)
	if p == nil || p.Verdict != activate.VerdictHold || p.Ops["remove"] != 2 || p.Ops["add"] != 1 || p.Drops["duplicate_key"] != 2 {
		t.Fatalf("%+v", p)
	}
	if _, err := r.engine().Approve(t.Context(), s, p.ID, "bob", "", true); err != nil {
		t.Fatal(err)
	}
	r.apply(s, d, p.ID)
	if len(r.world.Records) != 5 || r.world.Records["p00@example.com"] != nil || r.world.Records["p01@example.com"].Values["phone"] != `"+49301111111"` || r.world.Records["p05@example.com"] == nil {
		t.Error(r.world.Dump())
	}
}

func TestShadowDecisionsStay(t *testing.T) {
	r := newRig(t)
	s, d := r.sync(records+"decision: decision_id\n"), desttest.NewRecords(r.world, 10)
	mk := func(subject, mode string) string {
		x := decision.Identify(decision.Decision{Policy: "p", Version: "v", Subject: subject, Mode: mode, Choice: "sales", DecidedAt: t0, Inputs: map[string]decision.Value{}, RuleHits: []string{}}, "")
		if err := r.db.Decisions.Append(t.Context(), "r", []decision.Decision{x}); err != nil {
			t.Fatal(err)
		}
		return x.ID
	}
	rows := leads(3, 50)
	rows[0]["decision_id"], rows[1]["decision_id"], rows[2]["decision_id"] = mk("p0", decision.Live), mk("p1", decision.Shadow), "d_invented"
	r.publish(rows...)
	p, a := r.run(s, d)
	if p.Drops["shadow"] != 1 || p.Drops["unknown_decision"] != 1 || a.Acked() != 1 {
		t.Errorf("%+v %+v", p, a)
	}
}

package activate_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"millrace/activate"
	"millrace/activate/desttest"
	"millrace/internal/state"
	"millrace/models/decision"
)

func TestNothingLeavesUnlessAllowed(t *testing.T) {
	for name, c := range map[string]struct {
		target string
		edit   func(string) string
		want   string
	}{
		"dev target":    {"dev", func(s string) string { return s }, "target dev never sends"},
		"not live":      {"prod", func(s string) string { return strings.Replace(s, "live: true\n", "", 1) }, "does not say `live: true`"},
		"no such guard": {"staging", func(s string) string { return s }, "target staging never sends"},
	} {
		r := newRig(t)
		r.target = c.target
		s, d := r.sync(c.edit(records)), desttest.NewRecords(r.world, 3)
		r.publish(leads(5, 50)...)
		p := r.plan(s, d)
		if p.Live || !strings.Contains(p.NotLive, c.want) {
			t.Errorf("%s: %+v", name, p)
		}
		if _, err := r.engine().Apply(t.Context(), s, d, p.ID); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if r.world.Calls != 0 {
			t.Errorf("%s: %d calls", name, r.world.Calls)
		}
	}
}

func TestConsentIsAskedAgainAtSending(t *testing.T) {
	r := newRig(t)
	s, d := r.sync(audience), desttest.NewAudience(r.world, 10)
	r.publish(leads(6, 50)...)
	r.grant("p0", "p1", "p2", "p3")
	p := r.plan(s, d)
	if p.Changes != 4 || p.Drops["no_consent"] != 2 {
		t.Fatalf("%+v", p)
	}
	r.deny("p2")
	a := r.apply(s, d, p.ID)
	if a.States[state.RowSettled] != 3 || a.States[state.RowCancelled] != 1 || r.world.Records["p02@example.com"] != nil {
		t.Errorf("%+v %s", a, r.world.Dump())
	}
	// An opt-out leaves the audience with the next plan.
	r.deny("p1")
	p, a = r.run(s, d)
	if p.Ops["remove"] != 1 || a.Acked() != 1 || r.world.Records["p01@example.com"] != nil || len(r.world.Records) != 2 {
		t.Errorf("%+v %+v %s", p, a, r.world.Dump())
	}
	// A guard that cannot answer makes no plan: it must not be read as "take everybody out".
	e := r.engine()
	e.Consent = func(context.Context, string, string, []string) (map[string]decision.ConsentState, error) {
		return nil, errors.New("consents are gone")
	}
	if _, err := e.Plan(t.Context(), s, d); err == nil || !strings.Contains(err.Error(), "no plan can be made") {
		t.Error(err)
	}
}

func TestKillSwitchStopsWithinOneBatch(t *testing.T) {
	r := newRig(t)
	s, d := r.sync(records), desttest.NewRecords(r.world, 5)
	r.publish(leads(20, 50)...)
	p := r.plan(s, d)
	batches := 0
	r.at = func(point string) error {
		if point == "batch:recorded" {
			if batches++; batches == 2 {
				return r.db.Switches.Stop(t.Context(), decision.Switch{Scope: "destination", Name: "fake", By: "eve", Reason: "drill", At: r.clock})
			}
		}
		return nil
	}
	a := r.apply(s, d, p.ID)
	if len(r.world.Records) != 10 || a.States[state.RowPending] != 10 || !strings.Contains(a.Stopped, "stopped by eve") || a.Done {
		t.Errorf("%d records, %+v", len(r.world.Records), a)
	}
	if _, err := r.db.Switches.Start(t.Context(), decision.Switch{Scope: "destination", Name: "fake", By: "eve", At: r.clock}); err != nil {
		t.Fatal(err)
	}
	if a = r.apply(s, d, p.ID); a.Acked() != 20 || len(r.world.Records) != 20 || !a.Done {
		t.Errorf("%+v", a)
	}
}

func TestPeoplesEditsWin(t *testing.T) {
	text := strings.Replace(records, "lead_score: score", "lead_score: {column: score, if: ours_last}\n  owner: {column: person_id, if: empty}", 1)
	text = strings.Replace(text, "first_run: allow", "first_run: allow, max_changed_pct: 100", 1)
	r := newRig(t)
	s, d := r.sync(text), desttest.NewRecords(r.world, 10)
	r.world.Put("p00@example.com", map[string]string{"owner": `"bob"`})
	r.publish(leads(3, 50)...)
	r.run(s, d)
	if got := r.world.Records["p00@example.com"].Values["owner"]; got != `"bob"` {
		t.Errorf("a gap was filled that was none: %s", got)
	}
	r.world.Put("p01@example.com", map[string]string{"lead_score": "7"})
	r.publish(leads(3, 60)...)
	r.run(s, d)
	if got := r.world.Records["p01@example.com"].Values["lead_score"]; got != "7" {
		t.Errorf("a person's edit was overwritten: %s", got)
	}
	if got := r.world.Records["p02@example.com"].Values["lead_score"]; got != "62" {
		t.Errorf("our own value was not updated: %s", got)
	}
	// It is not proposed again every night.
	if p, _ := r.run(s, d); p.Verdict != activate.VerdictEmpty {
		t.Errorf("%+v", p)
	}
}

func TestEqualValuesAreNotWritten(t *testing.T) {
	r := newRig(t)
	s, d := r.sync(records), desttest.NewRecords(r.world, 10)
	for i := range 5 {
		r.world.Put(fmt.Sprintf("p%02d@example.com", i), map[string]string{"lead_score": fmt.Sprint(50 + i), "why": fmt.Sprintf("%q", fmt.Sprint("because ", 50+i))})
	}
	r.publish(leads(5, 50)...)
	if _, a := r.run(s, d); a.Acked() != 5 || len(r.world.Events) != 0 {
		t.Errorf("%+v %v", a, r.world.Events)
	}
}

func TestRefusedRowsAreFoundAndNotRetriedForEver(t *testing.T) {
	for _, whole := range []bool{false, true} {
		r := newRig(t)
		s, d := r.sync(records), desttest.NewRecords(r.world, 16)
		r.world.Whole = whole
		r.world.Bad = map[string]string{"p03@example.com": "value too long for p03@example.com", "p11@example.com": "value too long for p11@example.com"}
		r.publish(leads(40, 50)...)
		_, a := r.run(s, d)
		if a.Acked() != 38 || a.Rejected() != 2 || !a.Done || len(a.Problems) != 1 || a.Problems[0].Rows != 2 || !strings.HasSuffix(a.Problems[0].Message, "value too long for (address)") {
			t.Errorf("whole %v: %+v", whole, a)
		}
		if p, _ := r.run(s, d); p.Changes != 0 || p.Drops["refused_before"] != 2 {
			t.Errorf("whole %v: %+v", whole, p)
		}
		r.world.Bad = map[string]string{"p11@example.com": "value too long"}
		e := r.engine()
		e.Again = true // somebody has repaired one of the two
		q, err := e.Plan(t.Context(), s, d)
		if err != nil || q.Changes != 2 {
			t.Fatalf("whole %v: %+v %v", whole, q, err)
		}
		if a := r.apply(s, d, q.ID); a.Acked() != 1 || a.Rejected() != 1 {
			t.Errorf("whole %v: %+v", whole, a)
		}
		r.world.Bad = nil
		rows := leads(40, 50)
		rows[11]["reason"] = "short"
		r.publish(rows...)
		if p, a := r.run(s, d); p.Changes != 1 || a.Acked() != 1 {
			t.Errorf("whole %v: a changed row must be tried again: %+v", whole, p)
		}
	}
}

func TestSystemicRefusalStops(t *testing.T) {
	r := newRig(t)
	s, d := r.sync(records), desttest.NewRecords(r.world, 20)
	for i := range 100 {
		r.world.Bad[fmt.Sprintf("p%02d@example.com", i)] = "PROPERTY_DOESNT_EXIST"
	}
	r.publish(leads(100, 50)...)
	_, a := r.run(s, d)
	if a.Rejected() >= 100 || a.Stopped == "" {
		t.Errorf("%+v", a)
	}
}

func TestBadCredentialsStopAtOnceAndLoseNothing(t *testing.T) {
	r := newRig(t)
	s, d := r.sync(records), desttest.NewRecords(r.world, 5)
	r.publish(leads(20, 50)...)
	r.world.Fault = func(call int, op string) desttest.Fault {
		if op == "send" {
			return desttest.Forbidden
		}
		return desttest.None
	}
	p, a := r.run(s, d)
	if a.States[state.RowPending] != 20 || a.Stopped == "" || r.world.Calls != 2 {
		t.Errorf("%+v, %d calls", a, r.world.Calls)
	}
	r.world.Fault = nil
	if a = r.apply(s, d, p.ID); a.Acked() != 20 {
		t.Errorf("%+v", a)
	}
}

func TestShortfallIsNotClaimed(t *testing.T) {
	r := newRig(t)
	s, d := r.sync(audience), desttest.NewAudience(r.world, 10)
	r.grant("p0", "p1", "p2")
	r.publish(leads(3, 50)...)
	p := r.plan(s, d)
	r.at = func(point string) error {
		if point == "batch:recorded" {
			for id, j := range r.world.Jobs {
				j.Taken = 2
				r.world.Jobs[id] = j
			}
		}
		return nil
	}
	a := r.apply(s, d, p.ID)
	if a.Acked() != 0 || a.States[state.RowShortfall] != 3 || a.Clean() {
		t.Errorf("%+v", a)
	}
	r.at = nil
	if p, _ := r.run(s, d); p.Changes != 0 {
		t.Errorf("a shortfall is not repeated every night: %+v", p)
	}
}

func lose(op string, call int) func(int, string) desttest.Fault {
	n := 0
	return func(_ int, o string) desttest.Fault {
		if o == op {
			if n++; n == call {
				return desttest.Lost
			}
		}
		return desttest.None
	}
}

// A lost answer of a destination that can neither be read nor repeated stays unknown, is reported, and is not planned again.
func TestLostAnswerStaysUnknown(t *testing.T) {
	r := newRig(t)
	s, d := r.sync(records), desttest.NewMessages(r.world, 2)
	r.world.Fault = lose("send", 2)
	r.publish(leads(6, 50)...)
	_, a := r.run(s, d)
	if a.Acked() != 4 || a.Unknown() != 2 || a.Done || a.Clean() || len(r.world.Events) != 6 {
		t.Errorf("%+v %v", a, r.world.Events)
	}
	r.publish(leads(6, 60)...)
	p := r.plan(s, d)
	if p.Changes != 4 || p.Drops["unsettled"] != 2 {
		t.Errorf("%+v", p)
	}
}

// The second half of an exchange waits for the first: a person must not be in the audience under both addresses.
func TestOrderWithinAKey(t *testing.T) {
	r := newRig(t)
	s, d := r.sync(audience), desttest.NewAudience(r.world, 10).Once()
	r.grant("p0", "p1")
	r.publish(leads(2, 50)...)
	r.run(s, d)
	rows := leads(2, 50)
	rows[0]["phone"] = "+49301111111"
	r.publish(rows...)
	r.world.Fault = lose("send", 1)
	_, a := r.run(s, d)
	if a.States[state.RowUnknown] != 1 || a.States[state.RowPending] != 1 {
		t.Errorf("%+v %v", a, r.world.Events)
	}
}

// The same while the first half waits for another try.
func TestOrderWithinAKeyDuringARetry(t *testing.T) {
	r := newRig(t)
	s, d := r.sync(audience), desttest.NewAudience(r.world, 10)
	r.grant("p0", "p1")
	r.publish(leads(2, 50)...)
	r.run(s, d)
	before := r.world.Dump()
	rows := leads(2, 50)
	rows[0]["phone"] = "+49301111111"
	r.publish(rows...)
	p := r.plan(s, d)
	r.world.Fault = func(int, string) desttest.Fault { return desttest.Unreached }
	e := r.engine()
	e.Patience = 0
	a, err := e.Apply(t.Context(), s, d, p.ID)
	if err != nil || a.States[state.RowRetry] != 1 || a.States[state.RowPending] != 1 || r.world.Dump() != before {
		t.Fatalf("%+v %v", a, err)
	}
	r.world.Fault = nil
	if a = r.apply(s, d, p.ID); a.Acked() != 2 || r.world.Records["p00@example.com"].Values["phone"] != `"+49301111111"` {
		t.Errorf("%+v %s", a, r.world.Dump())
	}
}

package activate_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"millrace/activate"
	"millrace/activate/desttest"
	"millrace/internal/state"
	"millrace/models/decision"
	"millrace/transform/relation"
)

var t0 = time.Date(2026, 3, 2, 6, 0, 0, 0, time.UTC)

// rig is a project in a test: state, builds, and a destination's world.
type rig struct {
	t      *testing.T
	dir    string
	db     *state.DB
	builds map[string]*desttest.Source
	now    string // id of the published build
	world  *desttest.World
	clock  time.Time
	at     func(string) error
	target string
}

func newRig(t *testing.T) *rig {
	r := &rig{t: t, dir: t.TempDir(), builds: map[string]*desttest.Source{}, world: desttest.NewWorld(), clock: t0, target: "prod"}
	r.reopen()
	t.Cleanup(func() { r.db.Close() })
	return r
}

// reopen is a new process over the same files.
func (r *rig) reopen() {
	if r.db != nil {
		r.db.Close()
	}
	db, err := state.Open(context.Background(), filepath.Join(r.dir, "state.db"))
	if err != nil {
		r.t.Fatal(err)
	}
	r.db = db
}

func (r *rig) publish(rows ...map[string]any) {
	id := fmt.Sprint("b", len(r.builds)+1)
	rel := relation.Relation{Name: "segments.leads", Version: id}
	for _, c := range []string{"email", "person_id", "decision_id", "score", "reason", "phone"} {
		pii := ""
		if c == "email" || c == "phone" {
			pii = c
		}
		rel.Columns = append(rel.Columns, relation.Column{Name: c, PII: pii})
	}
	r.builds[id] = &desttest.Source{ID: id, Rel: rel, Rows: rows}
	r.now = id
}

func (r *rig) engine() *activate.Engine {
	return &activate.Engine{State: r.db, Target: r.target, RunID: "run", By: "ann", Now: r.clock,
		Open: func(_ context.Context, id string) (activate.Warehouse, func() error, error) {
			if id == "" {
				id = r.now
			}
			b, ok := r.builds[id]
			if !ok {
				return nil, nil, errors.New("no such build")
			}
			return b, func() error { return nil }, nil
		},
		Clock: func() time.Time { return r.clock }, Rand: func() float64 { return 0.5 }, Patience: time.Hour,
		Sleep: func(_ context.Context, d time.Duration) error { r.clock = r.clock.Add(d); return nil },
		At:    r.at}
}

func (r *rig) sync(text string) *activate.Sync {
	r.t.Helper()
	catalog := []activate.Connector{{Name: "fake", Options: func() any { return &struct{}{} }}}
	s, err := activate.ParseSync("leads", "activate/leads.yml", []byte(text), nil, catalog)
	if err != nil {
		r.t.Fatal(err)
	}
	return s
}

const records = `version: 1
owner: ann
live: true
relation: segments.leads
destination: fake
object: contacts
key: email
mapping:
  lead_score: score
  why: {column: reason, null: clear}
guardrails: {first_run: allow}
`

const audience = `version: 1
owner: ann
live: true
relation: segments.leads
destination: fake
object: "123"
mode: audience
key: email
mapping: {email: email, phone: phone}
subject: person_id
purpose: advertising
channel: ads
guardrails: {first_run: allow, max_removed_pct: 100}
`

func lead(i int, score any) map[string]any {
	return map[string]any{"email": fmt.Sprintf("p%02d@example.com", i), "person_id": fmt.Sprint("p", i), "score": score, "reason": fmt.Sprint("because ", score), "phone": fmt.Sprintf("+4930%07d", i)}
}

func leads(n, score int) []map[string]any {
	var out []map[string]any
	for i := range n {
		out = append(out, lead(i, score+i))
	}
	return out
}

func (r *rig) plan(s *activate.Sync, d activate.Destination) *activate.Plan {
	r.t.Helper()
	p, err := r.engine().Plan(r.t.Context(), s, d)
	if err != nil {
		r.t.Fatal(err)
	}
	return p
}

func (r *rig) apply(s *activate.Sync, d activate.Destination, id string) *activate.Applied {
	r.t.Helper()
	a, err := r.engine().Apply(r.t.Context(), s, d, id)
	if err != nil {
		r.t.Fatal(err)
	}
	return a
}

// run is one night: settle what was left, plan, apply what the limits allow.
func (r *rig) run(s *activate.Sync, d activate.Destination) (*activate.Plan, *activate.Applied) {
	r.t.Helper()
	if _, err := r.engine().Continue(r.t.Context(), s, d); err != nil {
		r.t.Fatal(err)
	}
	p := r.plan(s, d)
	if p.State != state.PlanApproved {
		return p, nil
	}
	return p, r.apply(s, d, p.ID)
}

func (r *rig) grant(ids ...string) {
	r.t.Helper()
	for _, id := range ids {
		if err := r.db.Consents.Record(r.t.Context(), state.Consent{Subject: id, Purpose: "advertising", Channel: "ads", Granted: true, Source: "form", At: r.clock}); err != nil {
			r.t.Fatal(err)
		}
	}
}

func (r *rig) deny(id string) {
	r.t.Helper()
	if err := r.db.Consents.Record(r.t.Context(), state.Consent{Subject: id, Purpose: "advertising", Channel: "ads", Source: "form", At: r.clock.Add(time.Hour)}); err != nil {
		r.t.Fatal(err)
	}
}

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
		if _, err := r.engine().Apply(t.Context(), s, d, p.ID); err == nil || !strings.Contains(err.Error(), "not in build") || r.world.Calls != 0 {
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
		if err := r.db.Plans.Save(t.Context(), stored); err != nil {
			t.Fatal(err)
		}
		if _, err := r.engine().Load(t.Context(), "p_forged"); err == nil || !strings.Contains(err.Error(), "not the one that was made") {
			t.Error(err)
		}
	})
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
		r.world.Bad = map[string]string{"p03@example.com": "value too long", "p11@example.com": "value too long"}
		r.publish(leads(40, 50)...)
		_, a := r.run(s, d)
		if a.Acked() != 38 || a.Rejected() != 2 || !a.Done || len(a.Problems) != 1 || a.Problems[0].Rows != 2 || !strings.Contains(a.Problems[0].Message, "value too long") {
			t.Errorf("whole %v: %+v", whole, a)
		}
		if p, _ := r.run(s, d); p.Changes != 0 || p.Drops["refused_before"] != 2 {
			t.Errorf("whole %v: %+v", whole, p)
		}
		r.world.Bad = nil
		rows := leads(40, 50)
		rows[3]["reason"] = "short"
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

func TestUndo(t *testing.T) {
	r := newRig(t)
	s, d := r.sync(strings.Replace(records, "first_run: allow", "first_run: allow, max_changed_pct: 100", 1)), desttest.NewRecords(r.world, 4)
	for i := range 6 { // six are in the CRM already, two of them with a score that somebody gave
		r.world.Put(fmt.Sprintf("p%02d@example.com", i), map[string]string{"name": `"x"`})
	}
	r.world.Put("p00@example.com", map[string]string{"lead_score": "1"})
	r.world.Put("p01@example.com", map[string]string{"lead_score": "51"}) // equal to ours: nothing will be written
	before := r.world.Dump()
	r.publish(leads(10, 50)...)
	p, _ := r.run(s, d)
	if len(r.world.Records) != 10 {
		t.Fatal(r.world.Dump())
	}
	r.world.Put("p02@example.com", map[string]string{"lead_score": "1000"}) // edited since
	r.world.Put("p08@example.com", map[string]string{"why": `"mine"`})      // ours, edited since: must not be archived
	u, err := r.engine().PlanUndo(t.Context(), s, d, p.ID)
	if err != nil {
		t.Fatal(err)
	}
	if u.State != state.PlanWaiting || u.Ops["restore"] != 6 || u.Ops["archive"] != 3 || len(u.Conflicts) != 2 {
		t.Fatalf("%+v", u)
	}
	if _, err := r.engine().Approve(t.Context(), s, u.ID, "ann", "wrong mapping", true); err != nil {
		t.Fatal(err)
	}
	a := r.apply(s, d, u.ID)
	if !a.Done || a.Acked() != 9 {
		t.Errorf("%+v", a)
	}
	after := r.world.Dump()
	want := strings.Replace(before, "p02@example.com name=\"x\"", "p02@example.com lead_score=1000 name=\"x\"", 1) + "\n" + `p08@example.com lead_score=58 why="mine"`
	if after != want {
		t.Errorf("got\n%s\nwant\n%s", after, want)
	}
	// What was taken back is not sent again by the next night ...
	if q, _ := r.run(s, d); q.Changes != 0 {
		t.Errorf("the next night repeats the mistake: %+v", q)
	}
	// ... but what is corrected is.
	r.publish(leads(10, 70)...)
	if q, a := r.run(s, d); a == nil || a.Acked() != 10 || r.world.Records["p00@example.com"].Values["lead_score"] != "70" {
		t.Errorf("%+v %+v", q, a)
	}
}

func TestUndoOfAnAudience(t *testing.T) {
	r := newRig(t)
	s, d := r.sync(audience), desttest.NewAudience(r.world, 4)
	r.grant("p0", "p1", "p2", "p3", "p4", "p5")
	r.publish(leads(6, 50)[:3]...)
	r.run(s, d)
	before := r.world.Dump()
	r.publish(append(leads(6, 50)[1:2], leads(6, 50)[3:]...)...)
	p, _ := r.run(s, d)
	r.deny("p2") // must not be put back
	u, err := r.engine().PlanUndo(t.Context(), s, d, p.ID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.engine().Approve(t.Context(), s, u.ID, "bob", "", true); err != nil {
		t.Fatal(err)
	}
	a := r.apply(s, d, u.ID)
	want := strings.Join(strings.Split(before, "\n")[:2], "\n")
	if got := r.world.Dump(); got != want || a.States[state.RowCancelled] != 1 {
		t.Errorf("got\n%s\nwant\n%s\n%+v", got, want, a)
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

var errCrash = errors.New("crash")

// crashes runs one night with a crash at every step in turn, then nights without one, and compares with a run that was
// never disturbed.
func crashes(t *testing.T, text string, dest func(*desttest.World) activate.Destination, prepare func(*rig)) {
	night := func(r *rig) error {
		s, d := r.sync(text), dest(r.world)
		e := r.engine()
		if _, err := e.Continue(t.Context(), s, d); err != nil {
			return err
		}
		p, err := r.engine().Plan(t.Context(), s, d)
		if err != nil || p.State != state.PlanApproved {
			return err
		}
		_, err = r.engine().Apply(t.Context(), s, d, p.ID)
		return err
	}
	points := 0
	calm := newRig(t)
	prepare(calm)
	calm.at = func(string) error { points++; return nil }
	if err := night(calm); err != nil {
		t.Fatal(err)
	}
	if points < 8 {
		t.Fatalf("only %d steps: the enumeration misses something", points)
	}
	want := calm.world.Dump()
	for i := 1; i <= points; i++ {
		r := newRig(t)
		prepare(r)
		n, where := 0, ""
		r.at = func(p string) error {
			if n++; n == i {
				where = p
				return errCrash
			}
			return nil
		}
		if err := night(r); !errors.Is(err, errCrash) {
			t.Fatalf("step %d: %v", i, err)
		}
		r.at = nil
		for range 3 {
			r.reopen()
			r.clock = r.clock.Add(time.Hour)
			if err := night(r); err != nil {
				t.Fatalf("after a crash at step %d (%s): %v", i, where, err)
			}
		}
		if got := r.world.Dump(); got != want {
			t.Errorf("crash at step %d (%s):\n%s\nwant\n%s", i, where, got, want)
		}
		for k, n := range r.world.Created {
			if n > 1 {
				t.Errorf("crash at step %d (%s): %s was made %d times", i, where, k, n)
			}
		}
		counts, err := r.db.Outbox.Counts(t.Context(), state.Filter{})
		if err != nil {
			t.Fatal(err)
		}
		for st := range counts {
			if st != state.RowAcked && st != state.RowSettled && st != state.RowSuperseded {
				t.Errorf("crash at step %d (%s): rows left %v", i, where, counts)
			}
		}
	}
	t.Logf("%d steps", points)
}

func TestCrashAtEveryStepRecords(t *testing.T) {
	crashes(t, records, func(w *desttest.World) activate.Destination { return desttest.NewRecords(w, 4) }, func(r *rig) {
		r.world.Put("p01@example.com", map[string]string{"lead_score": "1"})
		r.publish(leads(10, 50)...)
	})
}

func TestCrashAtEveryStepAudience(t *testing.T) {
	crashes(t, audience, func(w *desttest.World) activate.Destination { return desttest.NewAudience(w, 4) }, func(r *rig) {
		r.grant("p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7")
		r.publish(leads(8, 50)...)
	})
}

// A destination that can neither be read nor take a row twice: a crash may leave rows unknown, and then says so; it never
// sends one twice and never calls one sent that was not.
func TestCrashAtEveryStepMessages(t *testing.T) {
	for i := 1; i < 40; i++ {
		r := newRig(t)
		r.publish(leads(6, 50)...)
		s, d := r.sync(records), desttest.NewMessages(r.world, 2)
		n, crashed := 0, false
		r.at = func(string) error {
			if n++; n == i {
				crashed = true
				return errCrash
			}
			return nil
		}
		p := r.plan(s, d)
		if _, err := r.engine().Apply(t.Context(), s, d, p.ID); err != nil && !errors.Is(err, errCrash) {
			t.Fatal(err)
		}
		r.at = nil
		r.reopen()
		a := r.apply(s, d, p.ID)
		seen := map[string]int{}
		for _, e := range r.world.Events {
			if seen[e]++; seen[e] > 1 {
				t.Errorf("crash at %d: %s was sent twice", i, e)
			}
		}
		if a.Acked()+a.Unknown() != 6 || a.Acked() > len(r.world.Events) {
			t.Errorf("crash at %d: %+v, %d were sent", i, a, len(r.world.Events))
		}
		if !crashed {
			return
		}
	}
	t.Error("the enumeration did not end")
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

// When somebody else makes the record while our lost write did not take effect, undo must not take that record away.
func TestLostAnswerAndSomebodyElsesRecord(t *testing.T) {
	r := newRig(t)
	s, d := r.sync(records), desttest.NewRecords(r.world, 10)
	r.publish(leads(1, 50)...)
	calls := 0
	r.world.Fault = func(_ int, op string) desttest.Fault {
		if op == "send" {
			if calls++; calls == 1 {
				return desttest.Swallowed
			}
		}
		return desttest.None
	}
	r.at = func(point string) error {
		if point == "batch:recorded" && calls == 1 {
			r.world.Put("p00@example.com", map[string]string{"lead_score": "3", "name": `"theirs"`})
		}
		return nil
	}
	p, a := r.run(s, d)
	if a.Acked() != 1 {
		t.Fatalf("%+v", a)
	}
	u, err := r.engine().PlanUndo(t.Context(), s, d, p.ID)
	if err != nil || u.Ops["archive"] != 0 || u.Ops["restore"] != 1 {
		t.Fatalf("%+v %v", u, err)
	}
	if _, err := r.engine().Approve(t.Context(), s, u.ID, "bob", "", true); err != nil {
		t.Fatal(err)
	}
	r.apply(s, d, u.ID)
	if got := r.world.Dump(); got != `p00@example.com lead_score=3 name="theirs"` {
		t.Error(got)
	}
}

// Random schedules of faults and crashes end as if nothing had happened.
func TestRandomFaults(t *testing.T) {
	seeds := 40
	if os.Getenv("MILLRACE_SOAK") != "" {
		seeds = 1000
	}
	given := 0
	for seed := range uint64(seeds) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		r := newRig(t)
		text, dest := records, activate.Destination(nil)
		if seed%2 == 1 {
			text = audience
			r.grant("p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9")
		}
		text = strings.Replace(text, "first_run: allow", "first_run: allow, max_changed_pct: 100", 1)
		r.publish(leads(10, 50)...)
		s := r.sync(text)
		calm := false
		r.world.Fault = func(_ int, op string) desttest.Fault {
			if calm || rnd.IntN(3) > 0 {
				return desttest.None
			}
			f := desttest.Fault(1 + rnd.IntN(int(desttest.Contradicts)))
			if f == desttest.Forbidden {
				return desttest.None
			}
			return f
		}
		r.at = func(string) error {
			if !calm && rnd.IntN(12) == 0 {
				return errCrash
			}
			return nil
		}
		for n := range 12 {
			calm = n >= 6
			if n == 3 {
				r.publish(leads(10, 60)...)
			}
			if rnd.IntN(3) == 0 {
				r.reopen()
			}
			r.clock = r.clock.Add(time.Hour)
			if seed%2 == 1 {
				dest = desttest.NewAudience(r.world, 4)
			} else {
				dest = desttest.NewRecords(r.world, 4)
			}
			err := func() error {
				if _, err := r.engine().Continue(t.Context(), s, dest); err != nil {
					return err
				}
				p, err := r.engine().Plan(t.Context(), s, dest)
				if err != nil || p.State != state.PlanApproved {
					return err
				}
				_, err = r.engine().Apply(t.Context(), s, dest, p.ID)
				return err
			}()
			if err != nil && (calm || !errors.Is(err, errCrash)) {
				t.Fatalf("seed %d night %d: %v", seed, n, err)
			}
		}
		quiet := newRig(t)
		quiet.publish(leads(10, 60)...)
		if seed%2 == 1 {
			quiet.grant("p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9")
			quiet.run(quiet.sync(text), desttest.NewAudience(quiet.world, 4))
		} else {
			quiet.run(quiet.sync(text), desttest.NewRecords(quiet.world, 4))
		}
		counts, err := r.db.Outbox.Counts(t.Context(), state.Filter{})
		if err != nil {
			t.Fatal(err)
		}
		// Rows that faults used up are dead: they are reported, not sent again in the same form.
		if counts[state.RowDead] > 0 {
			given++
			continue
		}
		if got, want := r.world.Dump(), quiet.world.Dump(); got != want {
			t.Errorf("seed %d (%v):\n%s\nwant\n%s", seed, counts, got, want)
		}
		for _, st := range []string{state.RowInflight, state.RowUnknown, state.RowPending, state.RowRetry, state.RowAccepted} {
			if counts[st] > 0 {
				t.Errorf("seed %d: rows left %v", seed, counts)
			}
		}
	}
	if given > seeds/4 {
		t.Errorf("%d of %d schedules ended in dead rows: the faults are too harsh for the test to say much", given, seeds)
	}
	t.Logf("%d of %d schedules used up a row's attempts", given, seeds)
}

package hubspot

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"millrace/activate"
	"millrace/activate/desttest"
	"millrace/internal/state"
	"millrace/internal/twin"
	"millrace/internal/twin/store"
	"millrace/transform/relation"
)

// night is the engine over the simulated portal.
type night struct {
	t     *testing.T
	tw    *twin.Twin
	base  string
	state string
	rows  []map[string]any
	at    func(string) error
	clock time.Time
}

func newNight(t *testing.T) *night {
	tw, base := startTwin(t)
	return &night{t: t, tw: tw, base: base, state: filepath.Join(t.TempDir(), "state.db"), clock: time.Date(2026, 3, 2, 6, 0, 0, 0, time.UTC)}
}

const file = `version: 1
owner: ann
live: true
relation: segments.leads
destination: hubspot
config: {token: x}
object: contacts
key: email
mapping:
  company: company
  jobtitle: {column: title, null: clear}
guardrails: {first_run: allow, max_changed_pct: 100}
`

// people are contacts that the portal holds, and some that it does not.
func (n *night) people(known, fresh int) []map[string]any {
	var emails []string
	n.tw.View(func(s *store.State) {
		t := s.CRM.Table("contacts")
		recs, _ := t.After(0, 1000, false)
		for _, r := range recs {
			if e, _ := t.Value(r, "email"); e != "" && len(emails) < known {
				emails = append(emails, strings.ToUpper(e[:1])+e[1:])
			}
		}
	})
	for i := range fresh {
		emails = append(emails, fmt.Sprintf("fresh%d@new.example", i))
	}
	var out []map[string]any
	for i, e := range emails {
		out = append(out, map[string]any{"email": e, "company": fmt.Sprint("Company ", i), "title": fmt.Sprint("Title ", i)})
	}
	return out
}

func (n *night) engine(db *state.DB) *activate.Engine {
	rel := relation.Relation{Name: "segments.leads", Version: fmt.Sprint(len(n.rows)), Columns: []relation.Column{{Name: "email", PII: "email"}, {Name: "company"}, {Name: "title"}}}
	return &activate.Engine{State: db, Target: "prod", RunID: "r", By: "ann", Now: n.clock, At: n.at, Patience: time.Hour,
		Clock: func() time.Time { return n.clock }, Rand: func() float64 { return 0.5 },
		Sleep: func(_ context.Context, d time.Duration) error { n.clock = n.clock.Add(d); return nil },
		Open: func(context.Context, string) (activate.Warehouse, func() error, error) {
			return &desttest.Source{ID: "b1", Rel: rel, Rows: n.rows}, func() error { return nil }, nil
		}}
}

// run is one process: settle, plan, apply.
func (n *night) run(do func(*activate.Engine, *activate.Sync, activate.Destination) error) error {
	n.t.Helper()
	db, err := state.Open(context.Background(), n.state)
	if err != nil {
		n.t.Fatal(err)
	}
	defer db.Close()
	s, err := activate.ParseSync("leads", "activate/leads.yml", []byte(file), nil, []activate.Connector{Connector()})
	if err != nil {
		n.t.Fatal(err)
	}
	return do(n.engine(db), s, dest(n.t, n.base, nil))
}

// whole settles, plans and applies, and gives the plan and what became of it.
func (n *night) whole() (p *activate.Plan, a *activate.Applied, err error) {
	err = n.run(func(e *activate.Engine, s *activate.Sync, d activate.Destination) error {
		if _, err := e.Continue(n.t.Context(), s, d); err != nil {
			return err
		}
		if p, err = e.Plan(n.t.Context(), s, d); err != nil || p.State != state.PlanApproved {
			return err
		}
		a, err = e.Apply(n.t.Context(), s, d, p.ID)
		return err
	})
	return p, a, err
}

func TestSyncAndUndoAgainstThePortal(t *testing.T) {
	n := newNight(t)
	n.rows = n.people(20, 15)
	before := n.tw.Digest(false)
	p, a, err := n.whole()
	if err != nil || a.Acked() != 35 || !a.Clean() || n.tw.Digest(false) == before {
		t.Fatalf("%+v %+v %v", p, a, err)
	}
	if q, _, err := n.whole(); err != nil || q.Verdict != activate.VerdictEmpty {
		t.Errorf("nothing changed, and yet %+v %v", q, err)
	}
	err = n.run(func(e *activate.Engine, s *activate.Sync, d activate.Destination) error {
		u, err := e.PlanUndo(t.Context(), s, d, p.ID)
		if err != nil {
			return err
		}
		if u.Ops["archive"] != 15 || u.Ops["restore"] != 20 || len(u.Conflicts) != 0 {
			t.Errorf("%+v", u)
		}
		if _, err := e.Approve(t.Context(), s, u.ID, "bob", "", true); err != nil {
			return err
		}
		a, err = e.Apply(t.Context(), s, d, u.ID)
		return err
	})
	if err != nil || a.Acked() != 35 {
		t.Fatalf("%+v %v", a, err)
	}
	// Archived contacts leave their traces in the portal; what can be read is as before.
	live := 0
	n.tw.View(func(s *store.State) {
		tab := s.CRM.Table("contacts")
		recs, _ := tab.After(0, 10_000, false)
		for _, r := range recs {
			if c, _ := tab.Value(r, "company"); strings.HasPrefix(c, "Company ") {
				live++
			}
		}
	})
	if live != 0 {
		t.Errorf("%d contacts still hold what was taken back", live)
	}
}

// One call in five fails, in every way that the twin knows; the nights go on until nothing is left to do. Nothing is made
// twice, nothing is marked as sent that the portal did not take.
func TestFailingPortal(t *testing.T) {
	calm := newNight(t)
	calm.rows = calm.people(150, 60)
	if _, a, err := calm.whole(); err != nil || a.Acked() != 210 {
		t.Fatalf("%+v %v", a, err)
	}
	n := newNight(t)
	n.rows = n.people(150, 60)
	for _, kind := range []string{twin.Status429, twin.Status500, twin.Status503, twin.DropBefore, twin.DropAfter, twin.Truncate, twin.ErrorBody, twin.EmptySuccess} {
		if err := n.tw.AddFault(twin.Fault{Vendor: "hubspot", Kind: kind, Rate: 0.03}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 12 {
		if i == 8 {
			n.tw.ClearFaults()
		}
		_, _, err := n.whole()
		if err != nil && i >= 8 {
			t.Fatal(err)
		}
		n.clock = n.clock.Add(time.Hour)
	}
	if n.tw.Digest(false) != calm.tw.Digest(false) {
		t.Error("the portal does not hold what an undisturbed run leaves")
	}
	made := map[string]int{}
	for _, w := range n.tw.Writes() {
		if w.Vendor == "hubspot" && strings.Contains(w.Object, "contact") && w.Op == "create" {
			made[w.Key]++
		}
	}
	if len(made) != 60 {
		t.Errorf("%d contacts were made, want 60", len(made))
	}
	for id, c := range made {
		if c > 1 {
			t.Errorf("%s was made %d times", id, c)
		}
	}
}

var errCrash = errors.New("crash")

func TestCrashAtEveryStepAgainstThePortal(t *testing.T) {
	points := 0
	calm := newNight(t)
	calm.rows = calm.people(6, 4)
	calm.at = func(string) error { points++; return nil }
	if _, _, err := calm.whole(); err != nil {
		t.Fatal(err)
	}
	want := calm.tw.Digest(false)
	for i := 1; i <= points; i++ {
		n := newNight(t)
		n.rows = n.people(6, 4)
		k, where := 0, ""
		n.at = func(p string) error {
			if k++; k == i {
				where = p
				return errCrash
			}
			return nil
		}
		if _, _, err := n.whole(); !errors.Is(err, errCrash) {
			t.Fatalf("step %d: %v", i, err)
		}
		n.at = nil
		var last *activate.Plan
		for range 2 {
			var err error
			if last, _, err = n.whole(); err != nil {
				t.Fatalf("after a crash at step %d (%s): %v", i, where, err)
			}
		}
		if n.tw.Digest(false) != want || last.Verdict != activate.VerdictEmpty {
			t.Errorf("after a crash at step %d (%s) the portal differs, or something is left to do: %s", i, where, last.Verdict)
		}
	}
	t.Logf("%d steps", points)
}

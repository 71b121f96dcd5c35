package activate_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"millrace/activate"
	"millrace/activate/desttest"
	"millrace/internal/state"
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

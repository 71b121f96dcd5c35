package googledm

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"millrace/activate"
	"millrace/activate/desttest"
	"millrace/internal/state"
	"millrace/internal/twin"
	"millrace/internal/twin/store"
	"millrace/transform/relation"
)

const file = `version: 1
owner: ann
live: true
relation: segments.people
destination: google_data_manager
config: {customer_id: "4815162342", client_id: x, client_secret: x, refresh_token: x, ad_user_data: granted, ad_personalization: granted, customer_match_terms_accepted: true}
object: "7700001"
mode: audience
key: person_id
mapping: {email: email}
consent: not_needed
guardrails: {first_run: allow, max_removed_pct: 100}
`

// One call in four fails; people join and leave meanwhile. In the end the list holds exactly the people of the relation,
// and every row has an outcome: counts are not taken for answers about rows.
func TestFailingGoogle(t *testing.T) {
	tw, base := startTwin(t)
	for _, kind := range []string{twin.Status429, twin.Status500, twin.Status503, twin.DropBefore, twin.DropAfter, twin.Truncate, twin.ErrorBody, twin.EmptySuccess} {
		if err := tw.AddFault(twin.Fault{Vendor: "google", Path: "/v1/", Kind: kind, Rate: 0.035}); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "state.db")
	clock := time.Date(2026, 3, 2, 6, 0, 0, 0, time.UTC)
	people := func(from, to int) []map[string]any {
		var out []map[string]any
		for i := from; i < to; i++ {
			out = append(out, map[string]any{"person_id": fmt.Sprintf("p%03d", i), "email": fmt.Sprintf("p%03d@people.example", i)})
		}
		return out
	}
	var rows []map[string]any
	version := ""
	night := func() (*activate.Plan, map[string]int, error) {
		db, err := state.Open(context.Background(), path)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		s, err := activate.ParseSync("people", "activate/people.yml", []byte(file), nil, []activate.Connector{Connector()})
		if err != nil {
			t.Fatal(err)
		}
		rel := relation.Relation{Name: "segments.people", Version: version, Columns: []relation.Column{{Name: "person_id"}, {Name: "email", PII: "email"}}}
		e := &activate.Engine{State: db, Target: "prod", RunID: "r", By: "ann", Now: clock, Patience: time.Hour, Clock: func() time.Time { return clock }, Rand: func() float64 { return 0.5 },
			Sleep: func(_ context.Context, d time.Duration) error { clock = clock.Add(d); return nil },
			Open: func(context.Context, string) (activate.Warehouse, func() error, error) {
				return &desttest.Source{ID: "b" + version, Rel: rel, Rows: rows}, func() error { return nil }, nil
			}}
		d := dest(t, options(base))
		if _, err := e.Continue(t.Context(), s, d); err != nil {
			return nil, nil, err
		}
		p, err := e.Plan(t.Context(), s, d)
		if err != nil {
			return nil, nil, err
		}
		if p.State == state.PlanApproved {
			if _, err := e.Apply(t.Context(), s, d, p.ID); err != nil {
				return p, nil, err
			}
		}
		n, err := db.Outbox.Counts(t.Context(), state.Filter{})
		return p, n, err
	}
	var last *activate.Plan
	var counts map[string]int
	for i := range 10 {
		rows, version = people(i*5, 60+i*5), fmt.Sprint(i)
		if i >= 6 {
			rows, version = people(30, 90), "6"
		}
		if i == 7 {
			tw.ClearFaults()
		}
		p, n, err := night()
		if err != nil && i >= 7 {
			t.Fatal(err)
		}
		last, counts = p, n
		clock = clock.Add(time.Hour)
	}
	members := 0
	tw.View(func(s *store.State) { members = len(s.Audiences.List("7700001").Members) })
	if last.Verdict != activate.VerdictEmpty || members != 60 {
		t.Errorf("%d members of 60, last plan %s (%v), rows %v", members, last.Verdict, last.Drops, counts)
	}
	for _, st := range []string{state.RowPending, state.RowRetry, state.RowInflight, state.RowUnknown, state.RowAccepted} {
		if counts[st] > 0 {
			t.Errorf("rows left: %v", counts)
		}
	}
	if counts[state.RowAcked] > 0 {
		t.Errorf("Google answers about no row, and %d are called acknowledged one by one", counts[state.RowAcked])
	}
}

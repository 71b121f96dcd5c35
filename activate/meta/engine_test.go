package meta

import (
	"fmt"
	"strings"
	"testing"

	"millrace/activate"
	"millrace/activate/desttest"
	"millrace/internal/twin"
	"millrace/internal/twin/store"
	"millrace/transform/relation"
)

const config = `config: {access_token: x, app_secret: x, ad_account_id: "1010101010101", currency: USD}
`

func night[D activate.Destination](t *testing.T, file string, columns ...string) (*desttest.Night, *twin.Twin) {
	tw, base := startTwin(t)
	return desttest.NewNight(t, Connectors(), file, columns, func() activate.Destination { return opened[D](t, base, nil) }), tw
}

func disturb(t *testing.T, tw *twin.Twin, rate float64) {
	for _, kind := range []string{twin.Status429, twin.Status500, twin.Status503, twin.DropBefore, twin.DropAfter, twin.Truncate, twin.ErrorBody, twin.EmptySuccess} {
		if err := tw.AddFault(twin.Fault{Vendor: "meta", Kind: kind, Rate: rate}); err != nil {
			t.Fatal(err)
		}
	}
}

const audienceFile = `destination: meta_audience
config: {access_token: x, app_secret: x, ad_account_id: "1010101010101"}
object: "23850000000000001"
mode: audience
key: person_id
mapping: {email: email}
consent: not_needed
guardrails: {first_run: allow, max_removed_pct: 100}
`

func audienceNight(t *testing.T, people int) (*desttest.Night, *twin.Twin) {
	n, tw := night[*audience](t, audienceFile, "person_id", "email")
	for i := range people {
		n.Rows = append(n.Rows, map[string]any{"person_id": fmt.Sprint("p", i), "email": fmt.Sprintf("p%d@people.example", i)})
	}
	return n, tw
}

// One call in four fails. In the end the audience holds exactly the people of the relation, and no row is claimed.
func TestFailingAudience(t *testing.T) {
	n, tw := audienceNight(t, 60)
	disturb(t, tw, 0.035)
	desttest.FailingNights(t, n, 12, 6, tw.ClearFaults)
	members := 0
	tw.View(func(s *store.State) { members = len(s.Docs.Set("meta.audience.23850000000000001")) })
	if members != 60 {
		t.Errorf("%d members of 60", members)
	}
	n.Rows, n.Relation.Version = n.Rows[:50], "2"
	p, _, err := n.Whole()
	if err != nil || p.Ops["remove"] != 10 {
		t.Fatalf("%+v %v", p, err)
	}
	tw.View(func(s *store.State) { members = len(s.Docs.Set("meta.audience.23850000000000001")) })
	if members != 50 {
		t.Errorf("%d members of 50", members)
	}
}

func TestCrashAtEveryStepOfAnAudience(t *testing.T) {
	desttest.CrashEverywhere(t, func() (*desttest.Night, func() string) {
		n, tw := audienceNight(t, 5)
		return n, func() string { return tw.Digest(false) }
	})
}

const eventFile = `destination: meta_conversions
` + config + `object: "2020202020202"
mode: event
key: deal_id
mapping: {event_name: name, event_time: at, email: email, value: amount}
guardrails: {first_run: allow}
`

func eventNight(t *testing.T, n int) (*desttest.Night, *twin.Twin) {
	g, tw := night[*events](t, eventFile, "deal_id", "name", "at", "email", "amount")
	for i := range n {
		g.Rows = append(g.Rows, map[string]any{"deal_id": fmt.Sprint("d", i), "name": "Purchase", "at": "2026-03-01T10:00:00Z", "email": fmt.Sprintf("p%d@people.example", i), "amount": i + 1})
	}
	return g, tw
}

func told(tw *twin.Twin) (events, effective int) {
	tw.View(func(s *store.State) { events = len(s.Docs.Table("meta.event.2020202020202").All()) })
	for _, w := range tw.Writes() {
		if w.Object == "meta.event.2020202020202" && len(w.Changed) > 0 {
			effective++
		}
	}
	return events, effective
}

// Whatever fails, every event is told, and none counts twice.
func TestFailingEvents(t *testing.T) {
	n, tw := eventNight(t, 40)
	disturb(t, tw, 0.05)
	desttest.FailingNights(t, n, 12, 6, tw.ClearFaults)
	if all, effective := told(tw); all != 40 || effective != 40 {
		t.Errorf("%d events, %d times", all, effective)
	}
}

// One event that Meta refuses and the destination cannot foresee spoils its call; halving finds it, the others are told.
func TestOneBadEventIsFound(t *testing.T) {
	n, tw := eventNight(t, 33)
	n.File = strings.Replace(n.File, "value: amount}", "value: amount, currency: currency}", 1)
	n.Relation.Columns = append(n.Relation.Columns, relation.Column{Name: "currency"})
	for i, r := range n.Rows {
		r["currency"] = "USD"
		if i == 17 {
			r["currency"] = "DOLLARS"
		}
	}
	_, a, err := n.Whole()
	if err != nil || a.Acked() != 32 || a.States["rejected"] != 1 {
		t.Fatalf("%+v %v", a, err)
	}
	if all, effective := told(tw); all != 32 || effective != 32 {
		t.Errorf("%d events, %d times", all, effective)
	}
}

func TestCrashAtEveryStepOfEvents(t *testing.T) {
	desttest.CrashEverywhere(t, func() (*desttest.Night, func() string) {
		n, tw := eventNight(t, 4)
		return n, func() string { return tw.Digest(false) }
	})
}

const spendFile = `destination: meta_campaigns
` + config + `object: campaigns
mode: update
key: id
mapping: {daily_budget: budget, status: {column: state}}
guardrails: {first_run: allow, max_changed_pct: 100}
`

func spendNight(t *testing.T) (*desttest.Night, *twin.Twin) {
	n, tw := night[*spend](t, spendFile, "id", "budget", "state")
	n.Rows = []map[string]any{{"id": "120200000000000001", "budget": "99.95", "state": "active"}, {"id": "120200000000000002", "budget": "45", "state": "paused"}, {"id": "120200000000000009", "budget": "1", "state": "paused"}}
	return n, tw
}

func budgetsOf(tw *twin.Twin) string {
	var b strings.Builder
	tw.View(func(s *store.State) {
		for _, d := range s.Docs.Table("meta.campaign").All() {
			fmt.Fprintln(&b, d.ID, d.Fields["status"], d.Fields["daily_budget"])
		}
	})
	return b.String()
}

// Money moves by exactly what was planned, and back: $99.95 is 9,995 cents, and undo restores what was there.
func TestBudgetsAndUndo(t *testing.T) {
	n, tw := spendNight(t)
	before := budgetsOf(tw)
	p, a, err := n.Whole()
	if err != nil || a.Acked() != 2 || a.States["rejected"] != 1 {
		t.Fatalf("%+v %v", a, err)
	}
	if got, want := budgetsOf(tw), "120200000000000001 ACTIVE 9995\n120200000000000002 PAUSED 4500\n120200000000000003 ACTIVE 8000\n"; got != want {
		t.Errorf("%s", got)
	}
	if _, a, err = n.Undo(p.ID); err != nil || a.Acked() != 2 {
		t.Fatalf("%+v %v", a, err)
	}
	if got := budgetsOf(tw); got != before {
		t.Errorf("%s\nwant %s", got, before)
	}
}

func TestFailingBudgets(t *testing.T) {
	n, tw := spendNight(t)
	n.Rows = n.Rows[:2]
	disturb(t, tw, 0.06)
	desttest.FailingNights(t, n, 14, 8, tw.ClearFaults)
	if got := budgetsOf(tw); !strings.HasPrefix(got, "120200000000000001 ACTIVE 9995\n120200000000000002 PAUSED 4500\n") {
		t.Errorf("%s", got)
	}
}

func TestCrashAtEveryStepOfBudgets(t *testing.T) {
	desttest.CrashEverywhere(t, func() (*desttest.Night, func() string) {
		n, tw := spendNight(t)
		n.Rows = n.Rows[:2]
		return n, func() string { return tw.Digest(false) }
	})
}

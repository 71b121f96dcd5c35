package linkedin

import (
	"fmt"
	"testing"

	"millrace/activate"
	"millrace/activate/desttest"
	"millrace/internal/twin"
	"millrace/internal/twin/store"
)

func night[D activate.Destination](t *testing.T, file string, columns ...string) (*desttest.Night, *twin.Twin) {
	tw, base := startTwin(t)
	return desttest.NewNight(t, Connectors(), file, columns, func() activate.Destination { return opened[D](t, base, nil) }), tw
}

func disturb(t *testing.T, tw *twin.Twin, rate float64) {
	for _, kind := range []string{twin.Status429, twin.Status500, twin.Status503, twin.DropBefore, twin.DropAfter, twin.Truncate, twin.ErrorBody, twin.EmptySuccess} {
		if err := tw.AddFault(twin.Fault{Vendor: "linkedin", Kind: kind, Rate: rate}); err != nil {
			t.Fatal(err)
		}
	}
}

const acctConfig = `config: {access_token: x, ad_account_id: "507000001", version: "202608"}
`

func audienceNight(t *testing.T, people int) (*desttest.Night, *twin.Twin) {
	n, tw := night[*audience](t, "destination: linkedin_audience\n"+acctConfig+`object: "13000001"
mode: audience
key: person_id
mapping: {email: email}
consent: not_needed
guardrails: {first_run: allow, max_removed_pct: 100}
`, "person_id", "email")
	for i := range people {
		n.Rows = append(n.Rows, map[string]any{"person_id": fmt.Sprint("p", i), "email": fmt.Sprintf("p%d@people.example", i)})
	}
	return n, tw
}

func members(tw *twin.Twin) (n int) {
	tw.View(func(s *store.State) { n = len(s.Docs.Set("linkedin.segment.13000001")) })
	return n
}

func TestFailingAudience(t *testing.T) {
	n, tw := audienceNight(t, 60)
	disturb(t, tw, 0.04)
	desttest.FailingNights(t, n, 12, 6, tw.ClearFaults)
	if got := members(tw); got != 60 {
		t.Errorf("%d members of 60", got)
	}
	n.Rows, n.Relation.Version = n.Rows[:50], "2"
	p, a, err := n.Whole()
	if err != nil || p.Ops["remove"] != 10 || a.Acked() != 10 || members(tw) != 50 {
		t.Fatalf("%+v %+v %v, %d members", p, a, err, members(tw))
	}
	if _, a, err = n.Undo(p.ID); err != nil || a.Acked() != 10 || members(tw) != 60 {
		t.Errorf("undo: %+v %v, %d members", a, err, members(tw))
	}
}

func TestCrashAtEveryStepOfAnAudience(t *testing.T) {
	desttest.CrashEverywhere(t, func() (*desttest.Night, func() string) {
		n, tw := audienceNight(t, 5)
		return n, func() string { return tw.Digest(false) }
	})
}

func eventNight(t *testing.T, rows int) (*desttest.Night, *twin.Twin) {
	n, tw := night[*events](t, "destination: linkedin_conversions\n"+acctConfig+`object: "104012"
mode: event
key: deal_id
mapping: {event_time: at, email: email, value: amount, currency: currency}
guardrails: {first_run: allow}
`, "deal_id", "at", "email", "amount", "currency")
	for i := range rows {
		n.Rows = append(n.Rows, map[string]any{"deal_id": fmt.Sprint("d", i), "at": "2026-03-01T10:00:00Z", "email": fmt.Sprintf("p%d@people.example", i), "amount": i + 1, "currency": "USD"})
	}
	return n, tw
}

func effective(tw *twin.Twin) (n int) {
	for _, w := range tw.Writes() {
		if w.Object == "linkedin.event" && len(w.Changed) > 0 {
			n++
		}
	}
	return n
}

func TestFailingEvents(t *testing.T) {
	n, tw := eventNight(t, 40)
	disturb(t, tw, 0.05)
	desttest.FailingNights(t, n, 12, 6, tw.ClearFaults)
	if got := effective(tw); got != 40 {
		t.Errorf("%d events told of 40", got)
	}
}

// LinkedIn names the bad event by its index: one more call, and the others are told.
func TestABadEventIsNamed(t *testing.T) {
	n, tw := eventNight(t, 9)
	n.Rows[4]["currency"] = "$$$"
	n.Rows[7]["email"] = "nobody"
	_, a, err := n.Whole()
	if err != nil || a.Acked() != 8-1 || a.States["rejected"] != 2 || effective(tw) != 7 {
		t.Errorf("%+v %v, %d told", a, err, effective(tw))
	}
}

func TestCrashAtEveryStepOfEvents(t *testing.T) {
	desttest.CrashEverywhere(t, func() (*desttest.Night, func() string) {
		n, tw := eventNight(t, 4)
		return n, func() string { return tw.Digest(false) }
	})
}

func spendNight(t *testing.T) (*desttest.Night, *twin.Twin) {
	n, tw := night[*spend](t, "destination: linkedin_campaigns\n"+`config: {access_token: x, ad_account_id: "507000001", version: "202608", currency: USD}
object: campaigns
mode: update
key: id
mapping: {daily_budget: budget, status: state}
guardrails: {first_run: allow, max_changed_pct: 100}
`, "id", "budget", "state")
	n.Rows = []map[string]any{{"id": campaignIDs[0], "budget": "99.95", "state": "active"}, {"id": campaignIDs[1], "budget": "45", "state": "paused"}}
	return n, tw
}

func budgetsOf(tw *twin.Twin) (out string) {
	tw.View(func(s *store.State) {
		for _, c := range s.Ads.Campaigns {
			if c.Platform == "linkedin" {
				out += fmt.Sprintln(c.ID, c.Status, c.Budget)
			}
		}
	})
	return out
}

// Money moves by exactly what was planned, and back.
func TestBudgetsAndUndo(t *testing.T) {
	n, tw := spendNight(t)
	n.Rows = append(n.Rows, map[string]any{"id": "4711", "budget": "50", "state": "active"}) // somebody else's
	before := budgetsOf(tw)
	p, a, err := n.Whole()
	if err != nil || a.Acked() != 2 || a.States["rejected"] != 1 {
		t.Fatalf("%+v %v", a, err)
	}
	if got, want := budgetsOf(tw), "21000000003 ENABLED 99950000\n21000000004 PAUSED 45000000\n"; got != want {
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
	disturb(t, tw, 0.06)
	desttest.FailingNights(t, n, 14, 8, tw.ClearFaults)
	if got, want := budgetsOf(tw), "21000000003 ENABLED 99950000\n21000000004 PAUSED 45000000\n"; got != want {
		t.Errorf("%s", got)
	}
}

func TestCrashAtEveryStepOfBudgets(t *testing.T) {
	desttest.CrashEverywhere(t, func() (*desttest.Night, func() string) {
		n, tw := spendNight(t)
		return n, func() string { return tw.Digest(false) }
	})
}

package market

import (
	"encoding/json"
	"testing"
	"time"

	"millrace/internal/twin/store"
)

func generate(t testing.TB, size string, seed uint64, start string) *store.State {
	t.Helper()
	st, err := Market{}.Generate(store.Header{Format: 1, Seed: seed, Size: size, Start: start})
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// TestSmallMarketHasWhatABusinessHas holds the small market to the sizes that docs/twin.md promises.
func TestSmallMarketHasWhatABusinessHas(t *testing.T) {
	st := generate(t, "small", 1, "2026-03-02")
	s := Of(st)
	between := func(what string, got, lo, hi int) {
		t.Helper()
		if got < lo || got > hi {
			t.Errorf("%s: %d, want %d to %d", what, got, lo, hi)
		}
	}
	between("accounts", len(s.accounts), 370, 430)
	between("people", len(s.people), 1_800, 2_200)
	between("contacts", st.CRM.Table("contacts").Len(), 1_900, 2_400)
	between("leads", st.CRM.Table("leads").Len(), 400, 520)
	between("deals", st.CRM.Table("deals").Len(), 200, 500)
	between("customers that pay", len(s.customers), 60, 200)
	between("campaigns", len(st.Ads.Campaigns), 4, 4)
	between("tickets", st.CRM.Table("tickets").Len(), 40, 400)
	between("refunds", len(st.Billing.Refunds), 1, 60)
	perPerson := map[string]int{}
	for _, p := range s.Truth.Persons {
		perPerson[p]++
	}
	several := 0
	for _, p := range s.people {
		several += btoi(perPerson[p.id()] >= 2)
	}
	between("people with two identities or more, of 1,000", several*1000/len(s.people), 800, 1000)
	currencies, statuses := map[string]int{}, map[string]int{}
	for _, x := range st.Billing.Subscriptions {
		currencies[x.Currency]++
		statuses[x.Status]++
	}
	if currencies["usd"] == 0 || currencies["eur"] == 0 || statuses["active"] == 0 || statuses["canceled"] == 0 {
		t.Errorf("subscriptions by currency %v, by status %v", currencies, statuses)
	}
	stages := map[string]int{}
	deals, _ := st.CRM.Table("deals").After(0, 10_000, false)
	for _, d := range deals {
		stages[d.Props["dealstage"]]++
		for i, h := range d.History["dealstage"] {
			if i > 0 && h.At.Before(d.History["dealstage"][i-1].At) {
				t.Fatalf("deal %d: stage history runs backwards", d.ID)
			}
		}
	}
	if stages["closedwon"] == 0 || stages["closedlost"] == 0 || stages["qualifiedtobuy"] == 0 {
		t.Errorf("deals by stage: %v", stages)
	}
	routes := map[string]int{}
	for _, r := range s.Truth.Routes {
		routes[r.Route]++
	}
	between("leads that sales took, of 1,000", routes["sales"]*1000/len(s.Truth.Routes), 250, 750)
}

// TestNothingHappensAfterTheDate: the vendors know of nothing on or after the logical date.
func TestNothingHappensAfterTheDate(t *testing.T) {
	st := generate(t, "tiny", 3, "2026-03-02")
	for range 3 {
		for _, typ := range st.CRM.Types() {
			rows, _ := st.CRM.Table(typ).After(0, 1<<30, false)
			for _, r := range rows {
				if !r.Updated.Before(st.Date) || !r.Created.Before(st.Date) {
					t.Errorf("%s %d: created %s, updated %s, the date is %s", typ, r.ID, r.Created, r.Updated, st.Date)
				}
			}
		}
		b := st.Billing
		for _, i := range b.Invoices {
			if !i.Created.Before(st.Date) {
				t.Errorf("invoice %s of %s", i.ID, i.Created)
			}
		}
		for _, e := range b.Events {
			if !e.Created.Before(st.Date) {
				t.Errorf("event %s of %s", e.Type, e.Created)
			}
		}
		next := st.Date.AddDate(0, 0, 1)
		Market{}.Advance(st, next)
		st.SetDate(next)
	}
}

// TestEachDayBringsChanges: the day after the start has a new lead, a moved deal, an unsubscribe, a refund and restated
// spend, and touches only a part of what is there.
func TestEachDayBringsChanges(t *testing.T) {
	for _, size := range []string{"tiny", "small"} {
		for seed := uint64(1); seed <= 4; seed++ {
			st := generate(t, size, seed, "2026-03-02")
			day1 := st.Date
			leads, refunds := st.CRM.Table("leads").Len(), len(st.Billing.Refunds)
			spend := restated(st)
			Market{}.Advance(st, day1.AddDate(0, 0, 1))
			st.SetDate(day1.AddDate(0, 0, 1))
			touched, left := 0, 0
			contacts, _ := st.CRM.Table("contacts").After(0, 1<<30, false)
			for _, c := range contacts {
				touched += btoi(!c.Updated.Before(day1))
				for _, h := range c.History["hs_email_optout"] {
					left += btoi(h.Value == "true" && !h.At.Before(day1))
				}
			}
			moved := 0
			deals, _ := st.CRM.Table("deals").After(0, 1<<30, false)
			for _, d := range deals {
				for _, h := range d.History["dealstage"] {
					moved += btoi(!h.At.Before(day1))
				}
			}
			if st.CRM.Table("leads").Len() == leads || moved == 0 || left == 0 || len(st.Billing.Refunds) == refunds {
				t.Errorf("%s, seed %d: leads %d to %d, %d deals moved, %d left, refunds %d to %d", size, seed, leads, st.CRM.Table("leads").Len(), moved, left, refunds, len(st.Billing.Refunds))
			}
			if touched == 0 || touched > len(contacts)/5 {
				t.Errorf("%s, seed %d: %d of %d contacts changed on one day", size, seed, touched, len(contacts))
			}
			if again := restated(st); again == spend {
				t.Errorf("%s, seed %d: no spend of past days was restated", size, seed)
			}
		}
	}
}

// restated is the spend of the days before the start as the platform shows it now.
func restated(st *store.State) string {
	var out []store.AdDay
	for _, d := range st.Ads.Days {
		if d.Day.Before(time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)) {
			out = append(out, d.At(st.Date))
		}
	}
	b, _ := json.Marshal(out)
	return string(b)
}

// TestAWriteMovesOnlyWhatItTouches: routing one lead changes that lead's answer and nothing about other people.
func TestAWriteMovesOnlyWhatItTouches(t *testing.T) {
	play := func(write bool) *Sim {
		st := generate(t, "small", 5, "2026-03-02")
		s := Of(st)
		if write {
			for _, p := range s.people {
				if p.lead != nil && !p.lead.answered && p.lead.route != "sales" && p.lead.day >= Days-4 {
					s.routed(p.lead.contact, "Call today: sales", st.Now())
					break
				}
			}
			if len(s.Truth.Reactions) != 1 {
				t.Fatalf("%d reactions", len(s.Truth.Reactions))
			}
		}
		Market{}.Advance(st, st.Date.AddDate(0, 0, 2))
		return s
	}
	calm, routed := play(false), play(true)
	who := routed.Truth.Reactions[0].Person
	fast := false
	for _, a := range routed.Truth.Answers {
		fast = fast || a.Person == who && a.By == "millrace" && a.Hours <= 4
	}
	if !fast {
		t.Errorf("%s was routed to sales and not answered fast", who)
	}
	others := func(s *Sim) string {
		var out []Answer
		for _, a := range s.Truth.Answers {
			if a.Person != who {
				out = append(out, a)
			}
		}
		b, _ := json.Marshal(out)
		return string(b)
	}
	if others(calm) != others(routed) {
		t.Error("routing one lead changed the answers of others")
	}
}

func BenchmarkGenerate(b *testing.B) {
	for _, size := range []string{"tiny", "small", "medium"} {
		b.Run(size, func(b *testing.B) {
			for b.Loop() {
				generate(b, size, 1, "2026-03-02")
			}
		})
	}
}

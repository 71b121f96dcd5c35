package market

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"millrace/internal/twin/store"
)

// service is the day's tickets and unsubscribes.
func (s *Sim) service() {
	for _, a := range s.customers {
		if a.sub == nil {
			continue
		}
		if d := s.draw("ticket", a.n, s.day); d.chance(14 - a.engaged/100) {
			s.openTicket(a, d)
		}
	}
	// A third of a per cent of the reachable contacts leave each week.
	n := s.st.CRM.Table("contacts").Len()
	d := s.draw("leave", s.day)
	for range n*5/10_000 + btoi(d.n(10_000) < n*5%10_000) {
		s.unsubscribe(d)
	}
}

func (s *Sim) openTicket(a *account, d *draws) {
	p := pick(d, a.people)
	at := s.stamp(d, 7, 20)
	s.ids.ticket++
	t := s.st.CRM.Table("tickets")
	r := t.Insert(6_000_000+s.ids.ticket, at)
	s.set("tickets", r, map[string]string{
		"subject": pick(d, ticketSubjects), "content": "Reported through the help desk.", "hs_pipeline": "0", "hs_pipeline_stage": "1",
		"hs_ticket_priority": []string{"LOW", "MEDIUM", "HIGH", "URGENT"}[d.weighted(35, 40, 20, 5)], "hs_ticket_category": []string{"PRODUCT_ISSUE", "BILLING_ISSUE", "FEATURE_REQUEST", "GENERAL_INQUIRY"}[d.n(4)],
		"source_type": []string{"EMAIL", "CHAT", "FORM"}[d.n(3)],
	}, store.Change{At: at, SourceType: "INTEGRATION"})
	if len(p.contacts) > 0 {
		s.st.CRM.Link("tickets", r.ID, "contacts", p.contacts[0])
	}
	if len(a.ids) > 0 {
		s.st.CRM.Link("tickets", r.ID, "companies", a.ids[0])
	}
	move := func(after, stage int) {
		s.on(s.day+after, func() {
			d := s.draw("ticket stage", int(r.ID), stage)
			c := store.Change{At: s.stamp(d, 9, 18), SourceType: "CRM_UI"}
			t.Set(r, "hs_pipeline_stage", fmt.Sprint(stage), c)
			if stage == 4 {
				t.Set(r, "closed_date", store.Stamp(c.At), c)
			}
		})
	}
	days := d.between(1, 12)
	move(1, 3)
	move(days+1, 4)
}

var ticketSubjects = []string{
	"Export does not finish", "Invoice address is wrong", "How do I add a user?", "Dashboard is slow", "Login fails with single sign-on",
	"Question about the API limit", "Report shows old numbers", "Please delete a workspace",
}

// unsubscribe takes a drawn contact off the mailing lists.
func (s *Sim) unsubscribe(d *draws) bool {
	t := s.st.CRM.Table("contacts")
	for range 30 {
		r := t.Get(1_000_001 + int64(d.n(int(s.ids.contact))))
		if r == nil || r.Archived || r.Props["hs_email_optout"] == "true" {
			continue
		}
		at := s.stamp(d, 6, 22)
		if !at.After(r.Updated) {
			continue
		}
		c := store.Change{At: at, SourceType: "EMAIL"}
		t.Set(r, "hs_email_optout", "true", c)
		t.Set(r, "consent_status", "denied", c)
		t.Set(r, "consent_timestamp", store.Stamp(at), c)
		return true
	}
	return false
}

// promises: a day after the start always brings something of each kind, in the smallest market too, so that the second
// run of a demonstration has work.
func (s *Sim) promises() {
	d := s.draw("promises", s.day)
	if s.counted.dealMoves == 0 && len(s.openDeals) > 0 {
		s.moveDeal(pick(d, s.openDeals))
	}
	today := s.begin.AddDate(0, 0, s.day)
	refunds, charges := s.st.Billing.Refunds, s.st.Billing.Charges
	if len(refunds) == 0 || refunds[len(refunds)-1].Created.Before(today) {
		for i := len(charges) - 1; i >= 0; i-- {
			// The oldest is taken when no draw fell on a later one: a day without a refund would break the promise.
			if c := charges[i]; c.Status == "succeeded" && c.Refunded == 0 && c.Created.Before(today) && (d.chance(300) || i == 0) {
				s.refund(c, d)
				break
			}
		}
	}
	s.unsubscribe(d)
}

// Usage is what one person did in the product on one day.
type Usage struct {
	Day              int
	Person           int
	Minutes, Actions int
}

func (s *Sim) startUsing(p *person, at time.Time, d *draws) {
	p.productID = fmt.Sprintf("usr_%06d", p.n+1)
	s.Truth.Persons["product/users/"+p.productID] = p.id()
	if len(p.contacts) > 0 && d.chance(600) {
		t := s.st.CRM.Table("contacts")
		c := store.Change{At: at, SourceType: "INTEGRATION"}
		t.Set(t.Get(p.contacts[0]), "product_user_id", p.productID, c)
		if q := pick(d, p.acct.people); q != p && len(q.contacts) > 0 && q.productID == "" && d.chance(8) {
			t.Set(t.Get(q.contacts[0]), "product_user_id", p.productID, c) // two who share a login
		}
	}
	if len(p.anon) == 0 && d.chance(500) {
		anon := d.uuid()
		p.anon = append(p.anon, anon)
		s.Truth.Persons["web/anonymous/"+anon] = p.id()
	}
	if n := len(p.anon); n > 0 && s.Truth.Persons["web/anonymous/"+p.anon[n-1]] == p.id() {
		p.productAnon = p.anon[len(p.anon)-1]
	}
}

// use is the day's product usage of every account with a running contract.
func (s *Sim) use() {
	rest := s.weekend(s.day)
	for _, a := range s.customers {
		if a.sub == nil {
			continue
		}
		for _, p := range a.people {
			if p.productID == "" {
				continue
			}
			d := s.draw("use", p.n, s.day)
			if chance := a.engaged; d.chance(chance) && (!rest || d.chance(150)) {
				s.usage = append(s.usage, Usage{Day: s.day, Person: p.n, Minutes: d.between(3, 95), Actions: d.between(1, 140)})
			}
		}
	}
}

// react is what the market does about a write of a client. It is simple on purpose, and written in docs/twin.md:
//
//   - A contact whose next step or route says "sales" is answered the next working morning instead of when the
//     representative gets to it, also when the representative had put it aside.
//   - A contact whose route says "nurture" before anybody decided is not called.
//   - A person on an audience has a 15 % better chance of becoming an opportunity.
//
// What the market did about it is in Truth.Reactions.
func (s *Sim) react(e store.Effect, c store.Change) {
	switch e.Kind {
	case "crm.create", "crm.update":
		if t := s.st.CRM.Table(e.Object); t == nil || t.Type != "contacts" {
			return
		}
		id, err := store.ParseID(e.ID)
		if err != nil {
			return
		}
		for _, k := range keys(e.Fields) {
			if strings.Contains(k, "next_step") || strings.Contains(k, "route") {
				s.routed(id, e.Fields[k], c.At)
			}
		}
	case "audience.ingest", "audience.remove":
		if s.byHash == nil {
			s.byHash = map[string]*person{}
		}
		if s.hashed < len(s.people) {
			for _, p := range s.people[s.hashed:] {
				sum := sha256.Sum256([]byte(p.email))
				s.byHash[hex.EncodeToString(sum[:])] = p
			}
			s.hashed = len(s.people)
		}
		for _, h := range keys(e.Fields) {
			if p := s.byHash[h]; p != nil {
				p.audience = e.Kind == "audience.ingest"
				s.Truth.Reactions = append(s.Truth.Reactions, Reaction{Person: p.id(), At: c.At, What: strings.TrimPrefix(e.Kind, "audience.")})
			}
		}
	}
}

func (s *Sim) routed(contact int64, value string, at time.Time) {
	p := s.byContact[contact]
	if p == nil || p.lead == nil || p.lead.answered {
		return
	}
	l := p.lead
	switch v := strings.ToLower(value); {
	case strings.Contains(v, "sales") && !(l.by == "millrace" && l.route == "sales"):
		before := l.route
		l.route, l.by = "sales", "millrace"
		rep := s.repFor(p.acct, s.day)
		day := s.day
		for s.weekend(day) {
			day++
		}
		s.on(day, func() {
			if l.by == "millrace" && l.route == "sales" {
				s.answer(p, l, rep, 3)
			}
		})
		s.Truth.Reactions = append(s.Truth.Reactions, Reaction{Person: p.id(), At: at, What: "answered fast", Before: before})
	case strings.Contains(v, "nurture") && l.route == "":
		l.route, l.by = "nurture", "millrace"
		s.Truth.Reactions = append(s.Truth.Reactions, Reaction{Person: p.id(), At: at, What: "not called"})
	}
}

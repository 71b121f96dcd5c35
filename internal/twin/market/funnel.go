package market

import (
	"fmt"
	"math/big"
	"strings"
	"time"

	"millrace/internal/twin/store"
)

// lead is one request of one person that sales may answer.
type lead struct {
	contact  int64
	at       time.Time
	day      int
	route    string // sales, nurture, "" not yet decided
	by       string // rep, millrace
	answered bool
	fit      int
}

// arrivals are the day's new people: some at new companies, some at known ones, some known ones who come back.
func (s *Sim) arrivals() {
	from, to := s.size.Leads*s.day/100, s.size.Leads*(s.day+1)/100
	n := to - from
	if s.day >= Days {
		n = max(n, 1)
	}
	for i := range n {
		s.arrive(i)
	}
}

// arrive is one first visit. It leads to a form some days later, with more visits between.
func (s *Sim) arrive(i int) {
	d := s.draw("arrive", s.day, i)
	var p *person
	switch kind := d.weighted(30, 50, 20); {
	case kind == 0, len(s.accounts) == 0:
		a := s.newAccount()
		p = s.newPerson(a)
		for range d.between(1, 3) { // colleagues who turn up later
			c := s.newPerson(a)
			s.on(s.day+d.between(4, 40), func() { s.joinLater(c) })
		}
	case kind == 2 && len(s.people) > 10:
		p = pick(d, s.people)
	default:
		p = s.newPerson(pick(d, s.accounts))
	}
	// Which campaign they came through, and whether they would have come without it.
	ch := d.weighted(channelWeights()...)
	p.campaign, p.caused = channels[ch].campaign, false
	if p.campaign >= 0 {
		p.caused = d.chance(trueEffects[p.campaign].incremental)
	}
	s.Truth.cause(p, channels[ch].name, p.campaign)
	anon := d.uuid()
	p.anon = append(p.anon, anon)
	s.Truth.Persons["web/anonymous/"+anon] = p.id()
	s.visit(p, anon, s.day, ch, d)
	delay := []int{0, 1, 2, 4, 7}[d.weighted(45, 20, 15, 12, 8)]
	if s.day >= Days && i == 0 {
		delay = 0 // every day after the start brings a lead
	}
	for v := range delay {
		if d.chance(400) {
			day := s.day + v + 1
			s.on(day, func() { s.visit(p, anon, s.day, returning(ch), s.draw("revisit", p.n, s.day)) })
		}
	}
	s.on(s.day+delay, func() { s.fill(p, anon, ch) })
}

// joinLater is a colleague who is entered by the representative or comes to the product.
func (s *Sim) joinLater(p *person) {
	d := s.draw("join", p.n)
	s.enterContact(p, p.email, s.stamp(d, 9, 17), "CRM_UI", map[string]string{"lifecyclestage": "lead", "hs_lead_status": "OPEN"})
}

// fill is a person who sends a form: a submission, a contact, a lead.
func (s *Sim) fill(p *person, anon string, ch int) {
	d := s.draw("fill", p.n, s.day)
	form := s.st.CRM.Forms[d.weighted(50, 30, 20)]
	at := s.stamp(d, 7, 21)
	email := p.email
	switch {
	case d.chance(35):
		local, domain, _ := strings.Cut(p.email, "@")
		if t := typo(local, d) + "@" + domain; !s.emails[t] {
			email = t
			s.emails[email] = true
		}
	case d.chance(40):
		email = strings.ToUpper(p.email[:1]) + p.email[1:]
	case d.chance(30):
		s.fillAsNobody(p, anon, form, at, pick(d, roleInboxes)+"@"+p.acct.domain, d)
		return
	case d.chance(20):
		s.fillAsNobody(p, anon, form, at, pick(d, dummyAddresses), d)
		return
	}
	c := channels[ch]
	page := "https://www.millstone.example" + c.landing + "?" + c.query()
	s.Truth.Persons["hubspot/form_submissions/"+s.submit(form, at, page, email, p, d)] = p.id()
	s.identify(p, anon, at, email)
	extra := map[string]string{
		"hs_analytics_source": c.hubspot, "hs_analytics_source_data_1": c.source, "utm_source": c.source, "utm_medium": c.medium,
		"recent_conversion_event_name": form.Name, "recent_conversion_date": store.Stamp(at), "hs_lead_status": "NEW",
	}
	if c.campaign >= 0 {
		extra["utm_campaign"] = s.st.Ads.Campaigns[c.campaign].UTM
	}
	known := s.st.CRM.Table("contacts").ByUnique("email", email)
	if known == nil {
		extra["lifecyclestage"] = "lead"
	}
	if len(p.acct.ids) == 0 {
		s.enterCompany(p.acct, at, "FORM")
	}
	r := s.enterContact(p, email, at.Add(2*time.Second), "FORM", extra)
	s.newLead(p, r, at)
}

// fillAsNobody is a form with an address that several people give: a mailbox that a team reads, or something typed to get
// past the field. Its record belongs to none of them.
func (s *Sim) fillAsNobody(p *person, anon string, form store.Form, at time.Time, email string, d *draws) {
	s.Truth.role("hubspot/form_submissions/"+s.submit(form, at, "https://www.millstone.example/contact", email, p, d), email)
	s.identify(p, anon, at, email)
	t := s.st.CRM.Table("contacts")
	r := t.ByUnique("email", email)
	if r == nil {
		s.ids.contact++
		r = t.Insert(1_000_000+s.ids.contact, at)
		s.Truth.role(fmt.Sprintf("hubspot/contacts/%d", r.ID), email)
		if len(p.acct.ids) > 0 && strings.HasSuffix(email, p.acct.domain) {
			s.st.CRM.Link("contacts", r.ID, "companies", p.acct.ids[0])
		}
	}
	s.set("contacts", r, map[string]string{
		"email": email, "firstname": p.first, "lastname": p.last, "phone": p.acct.phone, "company": p.acct.name,
		"lifecyclestage": "lead", "hs_lead_status": "NEW", "consent_status": "unknown", "hs_email_optout": "false",
	}, store.Change{At: at, SourceType: "FORM"})
}

// submit files a form and returns the submission's id.
func (s *Sim) submit(form store.Form, at time.Time, page, email string, p *person, d *draws) string {
	id := d.uuid()
	s.st.CRM.AddSubmission(store.Submission{
		ID: id, FormID: form.ID, At: at, PageURL: page,
		Fields: [][2]string{{"email", email}, {"firstname", p.first}, {"lastname", p.last}, {"company", p.acct.name}, {"jobtitle", p.job.title}},
	})
	return id
}

func (s *Sim) newLead(p *person, r *store.Record, at time.Time) {
	s.counted.leads++
	d := s.draw("lead", p.n, s.day)
	l := &lead{contact: r.ID, at: at, day: s.day, fit: p.fit}
	p.lead = l
	s.ids.lead++
	lr := s.st.CRM.Table("leads").Insert(8_000_000+s.ids.lead, at.Add(5*time.Second))
	s.set("leads", lr, map[string]string{
		"hs_lead_name": strings.TrimSpace(p.first + " " + p.last), "hs_lead_type": "NEW_BUSINESS", "hs_pipeline": "lead-pipeline-id",
		"hs_pipeline_stage": "new-stage-id", "hs_lead_label": []string{"WARM", "HOT", "COLD"}[d.n(3)],
	}, store.Change{At: lr.Created, SourceType: "INTEGRATION"})
	s.st.CRM.Link("leads", lr.ID, "contacts", r.ID)
	day := s.day + d.weighted(35, 40, 15, 10)
	for s.weekend(day) {
		day++
	}
	s.on(day, func() { s.routeByHand(p, l, lr) })
}

// routeByHand is a representative's decision: fit as they see it against what they are willing to take.
func (s *Sim) routeByHand(p *person, l *lead, lr *store.Record) {
	d := s.draw("route", p.n, l.day)
	rep := s.repFor(p.acct, s.day)
	at := s.stamp(d, 9, 17)
	if at.Before(l.at) {
		at = l.at.Add(time.Duration(d.between(20, 90)) * time.Minute)
	}
	seen := l.fit + d.between(-12, 12)
	route := "nurture"
	if seen >= rep.threshold {
		route = "sales"
	}
	s.Truth.Routes = append(s.Truth.Routes, Route{
		Contact: l.contact, Person: p.id(), At: at, Rep: rep.id, Route: route, Fit: l.fit, Overruled: l.route != "",
	})
	c := store.Change{At: at, SourceType: "CRM_UI", SourceID: fmt.Sprintf("userId:%d", rep.id-60_000_000), UserID: rep.id - 60_000_000}
	contacts := s.st.CRM.Table("contacts")
	r := contacts.Get(l.contact)
	if r == nil || r.Archived {
		return
	}
	if l.by == "" {
		l.route, l.by = route, "rep"
	}
	if r.Props["lead_route"] == "" {
		contacts.Set(r, "lead_route", route, c)
	}
	status := map[string]string{"sales": "OPEN", "nurture": "ATTEMPTED_TO_CONTACT"}[l.route]
	contacts.Set(r, "hs_lead_status", status, c)
	contacts.Set(r, "hubspot_owner_id", fmt.Sprint(rep.id), c)
	leads := s.st.CRM.Table("leads")
	leads.Set(lr, "hubspot_owner_id", fmt.Sprint(rep.id), c)
	leads.Set(lr, "hs_pipeline_stage", map[string]string{"sales": "attempting-stage-id", "nurture": "unqualified-stage-id"}[l.route], c)
	if !l.answered && l.route == "sales" {
		hours := d.between(2, 40)
		s.on(s.day+hours/24, func() { s.answer(p, l, rep, hours) })
	}
}

// answer is the first word of sales to a lead. How fast it comes changes what becomes of it.
func (s *Sim) answer(p *person, l *lead, rep *rep, hours int) {
	r := s.st.CRM.Table("contacts").Get(l.contact)
	if l.answered || r == nil || r.Archived {
		return
	}
	l.answered = true
	d := s.draw("answer", p.n, l.day)
	at := s.stamp(d, 9, 18)
	c := store.Change{At: at, SourceType: "CRM_UI", UserID: rep.id - 60_000_000}
	contacts := s.st.CRM.Table("contacts")
	contacts.Set(r, "hs_sa_first_engagement_date", store.Stamp(at), c)
	contacts.Set(r, "hs_lead_status", "IN_PROGRESS", c)
	chance := convertChance(l.fit, hours, p.audience)
	converts := d.chance(chance)
	s.Truth.answer(p, l, hours, chance, converts)
	if converts && !p.acct.opened {
		contacts.Set(r, "lifecyclestage", "salesqualifiedlead", c)
		s.on(s.day+d.between(1, 6), func() { s.openDeal(p.acct, p, "newbusiness") })
	} else if !converts {
		contacts.Set(r, "hs_lead_status", "UNQUALIFIED", c)
	}
}

// convertChance is the true chance, in permille, that an answered lead becomes an opportunity: fit beyond 30 counts
// 9 permille a point; an answer within 4 hours multiplies by 1.6, one after a day by 0.7; being reached by an audience
// multiplies by 1.15. Whether a campaign caused the lead does not matter.
func convertChance(fit, hours int, audience bool) int {
	c := 60 + 9*max(fit-30, 0)
	switch {
	case hours <= 4:
		c = c * 16 / 10
	case hours > 24:
		c = c * 7 / 10
	}
	if audience {
		c = c * 115 / 100
	}
	return min(c, 930)
}

// deal is an opportunity on its way.
type deal struct {
	acct  *account
	rec   *store.Record
	stage int
	owner *rep
	seats int
	wins  bool
	d     *draws
	next  int // day of the next move
	kind  string
}

func (s *Sim) openDeal(a *account, p *person, kind string) {
	if a.opened && kind == "newbusiness" {
		return
	}
	a.opened = true
	if len(a.ids) == 0 {
		s.enterCompany(a, s.at(s.day, 600), "CRM_UI")
	}
	s.ids.deal++
	n := int(s.ids.deal)
	d := s.draw("deal", n)
	at := s.stamp(d, 9, 18)
	if len(p.contacts) == 0 {
		s.enterContact(p, p.email, at, "CRM_UI", map[string]string{"lifecyclestage": "opportunity"})
	}
	owner := s.repFor(a, s.day)
	if a.owner == nil {
		a.owner = owner
	}
	seats := max(3, min(a.employees/d.between(20, 50), 150))
	x := &deal{acct: a, owner: owner, seats: seats, d: d, kind: kind}
	x.wins = d.chance(180 + 5*a.fit)
	t := s.st.CRM.Table("deals")
	x.rec = t.Insert(3_000_000+int64(n), at)
	monthly := s.price(a, seats).UnitAmount * int64(seats)
	props := map[string]string{
		"dealname": a.name + " - " + map[string]string{"newbusiness": "New", "existingbusiness": "Expansion"}[kind], "pipeline": "default",
		"dealstage": s.st.CRM.Stages[0].ID, "dealtype": kind, "hubspot_owner_id": fmt.Sprint(owner.id), "deal_currency_code": strings.ToUpper(a.country.currency),
		"amount": cents(monthly * 12), "closedate": store.Stamp(s.at(s.day+d.between(25, 70), 0)),
	}
	if d.chance(70) {
		delete(props, "amount") // entered without a value
	}
	s.set("deals", x.rec, props, store.Change{At: at, SourceType: "CRM_UI", UserID: owner.id - 60_000_000})
	s.st.CRM.Link("deals", x.rec.ID, "companies", a.ids[0])
	s.st.CRM.Link("deals", x.rec.ID, "contacts", p.contacts[0])
	c := store.Change{At: at, SourceType: "CRM_UI"}
	s.st.CRM.Table("contacts").Set(s.st.CRM.Table("contacts").Get(p.contacts[0]), "lifecyclestage", "opportunity", c)
	s.Truth.Deals = append(s.Truth.Deals, Deal{ID: x.rec.ID, Account: a.id(), Person: p.id(), Campaign: p.campaign, Caused: p.caused, Wins: x.wins})
	s.openDeals = append(s.openDeals, x)
	s.planMove(x)
}

func (s *Sim) planMove(x *deal) {
	x.next = s.day + x.d.between(2, 11)
	for s.weekend(x.next) {
		x.next++
	}
	day := x.next
	s.on(day, func() {
		if x.next == day {
			s.moveDeal(x)
		}
	})
}

// moveDeal takes a deal one stage on, sometimes back, or closes it.
func (s *Sim) moveDeal(x *deal) {
	s.counted.dealMoves++
	at := s.stamp(x.d, 9, 18)
	if !at.After(x.rec.Updated) {
		at = x.rec.Updated.Add(time.Minute)
	}
	c := store.Change{At: at, SourceType: "CRM_UI", UserID: x.owner.id - 60_000_000, SourceID: fmt.Sprintf("userId:%d", x.owner.id-60_000_000)}
	t, stages := s.st.CRM.Table("deals"), s.st.CRM.Stages
	last := len(stages) - 3 // the stage before closed won
	switch {
	case !x.wins && x.d.chance(220+200*x.stage), x.stage == last && !x.wins:
		s.closeDeal(x, "closedlost", c)
		return
	case x.stage == last:
		s.closeDeal(x, "closedwon", c)
		return
	case x.stage > 1 && x.d.chance(50):
		x.stage--
	default:
		x.stage++
	}
	t.Set(x.rec, "dealstage", stages[x.stage].ID, c)
	if x.d.chance(150) {
		t.Set(x.rec, "closedate", store.Stamp(s.at(s.day+x.d.between(10, 50), 0)), c)
	}
	s.planMove(x)
}

func (s *Sim) closeDeal(x *deal, stage string, c store.Change) {
	t := s.st.CRM.Table("deals")
	t.Set(x.rec, "dealstage", stage, c)
	t.Set(x.rec, "closedate", store.Stamp(c.At), c)
	won := stage == "closedwon"
	if !won {
		t.Set(x.rec, "closed_lost_reason", pick(x.d, []string{"price", "no decision", "competitor", "timing"}), c)
	}
	for i, o := range s.openDeals {
		if o == x {
			s.openDeals = append(s.openDeals[:i], s.openDeals[i+1:]...)
			break
		}
	}
	x.next = -1 << 30
	a := x.acct
	if !won {
		a.opened = false // they may come again
		return
	}
	monthly := s.price(a, x.seats).UnitAmount * int64(x.seats)
	t.Set(x.rec, "amount", cents(monthly*12), c)
	co, contacts := s.st.CRM.Table("companies"), s.st.CRM.Table("contacts")
	co.Set(co.Get(a.ids[0]), "lifecyclestage", "customer", c)
	for _, id := range x.rec.Assoc["contacts"] {
		contacts.Set(contacts.Get(id), "lifecyclestage", "customer", c)
	}
	if x.kind == "newbusiness" && a.sub == nil {
		seats := x.seats
		s.on(s.day+x.d.between(0, 3), func() { s.subscribe(a, seats, x.d.chance(180)) })
	} else if a.sub != nil {
		s.on(s.day+1, func() { s.changeSeats(a, a.sub.Quantity+int64(max(2, x.seats/5))) })
	}
}

// cents writes minor units as a decimal number.
func cents(n int64) string {
	return new(big.Rat).SetFrac64(n, 100).FloatString(2)
}

package market

import (
	"fmt"
	"strings"
	"time"

	"millrace/internal/twin/store"
)

type account struct {
	n         int
	name      string // as the company calls itself
	legal     string // with its legal form
	domain    string
	country   country
	employees int
	industry  string
	ids       []int64 // companies in the CRM; more than one when it was entered twice
	owner     *rep
	people    []*person
	fit       int // 0..100, what a good salesperson would see
	phone     string
	sub       *store.Subscription
	stripe    []string // customers
	opened    bool     // has or had an opportunity
	returns   int
	engaged   int // usage level, permille of users active on a working day
}

type person struct {
	n           int
	acct        *account
	first       string
	last        string
	nick        string
	job         jobTitle
	email       string // the working address
	phone       string
	fit         int // 0..100
	contacts    []int64
	anon        []string
	productID   string
	productAnon string // the browser they signed up with
	campaign    int    // that brought them, -1 none
	caused      bool
	lead        *lead
	audience    bool
	typed       map[string]bool // addresses they gave somewhere
}

// personID and accountID are the names of entities in the truth.
func (p *person) id() string  { return fmt.Sprintf("P%06d", p.n) }
func (a *account) id() string { return fmt.Sprintf("A%05d", a.n) }

// setupAccounts schedules the accounts that were there before the first day.
func (s *Sim) setupAccounts() {
	newAccounts := s.size.Leads * Days / 100 * 3 / 10
	initial := s.size.Accounts - newAccounts
	people := s.size.People - s.size.Leads*Days/100 - 2*newAccounts
	for i := range initial {
		// Days in order, so that numbers given by the CRM grow with time.
		day := -history + i*(history-20)/initial
		n := people/initial + btoi(i < people%initial)
		s.on(day, func() { s.oldAccount(n) })
	}
}

// oldAccount enters the CRM by import or by hand, with its people; half of them become customers.
func (s *Sim) oldAccount(people int) {
	a := s.newAccount()
	d := s.draw("old", a.n)
	s.enterCompany(a, s.stamp(d, 8, 18), "IMPORT")
	for range people {
		p := s.newPerson(a)
		s.enterContact(p, p.email, s.stamp(d, 8, 18), "IMPORT", map[string]string{"lifecyclestage": "lead", "hs_lead_status": "OPEN"})
	}
	a.owner = s.repFor(a, s.day)
	if d.chance(620) && people > 0 {
		p := pick(d, a.people)
		s.on(s.day+d.between(3, 40), func() { s.openDeal(a, p, "newbusiness") })
	}
	// Some open deals reach into the window, so that the pipeline is not empty on its first day.
	if d.chance(250) && people > 0 {
		p := pick(d, a.people)
		s.on(d.between(-25, 60), func() {
			if !a.opened {
				s.openDeal(a, p, "newbusiness")
			}
		})
	}
}

func (s *Sim) newAccount() *account {
	n := len(s.accounts)
	d := s.draw("account", n)
	a := &account{n: n, engaged: d.between(250, 700)}
	for try := 0; ; try++ {
		a.name = pick(d, companyFirst) + pick(d, companySecond) + " " + pick(d, companyThird)
		if try > 20 {
			a.name += fmt.Sprintf(" %d", n)
		}
		if !s.names[a.name] {
			break
		}
	}
	s.names[a.name] = true
	w := make([]int, len(countries))
	for i, c := range countries {
		w[i] = c.weight
	}
	a.country = countries[d.weighted(w...)]
	a.legal = a.name + " " + pick(d, legalForms[a.country.code])
	a.domain = strings.ReplaceAll(ascii(a.name), " ", "") + ".example"
	a.industry = pick(d, industries)
	a.employees = []int{d.between(4, 30), d.between(31, 200), d.between(201, 999), d.between(1000, 12_000)}[d.weighted(30, 38, 22, 10)]
	a.phone = a.country.phone + fmt.Sprintf("%04d", n%10_000)
	size := map[bool]int{true: 18}[a.employees > 30] + map[bool]int{true: 12}[a.employees > 200]
	ind := map[string]int{"COMPUTER_SOFTWARE": 14, "FINANCIAL_SERVICES": 10, "MARKETING_AND_ADVERTISING": 8}[a.industry]
	a.fit = min(100, 10+size+ind+d.n(34))
	s.accounts = append(s.accounts, a)
	return a
}

func (s *Sim) newPerson(a *account) *person {
	n := len(s.people)
	d := s.draw("person", n)
	g := pick(d, givenNames)
	p := &person{n: n, acct: a, first: g.name, last: pick(d, familyNames), nick: g.nick, job: pick(d, jobTitles), campaign: -1, typed: map[string]bool{}}
	first, last := ascii(p.first), strings.ReplaceAll(ascii(p.last), " ", "")
	local := []string{first + "." + last, first[:1] + last, first, first + "_" + last}[s.draw("pattern", a.n).weighted(60, 25, 8, 7)]
	p.email = local + "@" + a.domain
	for i := 2; s.emails[p.email]; i++ { // two people of one name at one company
		p.email = fmt.Sprintf("%s%d@%s", local, i, a.domain)
	}
	s.emails[p.email] = true
	if d.chance(700) {
		p.phone = a.country.phone + fmt.Sprintf("%05d", 10_000+n%90_000)
	}
	p.fit = min(100, a.fit+8*p.job.seniority+d.n(12))
	s.people = append(s.people, p)
	a.people = append(a.people, p)
	return p
}

// enterCompany makes the CRM's company record; one in twelve is entered a second time, spelled differently.
func (s *Sim) enterCompany(a *account, at time.Time, how string) int64 {
	d := s.draw("company", a.n, len(a.ids))
	t := s.st.CRM.Table("companies")
	s.ids.company++
	r := t.Insert(5_000_000+s.ids.company, at)
	props := map[string]string{
		"name": a.name, "domain": a.domain, "country": a.country.name, "industry": a.industry, "phone": a.phone,
		"numberofemployees": fmt.Sprint(a.employees), "lifecyclestage": "lead",
	}
	if len(a.ids) > 0 { // the second entry, by somebody who did not look
		props["name"] = []string{strings.ToUpper(a.name), a.legal, strings.ReplaceAll(a.name, " ", ""), a.name + " (" + a.country.code + ")"}[d.n(4)]
		delete(props, "industry")
		if d.chance(600) {
			delete(props, "domain")
		} else {
			props["domain"] = "www." + a.domain
		}
	} else if d.chance(300) {
		props["name"] = a.legal
	}
	if d.chance(60) {
		delete(props, "numberofemployees")
	}
	s.set("companies", r, props, store.Change{At: at, SourceType: how})
	a.ids = append(a.ids, r.ID)
	s.Truth.company(r.ID, a)
	if len(a.ids) == 1 && d.chance(85) {
		s.on(s.day+d.between(5, 60), func() { s.enterCompany(a, s.stamp(s.draw("again", a.n), 9, 17), "CRM_UI") })
	}
	return r.ID
}

// enterContact makes a contact of a person under an address. When the CRM knows the address, that contact is updated.
func (s *Sim) enterContact(p *person, email string, at time.Time, how string, extra map[string]string) *store.Record {
	d := s.draw("contact", p.n, len(p.contacts))
	t := s.st.CRM.Table("contacts")
	r := t.ByUnique("email", email)
	c := store.Change{At: at, SourceType: how}
	if r != nil {
		s.set("contacts", r, extra, c)
		return r
	}
	s.ids.contact++
	r = t.Insert(1_000_000+s.ids.contact, at)
	props := map[string]string{
		"email": strings.ToLower(email), "firstname": p.first, "lastname": p.last, "jobtitle": p.job.title, "company": p.acct.name,
		"country": p.acct.country.name, "consent_region": p.acct.country.region, "hs_email_optout": "false",
	}
	if p.phone != "" && d.chance(800) {
		props["phone"] = phoneForm(p.phone, d)
	} else if d.chance(300) {
		props["phone"] = p.acct.phone // the switchboard, shared by all
	}
	if p.nick != "" && d.chance(150+btoi(len(p.contacts) > 0)*500) {
		props["firstname"] = p.nick
	}
	if d.chance(40) {
		props["firstname"], props["lastname"] = strings.ToLower(props["firstname"]), strings.ToLower(props["lastname"])
	}
	if d.chance(50) {
		delete(props, "firstname")
	}
	if d.chance(120) {
		props["company"] = p.acct.legal
	}
	if d.chance(100) {
		props["company"] = strings.ToUpper(p.acct.name)
	}
	s.consent(p, props, at, d)
	for k, v := range extra {
		props[k] = v
	}
	s.set("contacts", r, props, c)
	p.contacts = append(p.contacts, r.ID)
	p.typed[email] = true
	s.byContact[r.ID] = p
	s.Truth.Persons["hubspot/contacts/"+fmt.Sprint(r.ID)] = p.id()
	if len(p.acct.ids) > 0 && !d.chance(60) {
		s.st.CRM.Link("contacts", r.ID, "companies", p.acct.ids[0])
	}
	if len(p.contacts) == 1 && how != "FORM" {
		s.on(max(s.day+d.between(1, 20), d.n(Days)), func() { s.clickThrough(p) })
	}
	if len(p.contacts) == 1 && d.chance(110) {
		s.on(s.day+d.between(2, 50), func() { s.enterAgain(p) })
	}
	return r
}

// enterAgain is the second contact of one person: another address, a nickname, an import from an event.
func (s *Sim) enterAgain(p *person) {
	d := s.draw("again", p.n)
	email := s.otherAddress(p, d)
	if s.emails[email] {
		return
	}
	s.emails[email] = true
	extra := map[string]string{"lifecyclestage": "lead", "hs_lead_status": "NEW"}
	if p.productID != "" && d.chance(700) {
		extra["product_user_id"] = p.productID
	}
	s.enterContact(p, email, s.stamp(d, 9, 18), []string{"IMPORT", "CRM_UI"}[d.n(2)], extra)
}

// clickThrough is a visit by a link in a mail, which says who they are; a third also leaves the address in a form.
func (s *Sim) clickThrough(p *person) {
	d := s.draw("click", p.n)
	anon := d.uuid()
	if q := pick(d, p.acct.people); q != p && len(q.anon) > 0 && d.chance(20) {
		anon = q.anon[0] // a browser that two people use belongs to neither
		s.Truth.role("web/anonymous/"+anon, "device "+anon)
	} else {
		s.Truth.Persons["web/anonymous/"+anon] = p.id()
	}
	p.anon = append(p.anon, anon)
	s.visit(p, anon, s.day, 7, d)
	at := s.stamp(d, 7, 21)
	s.identify(p, anon, at, p.email)
	if d.chance(330) {
		s.Truth.Persons["hubspot/form_submissions/"+s.submit(s.st.CRM.Forms[2], at, "https://www.millstone.example/newsletter", p.email, p, d)] = p.id()
	}
}

// otherAddress is one of the ways in which the same person gives a different address.
func (s *Sim) otherAddress(p *person, d *draws) string {
	local, domain, _ := strings.Cut(p.email, "@")
	first, last := ascii(p.first), strings.ReplaceAll(ascii(p.last), " ", "")
	switch d.weighted(25, 20, 25, 30) {
	case 0: // a plus tag
		return local + "+" + pick(d, []string{"news", "trial", "webinar"}) + "@" + domain
	case 1: // a typing error
		return typo(local, d) + "@" + domain
	case 2: // an alias of the same mailbox
		return last + "." + first[:1] + "@" + domain
	}
	return fmt.Sprintf("%s.%s%d@%s", first, last, d.between(60, 99), pick(d, freeMail))
}

// consent is what a contact agreed to when it was entered, by the rules of its region.
func (s *Sim) consent(p *person, props map[string]string, at time.Time, d *draws) {
	status := "granted"
	if p.acct.country.region == "EU" || p.acct.country.region == "UK" {
		status = []string{"granted", "denied", "unknown"}[d.weighted(70, 10, 20)]
	} else if d.chance(60) {
		status = "unknown"
	}
	props["consent_status"] = status
	if status != "unknown" {
		props["consent_timestamp"] = store.Stamp(at)
		props["hs_legal_basis"] = map[string]string{"granted": "Freely given consent from contact", "denied": "Not applicable"}[status]
	}
	if d.chance(30) {
		delete(props, "consent_region")
		delete(props, "country")
	}
}

// set writes properties in order of their names.
func (s *Sim) set(typ string, r *store.Record, props map[string]string, c store.Change) {
	t := s.st.CRM.Table(typ)
	for _, k := range keys(props) {
		t.Set(r, k, props[k], c)
	}
}

// phoneForm is one of the ways in which people type a number.
func phoneForm(e164 string, d *draws) string {
	switch d.n(4) {
	case 0:
		return e164[:3] + " " + e164[3:6] + " " + e164[6:]
	case 1:
		return e164[:3] + " (" + e164[3:6] + ") " + e164[6:9] + "-" + e164[9:]
	}
	return e164
}

func typo(s string, d *draws) string {
	if len(s) < 4 {
		return s + s[len(s)-1:]
	}
	i := d.between(1, len(s)-3)
	if d.chance(500) {
		return s[:i] + s[i+1:] // a letter left out
	}
	return s[:i] + s[i+1:i+2] + s[i:i+1] + s[i+2:] // two letters swapped
}

// ascii lower-cases and writes accents the way addresses do.
func ascii(s string) string {
	return asciiTable.Replace(strings.ToLower(s))
}

var asciiTable = strings.NewReplacer("ü", "ue", "ö", "oe", "ä", "ae", "é", "e", "è", "e", "á", "a", "í", "i", "ó", "o", "ë", "e",
	"ñ", "n", "ø", "o", "å", "a", "'", "", "ß", "ss")

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

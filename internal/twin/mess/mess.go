// Package mess makes a list of contacts as a neglected CRM holds them, with the truth beside it: several records of one
// person, role inboxes and switchboards that many share, devices that people share, changes of job, free mail, subsidiaries
// under one domain, households, addresses that were given to somebody else, and all the ways in which people write names.
// The same seed gives the same list, byte for byte. It must not be used by the product: truth is for evaluation only.
package mess

import (
	"encoding/csv"
	"fmt"
	"io"
	"sort"
	"strings"
)

// Columns of the list. The last two are truth: who it is, and which part of that person's records hang together by evidence
// that no other person has. A recall measured against reachable asks only for what can be known.
var Columns = []string{"record_id", "source", "first_name", "last_name", "email", "phone", "company", "website", "job_title", "street", "postcode", "city",
	"country", "user_id", "device_id", "updated_at", "person", "reachable"}

const (
	colID = iota
	colSource
	colFirst
	colLast
	colEmail
	colPhone
	colCompany
	colWebsite
	colJob
	colStreet
	colPostcode
	colCity
	colCountry
	colUser
	colDevice
	colUpdated
	colPerson
	colReachable
)

// Contacts writes a list of that many records as CSV.
func Contacts(w io.Writer, records int, seed uint64) error {
	m := &maker{seed: seed, emails: map[string]int{}, names: map[string]int{}, mobiles: map[string]bool{}}
	rows := m.contacts(records)
	out := csv.NewWriter(w)
	if err := out.Write(Columns); err != nil {
		return err
	}
	if err := out.WriteAll(rows); err != nil {
		return err
	}
	out.Flush()
	return out.Error()
}

type maker struct {
	seed      uint64
	companies []*company
	people    []*person
	emails    map[string]int // address → person
	names     map[string]int // company|name → how many
	mobiles   map[string]bool
	rows      [][]string
	evidence  [][]string // of each row: values that only its person has
}

type company struct {
	n                                                           int
	name, legal, country, domain, phone, street, postcode, city string
	pattern                                                     int
}

type job struct {
	at     *company
	email  string
	direct string
	title  string
}

type home struct {
	street, postcode, city, country, phone, email string
}

type person struct {
	n             int
	given, family string
	middle        string
	jobs          []job
	home          *home
	private       string // address of their own
	mobile        string
	user          string
	device        string
}

func (m *maker) contacts(records int) [][]string {
	for i := range max(3, records/16) {
		m.company(i)
	}
	// About 1.9 records a person; people are made first, so that what is shared is known before it counts as evidence.
	for n := 0; len(m.people) < max(2, records*100/193); n++ {
		m.person(n)
	}
	for n := 0; len(m.rows) < records; n++ {
		d := m.draw("record", n)
		switch d.weighted(975, 18, 4) {
		case 1:
			m.inbox(d)
		case 2:
			m.rubbish(d)
		default:
			p := m.people[n%len(m.people)]
			if n >= len(m.people) { // the first round gives everybody a record
				p = m.people[min(d.n(len(m.people)), d.n(len(m.people)))] // some have many
			}
			m.record(p, d)
		}
	}
	m.reachOf(colPerson, colReachable)
	order := m.draw("order")
	for i := len(m.rows) - 1; i > 0; i-- {
		j := order.n(i + 1)
		m.rows[i], m.rows[j] = m.rows[j], m.rows[i]
	}
	for i, r := range m.rows {
		r[colID] = fmt.Sprintf("R%06d", i+1)
	}
	return m.rows
}

func (m *maker) company(i int) {
	d := m.draw("company", i)
	c := &company{n: i, country: pick(d, lands), pattern: d.weighted(60, 20, 10, 10)}
	if i > 10 && d.chance(120) { // a subsidiary under its parent's domain
		parent := m.companies[d.n(i)]
		c.name = parent.name + " " + pick(d, []string{land[c.country], "Nord", "Süd", "Services", "Leasing"})
		c.domain, c.pattern = parent.domain, parent.pattern
	} else {
		c.name = pick(d, wordStarts) + pick(d, wordEnds) + " " + pick(d, trades)
		c.domain = plain(c.name) + ".example"
		if d.chance(100) {
			c.domain = "" // a small firm with free mail
		}
	}
	c.legal = c.name + " " + pick(d, forms[c.country])
	c.phone = number(dial[c.country], c.country, d)
	c.street, c.postcode, c.city = address(c.country, d)
	m.companies = append(m.companies, c)
}

// address is a street with its number, a postal code and a city.
func address(country string, d *draws) (street, postcode, city string) {
	name, house := pick(d, streets), d.between(1, 240)
	switch country {
	case "DE":
		street = fmt.Sprintf("%sstraße %d", name, house)
	case "FR":
		street = fmt.Sprintf("%d rue %s", house, name)
	case "ES":
		street = fmt.Sprintf("Calle %s %d", name, house)
	case "IT":
		street = fmt.Sprintf("Via %s %d", name, house)
	case "NL":
		street = fmt.Sprintf("%sstraat %d", name, house)
	default:
		street = fmt.Sprintf("%d %s %s", house, name, pick(d, []string{"Street", "Road", "Avenue", "Lane"}))
	}
	switch country {
	case "GB":
		postcode = fmt.Sprintf("%s%d %d%s%s", pick(d, []string{"LS", "BS", "M", "SW", "EH"}), d.between(1, 20), d.n(10), string(rune('A'+d.n(26))), string(rune('A'+d.n(26))))
	case "NL":
		postcode = fmt.Sprintf("%d %s%s", d.between(1000, 9999), string(rune('A'+d.n(26))), string(rune('A'+d.n(26))))
	default:
		postcode = fmt.Sprintf("%05d", d.between(10_000, 98_999))
	}
	return street, postcode, pick(d, cities)
}

// number is a telephone number that could be given to somebody.
func number(prefix, country string, d *draws) string {
	rest := map[string]int{"+4930": 8, "+1415": 7, "+4420": 8, "+331": 8, "+3491": 7, "+3906": 8, "+3120": 7,
		"+49151": 8, "+1628": 7, "+447": 9, "+336": 8, "+346": 8, "+3932": 8, "+316": 8}[prefix]
	s := prefix
	for i := range rest {
		lo := 0
		if i == 0 {
			lo = 2
		}
		if i == 0 && country == "GB" {
			s += pick(d, []string{"7", "8"})
			continue
		}
		s += fmt.Sprint(d.between(lo, 9))
	}
	return s
}

func (m *maker) person(n int) {
	d := m.draw("person", n)
	p := &person{n: len(m.people), given: zipf(d, givenNames), family: zipf(d, familyNames), device: d.token(12)}
	if d.chance(150) {
		p.middle = zipf(d, givenNames)
	}
	c := m.companies[min(d.n(len(m.companies)), d.n(len(m.companies)))] // some are large
	if len(m.people) > 0 && d.chance(170) {                             // lives with somebody
		other := m.people[d.between(max(0, len(m.people)-40), len(m.people)-1)]
		p.home = other.home
		if d.chance(850) {
			p.family = other.family
		}
		if p.given == other.given {
			p.given = givenNames[(d.n(40)+len(p.given))%len(givenNames)]
		}
		if p.given == other.given {
			p.given = "Kim"
		}
	} else {
		h := &home{country: c.country}
		h.street, h.postcode, h.city = address(c.country, d)
		h.phone = number(dial[c.country], c.country, d)
		h.email = fmt.Sprintf("the.%ss%d@%s", plain(p.family), n, pick(d, free))
		p.home = h
	}
	if d.chance(550) {
		p.private = m.address(p, fmt.Sprintf("%s.%s", plain(p.given), plain(p.family)), pick(d, free), d)
	}
	if d.chance(700) {
		p.mobile = m.cell(c.country, d)
	}
	if d.chance(200) {
		p.user = "u_" + d.token(10)
	}
	p.jobs = []job{m.job(p, c, d)}
	if d.chance(130) { // changed jobs
		p.jobs = append(p.jobs, m.job(p, m.companies[d.n(len(m.companies))], d))
		if old := p.jobs[0]; d.chance(150) && old.email != "" {
			// The address was given to somebody else whom it fits: jane@ to another Jane, jsmith@ to another J. Smith.
			q := &person{n: len(m.people) + 1, given: p.given, family: p.family, home: &home{}, mobile: m.cell(c.country, d), device: d.token(12)}
			local, _, _ := strings.Cut(old.email, "@")
			switch local {
			case plain(p.given):
				q.family = zipf(d, familyNames)
			case plain(p.given)[:1] + plain(p.family):
				for range 200 { // few begin with a rare letter
					if q.given = zipf(d, givenNames); q.given != p.given && plain(q.given)[:1] == plain(p.given)[:1] {
						break
					}
					q.given = p.given
				}
			}
			if q.family != p.family || q.given != p.given {
				m.emails[old.email] = -1 // belongs to nobody alone
				q.jobs = []job{{at: old.at, email: old.email, direct: old.direct, title: old.title}}
				m.named(p)
				m.people = append(m.people, p)
				p = q
			}
		}
	}
	m.named(p)
	m.people = append(m.people, p)
}

// cell is a mobile number that nobody has.
func (m *maker) cell(country string, d *draws) string {
	for {
		if s := number(cell[country], country, d); !m.mobiles[s] {
			m.mobiles[s] = true
			return s
		}
	}
}

// named counts who is called so at each employer.
func (m *maker) named(p *person) {
	for _, j := range p.jobs {
		m.names[at(j.at, p)]++
	}
}

// at is a name at an employer.
func at(c *company, p *person) string { return fmt.Sprintf("%d|%s", c.n, plain(p.given+p.family)) }

func (m *maker) job(p *person, c *company, d *draws) job {
	j := job{at: c, title: pick(d, titles)}
	given, family := plain(p.given), plain(p.family)
	local := []string{given + "." + family, given[:1] + family, given, given + "_" + family}[c.pattern]
	domain := c.domain
	if domain == "" {
		domain = pick(d, free)
		local = plain(c.name) + "." + given
	}
	if !d.chance(70) {
		j.email = m.address(p, local, domain, d)
	}
	if d.chance(200) {
		j.direct = c.phone[:len(c.phone)-3] + fmt.Sprintf("%03d", d.n(1000))
	}
	return j
}

// address is local@domain, with a number where somebody has it already.
func (m *maker) address(p *person, local, domain string, d *draws) string {
	a := local + "@" + domain
	for i := 2; ; i++ {
		if _, taken := m.emails[a]; !taken {
			break
		}
		a = fmt.Sprintf("%s%d@%s", local, i+d.n(60), domain)
	}
	m.emails[a] = p.n + 1
	return a
}

// reachOf names the parts of each entity's records that hang together by evidence of their own.
func (m *maker) reachOf(entity, reachable int) {
	owner := map[string]int{} // evidence → row
	parent := make([]int, len(m.rows))
	for i := range parent {
		parent[i] = i
	}
	root := func(i int) int {
		for parent[i] != i {
			parent[i] = parent[parent[i]]
			i = parent[i]
		}
		return i
	}
	for i, ev := range m.evidence {
		for _, e := range ev {
			if j, ok := owner[e]; ok {
				a, b := root(i), root(j)
				parent[max(a, b)] = min(a, b)
			} else {
				owner[e] = i
			}
		}
	}
	parts := map[string][]int{}
	for i, r := range m.rows {
		k := root(i)
		parts[r[entity]] = append(parts[r[entity]], k)
	}
	for _, ks := range parts {
		sort.Ints(ks)
	}
	for i, r := range m.rows {
		if r[entity] == "" {
			continue
		}
		ks := parts[r[entity]]
		at, last := 0, -1
		for _, k := range ks { // which of the entity's parts it is
			if k != last {
				at++
				last = k
			}
			if k == root(i) {
				break
			}
		}
		r[reachable] = fmt.Sprintf("%s.%d", r[entity], at)
	}
}

// Package matchtest makes records of people whose true identity is known, for tests and benchmarks of matching. The same seed
// makes the same records on every machine. It knows nothing of how records are matched.
package matchtest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
)

// Record is one row of one source. Empty fields are missing.
type Record struct {
	Key, Source               string
	Given, Surname            string
	Email, Phone              string
	Born                      string // 1980-01-31
	House, Street, City, Post string
	Employer                  string
	Person                    string // the truth: who it is
}

// Options say how many records, and how bad they are. The rates are those of ordinary CRM exports: between a sixth and half of
// the optional fields empty, a few in a hundred mistyped.
type Options struct {
	Seed    uint64
	Records int
	// Born leaves the date of birth in, in about 45 of 100 records; a CRM of companies has none.
	Born bool
	// Shared is the share of records that carry somebody else's identifier: a role inbox, a switchboard, a colleague's address.
	Shared float64
}

// person is one simulated person.
type person struct {
	id             string
	given, surname string
	email          string
	mobile, line   string
	born           string
	home, lastHome address
	firm, lastFirm int
}

type address struct{ house, street, city, post string }

// People calls yield for each record, in an order that tells nothing. It returns how many people there are.
func People(o Options, yield func(Record)) int {
	w := newWorld(o)
	var n, people int
	perm := newShuffle(o.Records, o.Seed)
	for n < o.Records {
		// A household: one address, one landline, mostly one surname.
		home, line := w.address(), w.phone("2")
		surname := w.surname()
		size := 1 + w.pick(0.55, 0.27, 0.10, 0.08)
		taken := map[string]bool{}
		for range size {
			if n >= o.Records {
				break
			}
			p := w.person(home, line, surname, taken, people)
			people++
			for range 1 + w.pick(0.45, 0.25, 0.14, 0.09, 0.04, 0.03) {
				if n >= o.Records {
					break
				}
				r := w.record(p)
				r.Key = fmt.Sprintf("r%08d", perm(n))
				yield(r)
				n++
			}
		}
	}
	return people
}

// world holds the names that there are, and how common they are.
type world struct {
	o        Options
	r        *rand.Rand
	givens   []string
	surnames []string
	streets  []string
	cities   []string
	firms    []string
	mail     []string
}

func newWorld(o Options) *world {
	w := &world{o: o, r: rand.New(rand.NewPCG(o.Seed, 7))}
	w.givens = w.names(3000, 2, 3, realGiven)
	w.surnames = w.names(60_000, 2, 4, realSurnames)
	w.streets = w.names(20_000, 2, 3, nil)
	w.cities = w.names(2_000, 2, 3, nil)
	w.firms = w.names(max(200, o.Records/20), 2, 3, nil)
	w.mail = []string{"gmail.com", "yahoo.com", "outlook.com", "icloud.com", "web.de", "aol.com"}
	return w
}

// The commonest names, so that nicknames occur; beyond them names are made of syllables.
var (
	realGiven    = strings.Fields("james mary robert patricia john jennifer michael linda david elizabeth william barbara richard susan joseph jessica thomas sarah christopher karen charles lisa daniel nancy matthew betty anthony margaret mark sandra donald ashley steven kimberly paul emily andrew donna joshua michelle kenneth carol kevin amanda brian melissa george deborah timothy stephanie ronald rebecca")
	realSurnames = strings.Fields("smith johnson williams brown jones garcia miller davis rodriguez martinez hernandez lopez gonzalez wilson anderson thomas taylor moore jackson martin lee perez thompson white harris sanchez clark ramirez lewis robinson walker young allen king wright scott torres nguyen hill flores green adams nelson baker hall rivera campbell mitchell carter roberts")
	short        = map[string]string{"james": "jim", "robert": "bob", "patricia": "pat", "jennifer": "jenny", "michael": "mike", "david": "dave", "elizabeth": "liz", "william": "bill", "barbara": "barb", "richard": "rick", "susan": "sue", "joseph": "joe", "thomas": "tom", "christopher": "chris", "charles": "chuck", "daniel": "dan", "matthew": "matt", "margaret": "peggy", "anthony": "tony", "steven": "steve", "kenneth": "ken", "timothy": "tim", "deborah": "debbie", "rebecca": "becky"}
)

func (w *world) names(n, least, most int, real []string) []string {
	onset := strings.Fields("b br c ch d dr f fr g gr h j k kl l m n p pr qu r s sch sh st t th tr v w z")
	vowel := strings.Fields("a e i o u ai ea ee ie oo ou y")
	coda := strings.Fields("- - - n r s l t m ck ng nd rt ll ss")
	seen := map[string]bool{}
	out := append([]string(nil), real...)
	for _, s := range out {
		seen[s] = true
	}
	for len(out) < n {
		var b strings.Builder
		for range least + w.r.IntN(most-least+1) {
			b.WriteString(onset[w.r.IntN(len(onset))])
			b.WriteString(vowel[w.r.IntN(len(vowel))])
			if c := coda[w.r.IntN(len(coda))]; c != "-" {
				b.WriteString(c)
			}
		}
		if s := b.String(); !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	return out
}

// zipf draws a place of n with chances falling as one over the place and q, as names do (Mandelbrot's form): with q of 15 the
// commonest of 60,000 surnames is borne by 8 of 1,000 people, as Smith is.
func (w *world) zipf(n int, q float64) int {
	x := q*math.Exp(w.r.Float64()*math.Log((float64(n)+q)/q)) - q
	return min(int(x), n-1)
}

func (w *world) surname() string { return w.surnames[w.zipf(len(w.surnames), 15)] }
func (w *world) given() string   { return w.givens[w.zipf(len(w.givens), 8)] }

func (w *world) chance(p float64) bool { return w.r.Float64() < p }

// pick draws an index by weight.
func (w *world) pick(weights ...float64) int {
	x := w.r.Float64()
	for i, p := range weights {
		if x < p {
			return i
		}
		x -= p
	}
	return 0
}

func (w *world) phone(kind string) string {
	return fmt.Sprintf("+1%s%08d", kind, w.r.IntN(100_000_000))
}

func (w *world) address() address {
	c := w.zipf(len(w.cities), 8)
	return address{
		house: fmt.Sprint(1 + w.zipf(300, 20)), street: w.streets[w.zipf(len(w.streets), 30)] + " street",
		city: w.cities[c], post: fmt.Sprintf("%05d", (c*37+w.r.IntN(1+2000/(c+20)))%100_000),
	}
}

func (w *world) person(home address, line, surname string, taken map[string]bool, id int) *person {
	p := &person{id: fmt.Sprintf("p%07d", id), surname: surname, home: home, lastHome: home, line: line, mobile: w.phone("9")}
	for p.given == "" || taken[p.given] {
		p.given = w.given()
	}
	taken[p.given] = true
	if w.chance(0.12) {
		p.surname = w.surname() // a flatmate, or a partner who kept the name
	}
	if w.chance(0.2) {
		p.lastHome = w.address()
	}
	p.firm, p.lastFirm = w.zipf(len(w.firms), 30), -1
	if w.chance(0.2) {
		p.lastFirm = w.zipf(len(w.firms), 30)
	}
	p.born = fmt.Sprintf("%04d-%02d-%02d", 1940+w.r.IntN(66), 1+w.r.IntN(12), 1+w.r.IntN(28))
	sep := []string{".", "", "_"}[w.r.IntN(3)]
	tail := ""
	if w.chance(0.7) {
		tail = fmt.Sprint(w.r.IntN(1000))
	}
	p.email = p.given + sep + p.surname + tail + "@" + w.mail[w.zipf(len(w.mail), 1)]
	return p
}

// work is the address at an employer: two namesakes there share it, as little as they like it.
func (w *world) workMail(p *person, firm int) string {
	if w.chance(0.5) {
		return p.given[:1] + p.surname + "@" + w.firms[firm] + ".com"
	}
	return p.given + "." + p.surname + "@" + w.firms[firm] + ".com"
}

func (w *world) record(p *person) Record {
	r := Record{Person: p.id, Source: []string{"crm", "shop", "billing", "events"}[w.r.IntN(4)], Given: p.given, Surname: p.surname}
	firm := p.firm
	if p.lastFirm >= 0 && w.chance(0.5) {
		firm = p.lastFirm
	}
	home := p.home
	if w.chance(0.5) {
		home = p.lastHome
	}
	if s := short[p.given]; s != "" && w.chance(0.15) {
		r.Given = s
	}
	switch {
	case w.chance(0.02):
		r.Given, r.Surname = r.Surname, r.Given
	case w.chance(0.04):
		r.Given = r.Given[:1]
	case w.chance(0.03):
		r.Given = ""
	}
	if w.chance(0.01) {
		r.Surname = w.surname() // married
	}
	if w.chance(0.75) {
		if w.chance(0.5) {
			r.Email = p.email
		} else {
			r.Email = w.workMail(p, firm)
		}
	}
	if w.chance(0.5) {
		r.Phone = p.mobile
		if w.chance(0.3) {
			r.Phone = p.line
		}
	}
	if w.o.Born && w.chance(0.45) {
		r.Born = p.born
	}
	if w.chance(0.7) {
		r.City, r.Post = home.city, home.post
		if w.chance(0.8) {
			r.House, r.Street = home.house, home.street
		}
	}
	if w.chance(0.6) {
		r.Employer = w.firms[firm]
		if w.chance(0.3) {
			r.Employer += []string{" inc", " gmbh", " ltd"}[firm%3]
		}
	}
	if w.chance(w.o.Shared) {
		switch w.r.IntN(4) {
		case 0:
			r.Email = []string{"info", "sales", "office", "accounting", "bookings"}[w.r.IntN(5)] + "@" + w.firms[firm] + ".com"
		case 1:
			r.Phone = fmt.Sprintf("+13%08d", firm)
		case 2: // entered by a colleague, with the colleague's address
			r.Email = w.firms[firm][:2] + "admin@" + w.firms[firm] + ".com"
		case 3:
			r.Phone = []string{"+15550000000", "+10000000000", "+19999999999"}[w.r.IntN(3)]
		}
	}
	r.Given, r.Surname, r.Street, r.City = w.typo(r.Given), w.typo(r.Surname), w.typo(r.Street), w.typo(r.City)
	if w.chance(0.3) {
		r.Email = w.typo(r.Email)
	}
	if r.Born != "" && w.chance(0.03) {
		b := []byte(r.Born)
		b[9] = '0' + byte(w.r.IntN(10))
		r.Born = string(b)
	}
	if w.chance(0.5) {
		r.Given, r.Surname = title(r.Given), title(r.Surname)
	}
	return r
}

// typo mistypes four texts in a hundred: a letter dropped, doubled, replaced, or swapped with the next.
func (w *world) typo(s string) string {
	if len(s) < 4 || !w.chance(0.04) {
		return s
	}
	i := 1 + w.r.IntN(len(s)-2)
	switch w.r.IntN(4) {
	case 0:
		return s[:i] + s[i+1:]
	case 1:
		return s[:i] + s[i:i+1] + s[i:]
	case 2:
		return s[:i] + string(rune('a'+w.r.IntN(26))) + s[i+1:]
	}
	return s[:i-1] + s[i:i+1] + s[i-1:i] + s[i+1:]
}

func title(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// newShuffle is a permutation of 0 to n, so that neighbouring keys tell nothing. It is linear modulo n with a multiplier that has
// no factor in common with n.
func newShuffle(n int, seed uint64) func(int) int {
	m := int(seed%7919)*2 + 1_000_003
	for gcd(m, max(n, 1)) != 1 {
		m += 2
	}
	return func(i int) int { return int(uint64(i) * uint64(m) % uint64(max(n, 1))) }
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

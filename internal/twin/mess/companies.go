package mess

import (
	"encoding/csv"
	"fmt"
	"io"
	"strings"
)

// CompanyColumns of the list of companies. The last two are truth, as in Columns: reachable are the records of one company
// that share a domain, a registered number, a foreign key, or a name in which the words that matter agree.
var CompanyColumns = []string{"record_id", "source", "company", "website", "email", "phone", "street", "postcode", "city", "country", "vat_id", "crm_id", "employees", "account", "reachable"}

const (
	firmID = iota
	firmSource
	firmName
	firmWebsite
	firmEmail
	firmPhone
	firmStreet
	firmPostcode
	firmCity
	firmCountry
	firmVAT
	firmCRM
	firmEmployees
	firmAccount
	firmReachable
)

// firm is a company of the list.
type firm struct {
	n               int
	company                // its name, legal name, country, domain, switchboard and address
	words           string // the name without what groups add to it, in lower case
	vat, crm, email string
	initials        string
	free            bool // has no domain of its own
	parent          int  // of a subsidiary; -1 for none
	employees       int
}

// Companies writes a list of that many records of companies as CSV: the same firm under several spellings, with and without
// its legal form, from several tools; subsidiaries under their parent's domain; numbered branches; firms whose names share
// their first word; firms that share a portal's domain; small ones with free mail.
func Companies(w io.Writer, records int, seed uint64) error {
	m := &maker{seed: seed, emails: map[string]int{}}
	taken := map[string]bool{}
	var firms []*firm
	for i := 0; len(firms) < max(2, records*10/21); i++ {
		firms = append(firms, m.firm(firms, taken, i))
	}
	named := map[string]int{}
	for _, f := range firms {
		named[f.words]++
	}
	for n := 0; len(m.rows) < records; n++ {
		d := m.draw("firm record", n)
		f := firms[n%len(firms)]
		if n >= len(firms) {
			f = firms[min(d.n(len(firms)), d.n(len(firms)))]
		}
		m.firmRecord(f, named[f.words] == 1, d)
	}
	m.reachOf(firmAccount, firmReachable)
	order := m.draw("order")
	for i := len(m.rows) - 1; i > 0; i-- {
		j := order.n(i + 1)
		m.rows[i], m.rows[j] = m.rows[j], m.rows[i]
	}
	for i, r := range m.rows {
		r[firmID] = fmt.Sprintf("C%06d", i+1)
	}
	out := csv.NewWriter(w)
	if err := out.Write(CompanyColumns); err != nil {
		return err
	}
	if err := out.WriteAll(m.rows); err != nil {
		return err
	}
	out.Flush()
	return out.Error()
}

func (m *maker) firm(firms []*firm, taken map[string]bool, i int) *firm {
	d := m.draw("firm", i)
	f := &firm{n: len(firms), parent: -1, employees: []int{d.between(1, 30), d.between(31, 200), d.between(201, 5000)}[d.weighted(50, 35, 15)]}
	f.country = pick(d, lands)
	kind := d.weighted(76, 9, 3, 8, 4)
	if len(firms) < 20 {
		kind = 0
	}
	for try := 0; ; try++ {
		switch kind {
		case 1: // a subsidiary in another country, under the parent's domain
			p := firms[d.n(len(firms))]
			for range 20 {
				if p.parent < 0 && p.country != f.country && !p.free {
					break
				}
				p, f.country = firms[d.n(len(firms))], pick(d, lands)
			}
			f.parent, f.domain = p.n, p.domain
			f.name = p.name + " " + map[string]string{"DE": "Deutschland", "FR": "France", "ES": "España", "IT": "Italia", "NL": "Nederland", "GB": "UK", "US": "USA"}[f.country]
		case 2: // a numbered branch, with a switchboard of its own
			p := firms[d.n(len(firms))]
			f.parent, f.domain, f.country = p.n, p.domain, p.country
			f.name = fmt.Sprintf("%s %d", p.name, d.between(2, 9))
		case 3: // shares its first word with another firm and nothing else
			p := firms[d.n(len(firms))]
			f.name = strings.Fields(p.name)[0] + " " + pick(d, trades)
		default:
			f.name = pick(d, wordStarts) + pick(d, wordEnds) + " " + pick(d, trades)
			if d.chance(120) {
				f.name = pick(d, wordStarts) + pick(d, wordEnds) + " " + pick(d, wordStarts) + pick(d, wordEnds) + " " + pick(d, trades)
			}
		}
		if try > 20 {
			f.name += " " + pick(d, wordStarts) + pick(d, wordEnds)
		}
		f.words = plain(f.name)
		if !taken[f.words] {
			break
		}
	}
	taken[f.words] = true
	if f.domain == "" {
		switch {
		case kind == 4: // in the shop system's or the portal's domain, as many are
			f.domain, f.free = "portal-"+fmt.Sprint(d.n(3))+".example", true
		case d.chance(90):
			f.domain, f.free = pick(d, free), true
		default:
			f.domain = plain(f.name) + ".example"
		}
	} else if firms[f.parent].free {
		f.free = true
	}
	f.legal = f.name + " " + pick(d, forms[f.country])
	f.phone = number(dial[f.country], f.country, d)
	f.street, f.postcode, f.city = address(f.country, d)
	f.vat = f.country + fmt.Sprintf("%09d", 100_000_000+(f.n*7919+d.n(7919))%899_999_999)
	f.crm = "001" + d.token(12)
	f.email = pick(d, roles) + "@" + f.domain
	if f.free {
		f.email = f.words + "@" + f.domain
	}
	for _, w := range strings.Fields(f.name) {
		f.initials += strings.ToUpper(w[:1])
	}
	return f
}

func (m *maker) firmRecord(f *firm, alone bool, d *draws) {
	r := make([]string, len(CompanyColumns))
	var ev []string
	own := func(kind, value string) { ev = append(ev, fmt.Sprintf("%d:%s:%s", f.n, kind, value)) }
	r[firmAccount] = fmt.Sprintf("A%06d", f.n+1)
	r[firmSource] = pick(d, sources)
	switch d.weighted(34, 26, 9, 9, 6, 4, 5, 3, 3) {
	case 0:
		r[firmName] = f.name
	case 1:
		r[firmName] = f.legal
	case 2:
		r[firmName] = strings.ToUpper(f.legal)
	case 3:
		r[firmName] = strings.ToLower(f.name)
	case 4:
		r[firmName] = strings.ReplaceAll(f.name, " ", "")
	case 5:
		r[firmName] = f.name + " (" + f.country + ")"
	case 6:
		r[firmName] = typoName(f.name, d)
		alone = false
	case 7:
		if len(f.initials) >= 3 {
			r[firmName] = f.initials
		} else {
			r[firmName] = f.legal
		}
		alone = false
	case 8: // group or holding, which nobody says
		r[firmName] = f.name + " " + pick(d, []string{"Group", "Holding", "Company"})
		alone = false
	}
	if alone {
		own("n", f.words)
	}
	if d.chance(600) && !(f.free && d.chance(700)) {
		r[firmWebsite] = pick(d, []string{"", "www.", "https://www.", "http://"}) + f.domain
		if !f.free {
			own("d", f.domain)
		}
	}
	if d.chance(300) {
		r[firmEmail] = f.email
	}
	if d.chance(400) {
		r[firmPhone] = spelled(f.phone, d)
	}
	if d.chance(450) {
		r[firmStreet], r[firmPostcode], r[firmCity] = f.street, f.postcode, f.city
	}
	if d.chance(700) {
		r[firmCountry] = pick(d, []string{f.country, land[f.country]})
	}
	if d.chance(300) {
		r[firmVAT] = f.vat
		if d.chance(200) {
			r[firmVAT] = f.vat[:2] + " " + f.vat[2:5] + " " + f.vat[5:8] + " " + f.vat[8:]
		}
		own("v", f.vat)
	}
	if d.chance(200) {
		r[firmCRM] = f.crm
		own("k", f.crm)
	}
	if d.chance(500) {
		r[firmEmployees] = fmt.Sprint(f.employees)
	}
	m.add(r, ev)
}

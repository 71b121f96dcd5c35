package mess

import (
	"fmt"
	"strings"
)

func (m *maker) add(row []string, evidence []string) {
	m.rows = append(m.rows, row)
	m.evidence = append(m.evidence, evidence)
}

// record is one of a person's records in one of the tools.
func (m *maker) record(p *person, d *draws) {
	r := make([]string, len(Columns))
	var ev []string
	own := func(kind, value string) { ev = append(ev, kind+":"+strings.ToLower(value)) }
	r[colSource] = pick(d, sources)
	r[colPerson] = fmt.Sprintf("P%06d", p.n+1)
	r[colUpdated] = fmt.Sprintf("20%02d-%02d-%02d", d.between(19, 26), d.between(1, 12), d.between(1, 28))
	j := p.jobs[d.n(len(p.jobs))]
	private := p.private != "" && d.chance(250)

	exact := m.name(p, r, d)
	switch {
	case private:
		r[colEmail] = p.private
		own("e", p.private)
	case d.chance(60):
		r[colEmail] = zipf(d, roles) + "@" + domainOf(j)
	case p.home.email != "" && d.chance(60):
		r[colEmail] = p.home.email // one address for the whole household
	case j.email != "" && !d.chance(100):
		r[colEmail] = j.email
		local, domain, _ := strings.Cut(j.email, "@")
		switch d.weighted(88, 4, 4, 4) {
		case 1:
			r[colEmail] = local + "+" + pick(d, []string{"news", "trial", "event"}) + "@" + domain
		case 2:
			r[colEmail] = typo(local, d) + "@" + domain
		case 3:
			r[colEmail] = strings.ToUpper(j.email)
		}
		if strings.EqualFold(r[colEmail], j.email) && m.emails[j.email] >= 0 {
			own("e", j.email)
		}
	}
	if r[colEmail] == "@" || strings.HasSuffix(r[colEmail], "@") {
		r[colEmail] = ""
	}
	if d.chance(15) {
		r[colEmail] = pick(d, []string{"n/a", "none", "unknown@unknown.com", "-", "test@test.com"})
	}

	switch d.weighted(45, 15, 20, 20) {
	case 0:
		if p.mobile != "" {
			r[colPhone] = spelled(p.mobile, d)
			own("m", p.mobile)
		}
	case 1:
		if j.direct != "" {
			r[colPhone] = spelled(j.direct, d) // given to the next one who sits there: no evidence alone
		} else if private && p.home.phone != "" {
			r[colPhone] = spelled(p.home.phone, d)
		}
	case 2:
		r[colPhone] = spelled(j.at.phone, d)
	}
	if r[colPhone] == "" && d.chance(15) {
		r[colPhone] = pick(d, []string{"0000000000", "123456", "n/a", "+1 555 555 5555", "000"})
	}

	if !private && !d.chance(120) {
		r[colCompany] = m.employer(j.at, d)
		r[colJob] = j.title
		if exact && m.names[at(j.at, p)] == 1 {
			own("c", at(j.at, p))
		}
		if j.at.domain != "" && d.chance(300) {
			r[colWebsite] = pick(d, []string{"www.", "https://www.", "", "http://"}) + j.at.domain
		}
	}
	switch {
	case private && p.home.street != "" && d.chance(600):
		r[colStreet], r[colPostcode], r[colCity] = p.home.street, p.home.postcode, p.home.city
		r[colCountry] = land[p.home.country]
		if exact {
			own("a", plain(p.given+p.family)+"|"+p.home.street+p.home.postcode)
		}
	case !private && d.chance(300):
		r[colStreet], r[colPostcode], r[colCity] = j.at.street, j.at.postcode, j.at.city
		r[colCountry] = land[j.at.country]
	case d.chance(500):
		r[colCountry] = land[j.at.country]
		if d.chance(300) {
			r[colCountry] = j.at.country
		}
	}
	if p.user != "" && d.chance(600) {
		r[colUser] = p.user
		own("u", p.user)
	}
	switch {
	case d.chance(250):
		r[colDevice] = p.device
	case d.chance(60): // the machine at reception, at the fair, in the shop
		r[colDevice] = fmt.Sprintf("shared-%d", len(j.at.name)%7*100+len(j.at.street))
	}
	m.add(r, ev)
}

func domainOf(j job) string {
	if j.at.domain != "" {
		return j.at.domain
	}
	_, d, _ := strings.Cut(j.email, "@")
	if d == "" {
		return ""
	}
	return "office-" + plain(j.at.name) + ".example"
}

// name writes the person's name in one of the ways in which people do. It reports whether it can be recognised without
// guessing: letters as they are, or a customary short form.
func (m *maker) name(p *person, r []string, d *draws) (exact bool) {
	given, family := p.given, p.family
	exact = true
	if nick := nicknames[given]; nick != "" && d.chance(180) {
		given = nick
	}
	if p.middle != "" && d.chance(300) {
		given += " " + pick(d, []string{p.middle, p.middle[:1] + "."})
		exact = false
	}
	switch d.weighted(780, 30, 30, 25, 25, 20, 30, 30, 30) {
	case 1:
		given = typoName(given, d)
		exact = false
	case 2:
		family = typoName(family, d)
		exact = false
	case 3:
		given = string([]rune(given)[:1]) + "."
		exact = false
	case 4:
		given, family = family, given // in the wrong fields
		exact = false
	case 5:
		given, family = "", given+" "+family // both in one field
	case 6:
		given, family = strings.ToUpper(given), strings.ToUpper(family)
	case 7:
		given, family = strings.ToLower(given), strings.ToLower(family)
	case 8:
		given, family = ascii(given), ascii(family)
	}
	if d.chance(35) {
		given, exact = "", false
	}
	if d.chance(20) {
		family, exact = "", false
	}
	if d.chance(20) && given != "" {
		given = pick(d, []string{"Dr. ", "Mr. ", "Frau ", "Mrs "}) + given
	}
	r[colFirst], r[colLast] = given, family
	return exact
}

// employer is the company's name as people write it.
func (m *maker) employer(c *company, d *draws) string {
	switch d.weighted(45, 30, 10, 8, 4, 3) {
	case 1:
		return c.legal
	case 2:
		return strings.ToUpper(c.name)
	case 3:
		return strings.ToLower(c.legal)
	case 4:
		return typoName(c.name, d)
	case 5:
		return c.name + " (" + c.country + ")"
	}
	return c.name
}

// inbox is a record of an address that several people read. It belongs to nobody.
func (m *maker) inbox(d *draws) {
	c := pick(d, m.companies)
	if c.domain == "" {
		c = m.companies[0]
	}
	r := make([]string, len(Columns))
	role := zipf(d, roles)
	r[colSource], r[colEmail], r[colCompany] = pick(d, sources), role+"@"+c.domain, m.employer(c, d)
	if d.chance(400) {
		r[colLast] = strings.ToUpper(role[:1]) + role[1:]
	}
	if d.chance(600) {
		r[colPhone] = spelled(c.phone, d)
	}
	r[colUpdated] = fmt.Sprintf("20%02d-%02d-%02d", d.between(19, 26), d.between(1, 12), d.between(1, 28))
	r[colPerson] = "inbox " + r[colEmail]
	m.add(r, nil)
}

// rubbish is what is typed to get past a form, and what tests leave behind. It is nobody: to join two of them is neither right
// nor wrong.
func (m *maker) rubbish(d *draws) {
	r := make([]string, len(Columns))
	r[colSource] = pick(d, sources)
	r[colFirst], r[colLast] = pick(d, []string{"Test", "asdf", "n/a", "X", "Mickey"}), pick(d, []string{"Test", "asdf", "n/a", "X", "Mouse"})
	r[colEmail] = pick(d, []string{"test@test.com", "asdf@asdf.com", "none@none.com", "a@a.com", ""})
	r[colPhone] = pick(d, []string{"123456", "0000000000", "111111111", ""})
	r[colCompany] = pick(d, []string{"Test", "n/a", "none", "Test GmbH", ""})
	r[colUpdated] = fmt.Sprintf("20%02d-%02d-%02d", d.between(19, 26), d.between(1, 12), d.between(1, 28))
	m.add(r, nil)
}

// spelled is a number as people type it.
func spelled(e164 string, d *draws) string {
	switch d.weighted(50, 20, 15, 15) {
	case 1:
		return "00" + e164[1:]
	case 2:
		return e164[:3] + " " + e164[3:6] + " " + e164[6:9] + " " + e164[9:]
	case 3:
		return e164[:3] + " (" + e164[3:5] + ") " + e164[5:8] + "-" + e164[8:]
	}
	return e164
}

func typo(s string, d *draws) string {
	if len(s) < 4 {
		return s + s[len(s)-1:]
	}
	i := d.between(1, len(s)-3)
	if d.chance(500) {
		return s[:i] + s[i+1:]
	}
	return s[:i] + s[i+1:i+2] + s[i:i+1] + s[i+2:]
}

// typoName is typo for letters of any script.
func typoName(s string, d *draws) string {
	r := []rune(s)
	if len(r) < 3 {
		return s + s
	}
	i := d.between(1, len(r)-2)
	switch d.n(3) {
	case 0:
		return string(r[:i]) + string(r[i+1:])
	case 1:
		return string(r[:i]) + string(r[i]) + string(r[i:])
	}
	r[i] = rune('a' + d.n(26))
	return string(r)
}

// ascii leaves accents out, as keyboards do.
func ascii(s string) string { return accents.Replace(s) }

// plain is what addresses make of a name.
func plain(s string) string {
	s = german.Replace(strings.ToLower(s))
	s = strings.ToLower(ascii(s))
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, s)
}

var german = strings.NewReplacer("ü", "ue", "ö", "oe", "ä", "ae", "ß", "ss")

var accents = strings.NewReplacer("ü", "u", "ö", "o", "ä", "a", "ß", "ss", "Ü", "U", "Ö", "O", "Ä", "A", "é", "e", "É", "E", "è", "e", "á", "a", "í", "i", "ó", "o",
	"ú", "u", "ñ", "n", "ø", "o", "ë", "e", "ï", "i", "ś", "s", "ń", "n", "ř", "r", "á", "a", "ı", "i", "Ç", "C", "Ş", "S", "ş", "s")

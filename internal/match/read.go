package match

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"millrace/internal/normal"

	"github.com/mozillazg/go-unidecode"
	"golang.org/x/text/unicode/norm"
)

// reader normalises the values of one record after the other. What package normal cannot read is kept as plain words where it
// may still tell records apart, so that a mistyped address is compared with the right one; junk is dropped. Each different
// text is read once.
type reader struct {
	s      *Set
	n      *normal.Normaliser
	names  []nameText
	shared map[Type][]string
	own    [][]string
	role   map[string]bool // addresses and numbers that are no person's by their form

	memo    []map[uint32]string
	whole   map[[2]uint32]nameText
	full    []map[uint32]nameText
	streets map[[2]uint32][2]string
	phones  map[phoneKey]string
	company map[companyKey]nameText
	order   []bool // by field: dates have the day first
}

// nameText is a name in normalised parts. Of a company, full is its words in order, surname its legal form, middle its words sorted.
type nameText struct{ given, middle, surname, full string }

type phoneKey struct{ text, region string }
type companyKey struct{ text, country string }

func newReader(s *Set) *reader {
	r := &reader{
		s: s, n: s.spec.normaliser(), shared: map[Type][]string{}, own: make([][]string, len(s.spec.Fields)), role: map[string]bool{},
		whole: map[[2]uint32]nameText{}, streets: map[[2]uint32][2]string{}, phones: map[phoneKey]string{}, company: map[companyKey]nameText{},
	}
	for f, d := range s.raw {
		r.memo = append(r.memo, map[uint32]string{})
		r.full = append(r.full, map[uint32]nameText{})
		r.order = append(r.order, s.spec.Fields[f].Type == Date && dayFirst(d.texts))
	}
	return r
}

// once reads a text of a field once.
func (r *reader) once(c cell, read func(s string) string) string {
	if v, ok := r.memo[c.field][c.value]; ok {
		return v
	}
	v := read(r.s.raw[c.field].texts[c.value])
	r.memo[c.field][c.value] = v
	return v
}

// record reads the values of one record, sorted by field.
func (r *reader) record(cells []cell) {
	r.names = r.names[:0]
	for t := range r.shared {
		r.shared[t] = r.shared[t][:0]
	}
	for f := range r.own {
		r.own[f] = r.own[f][:0]
	}
	spec := r.s.spec
	region := spec.Region
	country := ""
	for _, c := range cells {
		if spec.Fields[c.field].Type == Country {
			country = r.once(c, func(s string) string {
				if code, ok := r.n.Country(s); ok {
					return code
				}
				return plainWords(s)
			})
			if len(country) == 2 {
				region = country
			}
			r.add(Country, country)
		}
	}
	var given, surname, middle *cell
	var fulls []cell
	for i := range cells {
		c := cells[i]
		text := r.s.raw[c.field].texts[c.value]
		switch t := spec.Fields[c.field].Type; t {
		case GivenName:
			if given == nil {
				given = &cells[i]
			}
		case Surname:
			if surname == nil {
				surname = &cells[i]
			}
		case MiddleName:
			if middle == nil {
				middle = &cells[i]
			}
		case FullName:
			fulls = append(fulls, c)
		case CompanyName, Employer:
			n := r.readCompany(text, country)
			if spec.Entity == Company && t == CompanyName {
				if n.full != "" {
					r.names = append(r.names, n)
				}
			} else {
				r.add(Employer, n.full)
			}
		case City, State:
			r.add(t, r.once(c, plainWords))
		case HouseNumber:
			r.add(t, r.once(c, func(s string) string { return squeeze(plainWords(s)) }))
		case Street:
			r.street(c)
		case Postcode:
			r.add(t, r.once(c, func(s string) string {
				if p, ok := r.n.Postcode(s, country); ok {
					return strings.ToLower(p)
				}
				return squeeze(plainWords(s))
			}))
		case Email:
			r.add(t, r.once(c, r.email))
			if spec.Entity == Company {
				r.add(Domain, r.companyDomain(text))
			}
		case Domain:
			r.add(t, r.once(c, r.domain))
		case Phone:
			r.add(t, r.phone(text, region))
		case Date:
			r.own[c.field] = append(r.own[c.field], r.once(c, func(s string) string { return readDate(s, r.order[c.field]) }))
		case ID:
			r.own[c.field] = append(r.own[c.field], r.once(c, readID))
		case Text:
			r.own[c.field] = append(r.own[c.field], r.once(c, plainWords))
		}
	}
	if spec.Entity == Company {
		return
	}
	if given != nil || surname != nil {
		n := r.person(given, surname)
		if middle != nil {
			n.middle = r.once(*middle, plainWords)
		}
		r.addName(n)
		return
	}
	for _, c := range fulls {
		n, ok := r.full[c.field][c.value]
		if !ok {
			if p, ok := r.n.FullName(r.s.raw[c.field].texts[c.value]); ok {
				n = person(p)
			}
			r.full[c.field][c.value] = n
		}
		r.addName(n)
	}
}

func (r *reader) add(t Type, v string) {
	if v != "" {
		r.shared[t] = append(r.shared[t], v)
	}
}

func (r *reader) addName(n nameText) {
	if n.given == "" && n.surname == "" {
		return
	}
	n.full = ""
	if n.given != "" && n.surname != "" {
		n.full = n.given + " " + n.surname
	}
	r.names = append(r.names, n)
}

// person reads a given name and a surname, each of which may be missing.
func (r *reader) person(given, surname *cell) nameText {
	var key [2]uint32
	var g, s string
	if given != nil {
		key[0], g = given.value, r.s.raw[given.field].texts[given.value]
	}
	if surname != nil {
		key[1], s = surname.value, r.s.raw[surname.field].texts[surname.value]
	}
	if n, ok := r.whole[key]; ok {
		return n
	}
	var n nameText
	switch {
	case g != "" && s != "":
		if p, ok := r.n.Person(g, s); ok {
			n = person(p)
			n.given, n.middle = strings.TrimSpace(n.given+" "+n.middle), ""
		}
	case s != "" && !strings.ContainsRune(s, ','):
		// A surname alone is one name, whatever its words: it is not taken apart.
		if p, ok := r.n.Person("x", s); ok {
			n = person(p)
			n.given, n.middle = "", ""
		}
	case s != "":
		if p, ok := r.n.FullName(s); ok {
			n = person(p)
		}
	default:
		if p, ok := r.n.Person(g, "x"); ok {
			n = person(p)
			n.given, n.middle, n.surname = strings.TrimSpace(n.given+" "+n.middle), "", ""
		}
	}
	r.whole[key] = n
	return n
}

// person takes the keys of a name. Double surnames keep their words, so that one of them can be recognised.
func person(p normal.Person) nameText {
	n := nameText{given: p.GivenKey, middle: p.MiddleKey, surname: p.FamilyKey}
	if p.Particle == "" {
		if w := plainWords(p.Family); strings.Contains(w, " ") {
			n.surname = w
		}
	}
	return n
}

func (r *reader) readCompany(text, country string) nameText {
	key := companyKey{text, country}
	if n, ok := r.company[key]; ok {
		return n
	}
	var n nameText
	if c, ok := r.n.Company(text, country); ok {
		n = nameText{full: strings.Join(c.Tokens, " "), surname: c.LegalForm, given: c.Acronym, middle: strings.Join(c.Numbers, " ")}
	}
	r.company[key] = n
	return n
}

func (r *reader) email(s string) string {
	if !utf8.ValidString(s) {
		return "" // repaired, all broken texts would be alike
	}
	if e, ok := r.n.Email(s); ok {
		if e.Class == normal.EmailRole && r.s.spec.Entity == Person { // info@ is nobody's and the company's
			r.role[e.Mailbox] = true
		}
		return e.Mailbox
	}
	// A mistyped address still resembles the right one.
	s = strings.ToLower(strings.TrimSpace(s))
	if len(s) < 6 || len(s) > 320 || !strings.ContainsAny(s, "@.") || junk(s) || strings.ContainsFunc(s, func(c rune) bool { return unicode.IsControl(c) || unicode.IsSpace(c) }) {
		return ""
	}
	return s
}

// companyDomain is the domain of an address where it can be a company's own.
func (r *reader) companyDomain(s string) string {
	e, ok := r.n.Email(s)
	if !ok || e.Class == normal.EmailFree || e.Class == normal.EmailDisposable {
		return ""
	}
	_, host, _ := strings.Cut(e.Mailbox, "@")
	d, ok := r.n.Domain(host)
	if !ok || d.Class != normal.DomainCorporate {
		return ""
	}
	return d.Registrable
}

func (r *reader) domain(s string) string {
	d, ok := r.n.Domain(s)
	if !ok {
		return ""
	}
	v := d.Registrable
	if v == "" {
		v = d.Host
	}
	if d.Class != normal.DomainCorporate {
		r.role[v] = true // free mail, hosts that give sub-domains away, ...
	}
	return v
}

// phone is a number with its country, or its digits where the country is not known. Numbers that only fill a field are dropped.
func (r *reader) phone(s, region string) string {
	key := phoneKey{s, region}
	if v, ok := r.phones[key]; ok {
		return v
	}
	v := ""
	if t := strings.TrimSpace(s); strings.HasPrefix(t, "00") && !strings.HasPrefix(t, "000") {
		s = "+" + t[2:] // the international prefix of most countries, which people write in the others too
	}
	if p, ok := r.n.Phone(s, region); ok {
		if p.Plausible {
			v = strings.TrimPrefix(p.Key(), "+")
		}
	} else if d := digits(s); len(d) >= 7 && len(d) <= 20 && !oneSign(d) {
		v = d
	}
	r.phones[key] = v
	return v
}

// street reads a line of an address; a house number in it counts as one.
func (r *reader) street(c cell) {
	key := [2]uint32{uint32(c.field), c.value}
	v, ok := r.streets[key]
	if !ok {
		text := r.s.raw[c.field].texts[c.value]
		if a, ok := r.n.Address(text, "", ""); ok && a.Street != "" && strings.ContainsAny(text, "0123456789") {
			v = [2]string{squeeze(a.Street), strings.ToLower(a.HouseNo)}
		} else {
			v[0] = squeeze(plainWords(text))
		}
		r.streets[key] = v
	}
	r.add(Street, v[0])
	r.add(HouseNumber, v[1])
}

// plainWords is a text in lower case Latin letters and digits, everything else a single blank. Texts over 1,000 bytes are junk
// and no value: their beginnings would be alike.
func plainWords(s string) string {
	if len(s) > 1000 {
		return ""
	}
	if !ascii(s) {
		s = unidecode.Unidecode(norm.NFKC.String(s))
	}
	s = strings.ToLower(s)
	if junk(strings.TrimSpace(s)) {
		return ""
	}
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }), " ")
}

// junk reports whether a text stands for no value.
func junk(s string) bool {
	switch s {
	case "n/a", "#n/a", "null", "(null)", "<null>", "none", "nil", "unknown", "undefined", "nan", "not available", "not applicable", "tbd", "xxx":
		return true
	}
	return false
}

func squeeze(s string) string { return strings.ReplaceAll(s, " ", "") }

// readID is a number or code without its punctuation. Codes of one repeated sign fill a field and are no value.
func readID(s string) string {
	s = squeeze(plainWords(s))
	if len(s) > 100 || len(s) > 2 && oneSign(s) {
		return ""
	}
	return s
}

func oneSign(s string) bool { return strings.Count(s, s[:1]) == len(s) }

// digits are the decimal digits of any script, as ASCII. Texts over 120 bytes have none.
func digits(s string) string {
	if len(s) > 120 {
		return ""
	}
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		if r < 0x80 || !unicode.IsDigit(r) {
			return -1
		}
		for _, t := range unicode.Nd.R16 {
			if rune(t.Lo) <= r && r <= rune(t.Hi) {
				return '0' + (r-rune(t.Lo))%10
			}
		}
		for _, t := range unicode.Nd.R32 {
			if rune(t.Lo) <= r && r <= rune(t.Hi) {
				return '0' + (r-rune(t.Lo))%10
			}
		}
		return -1
	}, s)
}

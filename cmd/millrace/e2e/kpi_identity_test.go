package e2e

import (
	"cmp"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Who is who, worked out again from the raw rows and the descriptions of sql/identity: which billing customer belongs to
// which account, and which channel first brought the account. Only KPIs that count customers need it.

// party is a row of a source that describes a person or a company.
type party struct {
	key, kind string
	created   time.Time // zero: unknown, which sorts last
	ids       []identifier
	name      string // of matching: last name or company name without ornament
	full      string // a person's first and last name, likewise; empty when one is missing
	employer  string // company name that the record gives, as it stands there
	email     string
	domain    string
	role      bool
}

type identifier struct{ kind, value string }

// groups is a union-find over record keys.
type groups map[string]string

func (g groups) find(k string) string {
	for g[k] != k {
		g[k] = g[g[k]]
		k = g[k]
	}
	return k
}

func (g groups) join(a, b string) {
	if a, b = g.find(a), g.find(b); a != b {
		g[max(a, b)] = min(a, b)
	}
}

// identities are the accounts and their channels.
type identities struct {
	accountOf map[string]string // company record (source:company:id, source:customer:id, email:domain:d) → account
	channelOf map[string]channel
}

type channel struct {
	name string
	paid bool
}

var (
	address   = regexp.MustCompile(`^[^@\s]+@[^@\s]+\.[^@\s.]+$`)
	scheme    = regexp.MustCompile(`^(https?://)?(www\.)?`)
	afterHost = regexp.MustCompile(`[/:?#].*$`)
	noWord    = regexp.MustCompile(`[^a-z0-9]+`)
)

func plain(s string) string {
	return norm.NFC.String(strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return r
	}, norm.NFD.String(strings.ToLower(s))))
}

func (f *facts) mail(s string) (whole, local, domain string) {
	whole = strings.ToLower(strings.TrimSpace(s))
	if !address.MatchString(whole) {
		return "", "", ""
	}
	local, domain, _ = strings.Cut(whole, "@")
	local, _, _ = strings.Cut(local, "+")
	return whole, local, domain
}

func (f *facts) person(key, kind, email, first, last, employer string, created time.Time, ids ...identifier) party {
	p := party{key: key, kind: kind, created: created, name: noWord.ReplaceAllString(plain(last), ""), employer: strings.TrimSpace(employer)}
	if strings.TrimSpace(first) != "" && strings.TrimSpace(last) != "" {
		p.full = noWord.ReplaceAllString(plain(first+last), "")
	}
	var local string
	p.email, local, p.domain = f.mail(email)
	p.role = f.roles[local]
	p.ids = append(ids, identifier{"email", p.email})
	switch f.freeMail[p.domain] {
	case "gmail":
		p.ids = append(p.ids, identifier{"mailbox", strings.ReplaceAll(local, ".", "") + "@gmail.com"})
	case "plus":
		p.ids = append(p.ids, identifier{"mailbox", local + "@" + p.domain})
	}
	return p
}

func (f *facts) companyName(s string) string {
	s = strings.NewReplacer(".", "", "'", "").Replace(plain(strings.ReplaceAll(s, "&", " and ")))
	var words []string
	for _, w := range noWord.Split(s, -1) {
		if !f.legalForms[w] {
			words = append(words, w)
		}
	}
	return strings.Join(words, "")
}

// link joins records that hold the same identifier of an allowed class and returns the group of each record and
// whether a record was joined at all.
func link(all []party, ids func(party) []identifier, joins func(id identifier, holders []party) bool) (groups, map[string]bool) {
	g, tied := groups{}, map[string]bool{}
	holders := map[identifier][]party{}
	for _, p := range all {
		g[p.key] = p.key
		seen := map[identifier]bool{}
		for _, id := range ids(p) {
			if id.value != "" && !seen[id] {
				seen[id] = true
				holders[id] = append(holders[id], p)
			}
		}
	}
	for id, who := range holders {
		if len(who) < 2 || !joins(id, who) {
			continue
		}
		for _, p := range who {
			g.join(who[0].key, p.key)
			tied[p.key] = true
		}
	}
	return g, tied
}

func distinct(of []party, value func(party) string) int {
	seen := map[string]bool{}
	for _, p := range of {
		if v := value(p); v != "" {
			seen[v] = true
		}
	}
	return len(seen)
}

// anchors names each group after its earliest record; rank goes before time.
func anchors(all []party, g func(party) string, prefix string, rank func(party) int) map[string]string {
	best := map[string]party{}
	before := func(a, b party) bool {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), lastIfZero(a.created, b.created), strings.Compare(a.key, b.key)) < 0
	}
	for _, p := range all {
		if b, ok := best[g(p)]; !ok || before(p, b) {
			best[g(p)] = p
		}
	}
	out := map[string]string{}
	for _, p := range all {
		sum := md5.Sum([]byte(best[g(p)].key))
		out[p.key] = prefix + hex.EncodeToString(sum[:])[:16]
	}
	return out
}

func lastIfZero(a, b time.Time) int {
	switch {
	case a.IsZero() && b.IsZero():
		return 0
	case a.IsZero():
		return 1
	case b.IsZero():
		return -1
	}
	return a.Compare(b)
}

// metadata is a key of the JSON object that Stripe keeps for others.
func metadata(r record, key string) string {
	var m map[string]any
	if json.Unmarshal([]byte(r.text("metadata")), &m) != nil {
		return ""
	}
	s, _ := m[key].(string)
	return s
}

// identify works out accounts and their channels.
func (f *facts) identify() identities {
	people := f.people()
	links, tied := link(people, func(p party) []identifier { return p.ids }, func(id identifier, who []party) bool {
		if id.kind == "email" || id.kind == "mailbox" {
			if slices.ContainsFunc(who, func(p party) bool { return p.role }) {
				return false
			}
		}
		return len(who) <= 50 && distinct(who, func(p party) string { return p.name }) <= 2
	})
	personGroup := func(p party) string {
		if p.role && !tied[p.key] && p.kind != "customer" {
			return "mailbox:" + p.email
		}
		return links.find(p.key)
	}
	personOf := anchors(people, personGroup, "p_", func(party) int { return 0 })

	companies := f.companies(people)
	byName := func(p party) string { return p.name }
	byDomain := func(p party) string { return p.domain }
	clinks, _ := link(companies, func(p party) []identifier { return p.ids }, func(id identifier, who []party) bool {
		switch id.kind {
		case "domain":
			return distinct(who, byName) <= 6
		case "name_country":
			return distinct(who, byDomain) <= 1
		}
		return true
	})
	rank := map[string]int{"company": 1, "customer": 2, "email_domain": 3}
	out := identities{channelOf: map[string]channel{}}
	out.accountOf = anchors(companies, func(p party) string { return clinks.find(p.key) }, "a_", func(p party) int { return rank[p.kind] })

	// The account of a person: the CRM's association, else the company that pays, else the domain of the address.
	type claim struct {
		strength int
		account  string
	}
	claims := map[string]map[claim]int{}
	vote := func(person string, strength int, company string) {
		account := out.accountOf[company]
		if person == "" || account == "" {
			return
		}
		if claims[person] == nil {
			claims[person] = map[claim]int{}
		}
		claims[person][claim{strength, account}]++
	}
	for _, c := range f.contacts {
		vote(personOf["hubspot:contact:"+c.text("id")], 1, "hubspot:company:"+f.companyOf(c))
	}
	for _, p := range people {
		if p.kind == "customer" {
			vote(personOf[p.key], 2, p.key)
		}
		vote(personOf[p.key], 3, "email:domain:"+p.domain) // only a company's domain is a record
	}
	accountOf := map[string]string{}
	for person, votes := range claims {
		var best claim
		for c, n := range votes {
			b := votes[best]
			if best.account == "" || cmp.Or(cmp.Compare(c.strength, best.strength), cmp.Compare(b, n), strings.Compare(c.account, best.account)) < 0 {
				best = c
			}
		}
		accountOf[person] = best.account
	}

	contacts := slices.Clone(f.contacts)
	slices.SortFunc(contacts, func(a, b record) int {
		at, _ := a.time("created_at")
		bt, _ := b.time("created_at")
		return cmp.Or(lastIfZero(at, bt), strings.Compare(a.text("id"), b.text("id")))
	})
	for _, c := range contacts {
		account := accountOf[personOf["hubspot:contact:"+c.text("id")]]
		ch, known := f.channels["hubspot_source/"+strings.ToUpper(c.text("source"))]
		if _, have := out.channelOf[account]; account != "" && known && !have {
			out.channelOf[account] = ch
		}
	}
	return out
}

// people are all records that describe a person: CRM contacts, form submissions, payers, users of the product.
func (f *facts) people() []party {
	var out []party
	key := func(prefix, id string) string {
		if id == "" {
			return ""
		}
		return prefix + id
	}
	customerIDs := map[string]bool{}
	for _, c := range f.customers {
		customerIDs[c.text("id")] = true
	}
	for _, c := range f.contacts {
		created, _ := c.time("created_at")
		k := key("hubspot:contact:", c.text("id"))
		p := f.person(k, "contact", c.text("email"), c.text("first_name"), c.text("last_name"), c.text("company"), created, identifier{"crm_contact", k}, identifier{"product_user", c.text("product_user_id")})
		if id := c.text("stripe_customer_id"); customerIDs[id] {
			p.ids = append(p.ids, identifier{"stripe_customer", key("stripe:customer:", id)})
		}
		out = append(out, p)
	}
	seen := map[string]bool{}
	forms := slices.Clone(f.forms)
	slices.SortStableFunc(forms, func(a, b record) int {
		at, _ := a.time("submitted_at")
		bt, _ := b.time("submitted_at")
		return cmp.Or(at.Compare(bt), strings.Compare(a.text("form_id"), b.text("form_id")))
	})
	for _, s := range forms {
		k := key("hubspot:form_submission:", s.text("conversion_id"))
		if seen[k] {
			continue
		}
		seen[k] = true
		var answers []struct{ Name, Value string }
		_ = json.Unmarshal([]byte(s.text("values")), &answers) // an answer that cannot be read is no answer
		given := map[string]string{}
		for _, a := range answers {
			n := strings.ToLower(a.Name)
			given[n] = max(given[n], a.Value)
		}
		at, _ := s.time("submitted_at")
		out = append(out, f.person(k, "form_submission", given["email"], given["firstname"], given["lastname"], given["company"], at))
	}
	for _, c := range f.customers {
		created, _ := c.time("created_at")
		k := key("stripe:customer:", c.text("id"))
		p := f.person(k, "customer", c.text("email"), "", "", c.text("name"), created, identifier{"stripe_customer", k})
		if id := metadata(c, "hubspot_contact_id"); f.contactIDs[id] {
			p.ids = append(p.ids, identifier{"crm_contact", key("hubspot:contact:", id)})
		}
		out = append(out, p)
	}
	for id, u := range f.users() {
		out = append(out, f.person(key("segment:user:", id), "user", u.email, u.first, u.last, "", u.created, identifier{"product_user", id}))
	}
	return out
}

type user struct {
	email, first, last, message string
	created, at                 time.Time
}

// users of the product, by what their logins told: the latest identify event that has a name, else the latest one.
func (f *facts) users() map[string]user {
	out := map[string]user{}
	for _, e := range f.events {
		id := e.text("user_id")
		if e.text("type") != "identify" || id == "" {
			continue
		}
		var traits map[string]any
		_ = json.Unmarshal([]byte(e.text("traits")), &traits) // an event without traits names nobody
		text := func(names ...string) string {
			for _, n := range names {
				if s, ok := traits[n].(string); ok {
					return s
				}
			}
			return ""
		}
		at, _ := e.time("timestamp")
		u := user{email: text("email"), first: text("firstName", "first_name"), last: text("lastName", "last_name"), message: e.text("message_id"), at: at, created: at}
		if have, ok := out[id]; ok {
			began := have.created
			if at.Before(began) {
				began = at
			}
			named, wasNamed := u.first != "", have.first != ""
			if better := named && !wasNamed || named == wasNamed && (u.at.After(have.at) || u.at.Equal(have.at) && u.message < have.message); !better {
				u = have
			}
			u.created = began
		}
		out[id] = u
	}
	return out
}

// companyOf is the CRM company of a contact: the one it names, else its primary association, else the first one.
func (f *facts) companyOf(contact record) string {
	if id := contact.text("associated_company_id"); id != "" {
		return id
	}
	best, bestPlace := "", 2
	for _, a := range f.associations[contact.text("id")] {
		place := 1
		if strings.Contains(strings.ToLower(a.text("type")), "primary") {
			place = 0
		}
		if id := a.text("company_id"); place < bestPlace || place == bestPlace && id < best {
			best, bestPlace = id, place
		}
	}
	return best
}

// companies are all records that describe a company, with one for each e-mail domain that people have.
func (f *facts) companies(people []party) []party {
	isPerson := map[string]bool{}
	for _, p := range people {
		if p.full != "" {
			isPerson[p.full] = true
		}
	}
	owned := f.ownedDomains(people, isPerson)
	var out []party
	add := func(key, kind, name, domain, country string, created time.Time, ids ...identifier) {
		if domain = bare(domain); !owned[domain] {
			domain = ""
		}
		p := party{key: key, kind: kind, created: created, domain: domain, name: f.companyName(name)}
		p.ids = append(ids, identifier{"domain", domain})
		if code := f.countries[strings.ToLower(strings.TrimSpace(country))]; code != "" && len(p.name) >= 4 && !isPerson[p.name] {
			p.ids = append(p.ids, identifier{"name_country", p.name + "|" + code})
		}
		out = append(out, p)
	}
	customerIDs, contacts := map[string]bool{}, map[string]record{}
	for _, c := range f.customers {
		customerIDs[c.text("id")] = true
	}
	for _, c := range f.contacts {
		contacts[c.text("id")] = c
	}
	for _, c := range f.crmCompanies {
		created, _ := c.time("created_at")
		k := "hubspot:company:" + c.text("id")
		ids := []identifier{{"crm_company", k}}
		if id := c.text("stripe_customer_id"); customerIDs[id] {
			ids = append(ids, identifier{"stripe_customer", "stripe:customer:" + id})
		}
		add(k, "company", c.text("name"), cmp.Or(c.text("domain"), c.text("website")), c.text("country"), created, ids...)
	}
	for _, c := range f.customers {
		created, _ := c.time("created_at")
		k := "stripe:customer:" + c.text("id")
		ids := []identifier{{"stripe_customer", k}}
		if id := metadata(c, "hubspot_company_id"); f.companyIDs[id] {
			ids = append(ids, identifier{"crm_company", "hubspot:company:" + id})
		} else if who, ok := contacts[metadata(c, "hubspot_contact_id")]; ok {
			if id := f.companyOf(who); id != "" {
				ids = append(ids, identifier{"crm_company", "hubspot:company:" + id})
			}
		}
		_, domain, _ := strings.Cut(c.text("email"), "@")
		add(k, "customer", c.text("name"), domain, c.text("address_country"), created, ids...)
	}
	first := map[string]time.Time{}
	for _, p := range people {
		if !owned[p.domain] {
			continue
		}
		if t, ok := first[p.domain]; !ok || lastIfZero(p.created, t) < 0 {
			first[p.domain] = p.created
		}
	}
	for d, at := range first {
		add("email:domain:"+d, "email_domain", "", d, "", at)
	}
	return out
}

func bare(domain string) string {
	return afterHost.ReplaceAllString(scheme.ReplaceAllString(strings.ToLower(strings.TrimSpace(domain)), ""), "")
}

// ownedDomains are the domains that tell for whom somebody works. Free mail is in a list, and learnt: a domain that the CRM
// gives to no company and whose records name two employers or more, none of them mostly, is nobody's; nor is one that
// the CRM gives to a company when four or more are named and the first of them by two in five at most.
func (f *facts) ownedDomains(people []party, isPerson map[string]bool) map[string]bool {
	inCRM, named := map[string]bool{}, map[string]map[string]int64{}
	sight := func(domain, employer string) {
		if domain == "" {
			return
		}
		if named[domain] == nil {
			named[domain] = map[string]int64{}
		}
		if k := f.companyName(employer); k != "" && !isPerson[k] {
			named[domain][k]++
		}
	}
	for _, c := range f.crmCompanies {
		d := bare(cmp.Or(c.text("domain"), c.text("website")))
		inCRM[d] = true
		sight(d, c.text("name"))
	}
	for _, p := range people {
		sight(p.domain, p.employer)
	}
	out := map[string]bool{}
	for d, employers := range named {
		var most, all int64
		for _, n := range employers {
			most, all = max(most, n), all+n
		}
		_, free := f.freeMail[d]
		kinds := len(employers)
		shared := !inCRM[d] && kinds >= 2 && 2*most <= all || kinds >= 4 && 5*most <= 2*all
		out[d] = !free && !shared
	}
	return out
}

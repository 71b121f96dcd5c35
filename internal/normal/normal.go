// Package normal gives the values by which people, companies and their doings are compared one spelling: e-mail addresses,
// telephone numbers, domains, names of people and companies, postal addresses, countries, currencies, time zones, links and
// campaign tags. It holds pure functions and the lists that they read; each list is a file below data/ that names its
// source and version.
//
// Whatever bytes come in, nothing here panics or takes long: a value beyond a sane length is no value. What cannot be
// read is reported as not there, never guessed. Every key is stable: normalising a normal form gives the same form.
//
// It must not know tables, sources or matching. Keys of ad platforms are another matter: see internal/adhash.
package normal

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// rules changes when the same value with the same lists comes out differently.
const rules = "1"

// Additions are a team's own words beside the built-in lists; they win over them.
type Additions struct {
	RoleInboxes []string          // parts before the at sign: "kundendienst"
	FreeMail    map[string]string // domain → mailbox rule: gmail, plus or none
	Disposable  []string          // domains
	LegalForms  []string          // words without dots: "gmbh"
	Countries   map[string]string // name in lower case → ISO 3166 code of two letters
	Nicknames   [][]string        // groups of given names
	Channels    []ChannelRule     // looked at before the built-in ones
}

// Normaliser holds the lists. It is immutable and safe for concurrent use.
type Normaliser struct {
	version    string
	roles      map[string]bool
	free       map[string]string
	freeBrands map[string]bool
	disposable map[string]bool
	suspect    map[string]bool
	nobody     map[string]map[string]bool // kind → values that stand for no name
	titles     map[string]bool            // false: a name elsewhere
	suffixes   map[string]suffix
	particles  map[string]bool
	nicknames  map[string][]string
	forms      formTable
	streets    streetTable
	postcodes  map[string]postcodeRule
	countries  map[string]string
	currencies currencyTable
	zones      zoneTable
	channels   []channel
	tags       map[string]map[string]string // kind → word → the word for it
	tracking   trackingTable
}

// Default is the normaliser with the built-in lists only. It is made once.
func Default() *Normaliser { return standard() }

var standard = sync.OnceValue(func() *Normaliser {
	n, err := New(Additions{})
	if err != nil { // the lists are part of the binary: a test reads them all
		panic("built-in lists: " + err.Error())
	}
	return n
})

// New makes a normaliser with the built-in lists and a team's additions. It fails on an addition that cannot be used.
func New(add Additions) (*Normaliser, error) {
	n := &Normaliser{}
	digest := sha256.New()
	for _, load := range []func() error{n.loadMail, n.loadNames, n.loadForms, n.loadAddress, n.loadGeo, n.loadCurrencies, n.loadZones, n.loadWeb} {
		if err := load(); err != nil {
			return nil, err
		}
	}
	for _, l := range Lists() {
		fmt.Fprintf(digest, "%s %s %s\n", l.Name, l.Version, l.Digest)
	}
	if err := n.add(add); err != nil {
		return nil, err
	}
	fmt.Fprintf(digest, "%#v", canonical(add))
	n.version = rules + "-" + hex.EncodeToString(digest.Sum(nil))[:12]
	return n, nil
}

// canonical spells additions so that their order and letters do not matter to the version.
func canonical(add Additions) []string {
	var out []string
	list := func(kind string, words []string) {
		words = slices.Clone(words)
		slices.Sort(words)
		out = append(out, kind, strings.Join(words, "\x00"))
	}
	pairs := func(kind string, m map[string]string) {
		out = append(out, kind)
		for _, k := range slices.Sorted(maps.Keys(m)) {
			out = append(out, k, m[k])
		}
	}
	list("roles", add.RoleInboxes)
	pairs("free", add.FreeMail)
	list("disposable", add.Disposable)
	list("forms", add.LegalForms)
	pairs("countries", add.Countries)
	for _, g := range add.Nicknames {
		list("nicknames", g)
	}
	for _, c := range add.Channels {
		out = append(out, "channel", c.Medium, c.Source, c.Campaign, c.Channel, fmt.Sprint(c.Paid))
	}
	return out
}

// Version names the rules and all lists, the team's additions too. It is stored beside normalised values: another version
// may spell them differently.
func (n *Normaliser) Version() string { return n.version }

func (n *Normaliser) add(add Additions) error {
	for _, w := range add.RoleInboxes {
		n.roles[core(strings.ToLower(strings.TrimSpace(w)))] = true
	}
	for d, rule := range add.FreeMail {
		if rule != ruleGmail && rule != rulePlus && rule != ruleNone {
			return fmt.Errorf("mail provider %s: rule %q is not one of gmail, plus, none", d, rule)
		}
		host, ok := asciiHost(d)
		if !ok {
			return fmt.Errorf("mail provider %q is not a domain", d)
		}
		if built, _, _ := strings.Cut(n.free[host], " "); built != rule {
			n.free[host] = rule
		}
		delete(n.disposable, host)
	}
	for _, d := range add.Disposable {
		host, ok := asciiHost(d)
		if !ok {
			return fmt.Errorf("disposable domain %q is not a domain", d)
		}
		n.disposable[host] = true
	}
	for _, f := range add.LegalForms {
		// One that is built in, or is part of one, keeps what is known of it: its countries, and where it is a word and no form.
		if words := strings.Join(companyWords(f), " "); words != "" && n.forms.byWords[words] == nil && !n.forms.parts[words] {
			n.forms.add(words, form{canonical: words})
		}
	}
	for name, code := range add.Countries {
		code = strings.ToUpper(strings.TrimSpace(code))
		if len(code) != 2 {
			return fmt.Errorf("country %q: %q is not an ISO 3166 code of two letters", name, code)
		}
		n.countries[countryKey(name)] = code
	}
	for _, g := range add.Nicknames {
		n.addNicknames(g)
	}
	n.addChannels(add.Channels)
	return nil
}

package normal

import (
	"net/netip"
	"strings"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
)

// DomainClass says what a domain says about a company.
type DomainClass string

// The classes.
const (
	DomainCorporate  DomainClass = "corporate"  // one owner
	DomainHosted     DomainClass = "hosted"     // a name below a provider's own suffix (acme.github.io): a weak key
	DomainFree       DomainClass = "free"       // a mail provider
	DomainDisposable DomainClass = "disposable" // throw-away mailboxes
	DomainInvalid    DomainClass = "invalid"    // none, reserved, or nothing but a public suffix
)

// Domain is a host name and the part of it that somebody registered.
type Domain struct {
	Host        string // lower case, in ASCII
	Registrable string // public suffix and one label: acme.co.uk
	Suffix      string
	ICANN       bool // the suffix is a registry's, not a company's
	Class       DomainClass
}

// Domain reads a host out of a link, an address or the bare name. The result is false when there is none; then its class is
// invalid.
func (n *Normaliser) Domain(s string) (Domain, bool) {
	bad := Domain{Class: DomainInvalid}
	if len(s) > maxURL {
		return bad, false
	}
	s = visible(s)
	if i := strings.Index(s, "://"); i >= 0 {
		s = s[i+3:]
	}
	s = strings.TrimPrefix(s, "//")
	if i := strings.IndexAny(s, "/?#\\"); i >= 0 {
		s = s[:i]
	}
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		s = s[i+1:]
	}
	if i := strings.LastIndexByte(s, ':'); i >= 0 && (digits(s[i+1:]) || i == len(s)-1) {
		s = s[:i]
	}
	host, ok := asciiHost(s)
	if !ok {
		return bad, false
	}
	d := n.domain(host)
	return d, d.Class != DomainInvalid
}

// domain classes a host in ASCII.
func (n *Normaliser) domain(host string) Domain {
	d := Domain{Host: host, Class: DomainInvalid}
	d.Suffix, d.ICANN = publicsuffix.PublicSuffix(host)
	if reserved(host) || len(d.Suffix) >= len(host) {
		d.ICANN = false
		return d
	}
	rest := host[:len(host)-len(d.Suffix)-1]
	label := rest[strings.LastIndexByte(rest, '.')+1:]
	d.Registrable = label + "." + d.Suffix
	private := !d.ICANN && strings.Contains(d.Suffix, ".")
	switch {
	case n.disposable[host], n.disposable[d.Registrable]:
		d.Class = DomainDisposable
	case n.free[host] != "", n.free[d.Registrable] != "", d.ICANN && n.freeBrands[label]:
		d.Class = DomainFree
	case private:
		d.Class = DomainHosted
	default:
		d.Class = DomainCorporate
	}
	return d
}

// reserved reports names that nobody can own on the internet (RFC 2606, 6761, 6762, 8375, 9476). Names under .example, which
// simulated markets use, stay.
func reserved(host string) bool {
	tld := host[strings.LastIndexByte(host, '.')+1:]
	switch tld {
	case "test", "invalid", "localhost", "local", "localdomain", "internal", "intranet", "lan", "home", "corp", "arpa", "onion", "alt":
		return true
	}
	return false
}

// asciiHost brings a host name to lower-case ASCII: at least two labels, the last with a letter.
func asciiHost(s string) (string, bool) {
	s = strings.TrimRight(strings.TrimSpace(s), ".")
	if len(s) < 3 || len(s) > 1000 {
		return "", false
	}
	if !plainHost(s) {
		var err error
		if s, err = idna.Lookup.ToASCII(strings.ToLower(s)); err != nil {
			return "", false
		}
		s = strings.TrimRight(s, ".")
		if again, err := idna.Lookup.ToASCII(s); err != nil || again != s {
			return "", false
		}
		if !plainHost(strings.ReplaceAll(s, "xn--", "xn")) {
			return "", false
		}
	}
	if len(s) > 253 {
		return "", false
	}
	if _, err := netip.ParseAddr(s); err == nil {
		return "", false
	}
	return s, true
}

// plainHost reports whether a name is in normal form already, which most are: it saves the tables of Unicode.
func plainHost(s string) bool {
	dot, from := -1, 0
	for i := 0; i <= len(s); i++ {
		if i < len(s) && s[i] != '.' {
			if !letterOrDigit(s[i]) && s[i] != '-' {
				return false
			}
			continue
		}
		label := s[from:i]
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' || len(label) > 3 && label[2:4] == "--" {
			return false
		}
		if i < len(s) {
			dot = i
		}
		from = i + 1
	}
	return dot > 0 && !digits(s[dot+1:]) && len(s)-dot > 2
}

func suffixList() string { return "2026-02-06, revision d6c92f1bbb74" }

func idnaUnicode() string { return idna.UnicodeVersion }

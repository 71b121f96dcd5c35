package normal

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// EmailClass says what kind of mailbox an address names.
type EmailClass string

// The classes, the first that holds. Only a corporate address speaks for one person at one company.
const (
	EmailRole       EmailClass = "role"       // info@, billing@: several people read it
	EmailDisposable EmailClass = "disposable" // a provider of throw-away mailboxes
	EmailFree       EmailClass = "free"       // a provider at which anybody has a mailbox
	EmailSuspect    EmailClass = "suspect"    // a placeholder, a misspelt provider, or a sub-domain that a host gives away
	EmailCorporate  EmailClass = "corporate"
)

// Rules of mail providers about what they ignore before the at sign.
const (
	ruleGmail = "gmail" // dots and +tags
	rulePlus  = "plus"  // +tags
	ruleNone  = "none"
)

// Email is an e-mail address in its normal forms.
type Email struct {
	Exact     string // lower case, NFC, the domain in ASCII
	Mailbox   string // without what the provider is known to ignore; Exact for other providers
	LocalCore string // letters and digits before the at sign without a +tag: for "same name at another domain", never a key
	Local     string
	Domain    string // the whole host, in ASCII
	Tag       string // behind the plus
	Class     EmailClass
}

// Email reads one address as people write it: " Jane Doe <Jane@Example.COM>", mailto: links, full-width letters. It refuses
// what is no address, and control characters within one.
func (n *Normaliser) Email(s string) (Email, bool) {
	local, host, ok := splitEmail(s)
	if !ok {
		return Email{}, false
	}
	e := Email{Local: local, Domain: host, Exact: local + "@" + host}
	box := local
	if i := strings.IndexByte(local, '+'); i > 0 {
		box, e.Tag = local[:i], local[i+1:]
	}
	e.LocalCore = core(box)
	e.Mailbox = e.Exact
	rule, alias := n.mailRule(host)
	switch rule {
	case ruleGmail:
		if b := strings.ReplaceAll(box, ".", ""); b != "" {
			e.Mailbox = b + "@" + alias
		}
	case rulePlus:
		e.Mailbox = box + "@" + alias
	}
	e.Class = n.emailClass(box, host)
	return e, true
}

// mailRule is what a provider ignores, and the one of its domains that stands for all that reach the same mailbox.
func (n *Normaliser) mailRule(host string) (rule, alias string) {
	rule = n.free[host]
	r, a, ok := strings.Cut(rule, " ")
	if !ok || a == "" {
		return r, host
	}
	return r, a
}

func (n *Normaliser) emailClass(local, host string) EmailClass {
	if n.isRole(local) {
		return EmailRole
	}
	switch n.domain(host).Class {
	case DomainDisposable:
		return EmailDisposable
	case DomainFree:
		return EmailFree
	case DomainHosted, DomainInvalid:
		return EmailSuspect
	}
	if n.suspect[host] || n.suspect[core(local)+"@"] {
		return EmailSuspect
	}
	return EmailCorporate
}

// isRole knows role names with their separators (no-reply), with numbers (info2) and, for the long ones, with what follows
// (sales.emea).
func (n *Normaliser) isRole(local string) bool {
	c := core(local)
	// a.r@ is somebody with initials, ar@ the accounts receivable.
	if n.roles[c] && (len(c) > 3 || !strings.ContainsAny(local, "._-")) {
		return true
	}
	first := c
	if i := strings.IndexAny(local, "._-"); i > 0 {
		first = core(local[:i])
	} else {
		first = strings.TrimRight(first, "0123456789")
	}
	return first != c && n.roles[first+"*"]
}

// core keeps the letters and digits, transliterated.
func core(local string) string { return alnum(fold(local)) }

func splitEmail(s string) (local, host string, ok bool) {
	if len(s) > 4*maxEmail { // a display name may stand before it
		return "", "", false
	}
	s = visible(s)
	if i := strings.LastIndexByte(s, '<'); i >= 0 {
		rest, closed := strings.CutSuffix(s[i+1:], ">")
		if !closed {
			return "", "", false
		}
		s = rest
	}
	if len(s) >= 7 && strings.EqualFold(s[:7], "mailto:") {
		s, _, _ = strings.Cut(s[7:], "?")
	}
	s = strings.Trim(s, " ;,'\"")
	if len(s) > maxEmail {
		return "", "", false
	}
	at := strings.LastIndexByte(s, '@')
	if at <= 0 || at == len(s)-1 {
		return "", "", false
	}
	local = norm.NFC.String(strings.ToLower(s[:at]))
	if !localPart(local) {
		return "", "", false
	}
	host, ok = asciiHost(s[at+1:])
	if !ok || len(local)+1+len(host) > maxEmail {
		return "", "", false
	}
	return local, host, true
}

// visible takes out signs that cannot be seen and narrows full-width forms; the ends lose blanks and control characters.
func visible(s string) string {
	if !plainASCII(s) {
		s = strings.ToValidUTF8(s, "\x00")
		s = strings.Map(func(r rune) rune {
			switch {
			case invisible(r):
				return -1
			case r >= 0xff01 && r <= 0xff5e:
				return r - 0xfee0
			case r == '\n', r == '\r', r == '\t':
				return r
			case unicode.IsSpace(r):
				return ' '
			}
			return r
		}, s)
	}
	return strings.TrimFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) })
}

// localPart accepts what stands before the at sign (RFC 5321 dot-string, RFC 6531 letters); quoted forms are refused, nobody
// has one. Dots at the end or in a row exist at Japanese carriers.
func localPart(s string) bool {
	if s == "" || len(s) > 128 || s[0] == '.' {
		return false
	}
	for _, r := range s {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', strings.ContainsRune(".!#$%&'*+/=?^_`{|}~-", r):
		case r >= 0x80 && (unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r)):
		default:
			return false
		}
	}
	return core(s) != ""
}

func (n *Normaliser) loadMail() error {
	_, rows, err := readList("free_mail")
	if err != nil {
		return err
	}
	n.free, n.freeBrands = map[string]string{}, map[string]bool{}
	for _, r := range rows {
		rule := ruleNone
		if len(r) > 1 && r[1] != "" {
			rule = r[1]
		}
		if len(r) > 2 && r[2] != "" {
			rule += " " + r[2]
		}
		for d := range strings.FieldsSeq(r[0]) {
			if brand, ok := strings.CutSuffix(d, ".*"); ok {
				n.freeBrands[brand] = true
				continue
			}
			n.free[d] = rule
		}
	}
	if n.roles, err = words("roles"); err != nil {
		return err
	}
	for w := range n.roles {
		if long, ok := strings.CutSuffix(w, "*"); ok {
			n.roles[long] = true
		}
	}
	if n.disposable, err = words("disposable"); err != nil {
		return err
	}
	n.suspect, err = words("suspect")
	return err
}

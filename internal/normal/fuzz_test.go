package normal

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// once calls every function and checks that normal forms stay as they are.
func once(t *testing.T, n *Normaliser, s, u string) {
	t.Helper()
	same := func(what, first, again string, ok bool) {
		t.Helper()
		if len(first) > maxName { // transliterated, a name may outgrow what is read
			return
		}
		if !ok || again != first {
			t.Errorf("%s of %.200q: %.200q becomes %.200q (%v)", what, s, first, again, ok)
		}
		if !utf8.ValidString(first) {
			t.Errorf("%s of %q: %q is not UTF-8", what, s, first)
		}
	}
	if e, ok := n.Email(s); ok {
		again, ok := n.Email(e.Exact)
		same("e-mail", e.Exact, again.Exact, ok)
		again, ok = n.Email(e.Mailbox)
		same("mailbox", e.Mailbox, again.Mailbox, ok)
	}
	if p, ok := n.Phone(s, u); ok && p.Plausible {
		again, ok := n.Phone(p.E164, "")
		same("telephone", p.E164, again.E164, ok)
	}
	if d, ok := n.Domain(s); ok {
		again, ok := n.Domain(d.Registrable)
		same("domain", d.Registrable, again.Registrable, ok)
	}
	if p, ok := n.Person(s, u); ok && p.Key != "" {
		again, _ := n.Person(p.GivenKey, p.FamilyKey)
		if !n.nobody["person"][p.GivenKey] && !n.nobody["person"][p.FamilyKey] {
			same("person", p.Key, again.Key, true)
		}
	}
	n.FullName(s)
	n.Nicknames(s)
	if c, ok := n.Company(s, u); ok {
		if first := strings.Join(c.Tokens, " "); !n.nobody["company"][first] {
			again, ok := n.Company(first, u)
			same("company", first, strings.Join(again.Tokens, " "), ok)
		}
	}
	n.Address(s, u, u)
	n.Address(s, s, "")
	if c, ok := n.Postcode(s, u); ok {
		again, ok := n.Postcode(c, u)
		same("postcode", c, again, ok)
	}
	if c, ok := n.Country(s); ok {
		again, ok := n.Country(c)
		same("country", c, again, ok)
	}
	if c, ok := n.Currency(s, u); ok {
		again, ok := n.Currency(c.Code, u)
		same("currency", c.Code, again.Code, ok)
	}
	if z, ok := n.TimeZone(s, u); ok {
		again, ok := n.TimeZone(z, "")
		same("time zone", z, again, ok)
	}
	if l, ok := n.URL(s); ok {
		again, ok := n.URL(l)
		same("link", l, again, ok)
	}
	n.Param(s, u)
	n.Campaign(s, u, s)
	for _, kind := range []string{"source", "medium", "campaign"} {
		if tag, ok := n.Tag(kind, s); ok {
			again, ok := n.Tag(kind, tag)
			same(kind, tag, again, ok)
		}
	}
}

// Whatever bytes come in, nothing panics, and a normal form is its own normal form.
func FuzzAll(f *testing.F) {
	for _, s := range []string{"", " ", "Jane Doe <jane.doe+x@GoogleMail.com>", "+1 (415) 555-2671 x12", "٠١٠٠ ١٢٣ ٤٥٦٧", "Müller & Söhne GmbH & Co. KG", "株式会社日立製作所",
		"Hauptstraße 12a", "Dr. Jane van der Berg, Jr., M.D.", "https://User@acme.com:80/a/../b?utm_source=x&b=%zz#y", "(GMT-08:00) Pacific (America/Los_Angeles)", "Etc/GMT+5",
		"\x00\xff\xfe", "İstanbul A.Ş.", "ﬁ", "a\u0301\u0323", "the the inc and", "p.o. box 12", "#", "%", "%25", "+%2b+", "@", "xn--a", "(((", "1e9", "c/o", "S.à r.l."} {
		f.Add(s, "DE")
		f.Add(s, s)
	}
	n := Default()
	f.Fuzz(func(t *testing.T, s, u string) { once(t, n, s, u) })
}

// A value of ten megabytes takes no time, and is no value: two of them are not alike.
func TestHugeValues(t *testing.T) {
	n := Default()
	for _, piece := range []string{"a", "ü", " ", ".", "1", "@", "%", "\x00", "王", "a.", "1-", "<", "(", "and ", "\u200b", "a@b.com,"} {
		s := strings.Repeat(piece, 10_000_000/len(piece))
		from := time.Now()
		once(t, n, s, s)
		if took := time.Since(from); took > 10*time.Second {
			t.Errorf("%q repeated took %s", piece, took)
		}
		if _, ok := n.FullName(s); ok {
			t.Errorf("%q repeated is a person", piece)
		}
		if _, ok := n.Company(s, ""); ok {
			t.Errorf("%q repeated is a company", piece)
		}
	}
	// The longest that is read is quick too.
	for _, piece := range []string{"a", "ü", "a ", ". ", "1 ", "王", "and ", "the ", "-", "%", "co kg "} {
		s := strings.Repeat(piece, 8000/len(piece))
		from := time.Now()
		for _, l := range []int{maxEmail, maxPhone, maxName, maxAddress, maxURL} {
			once(t, n, strings.ToValidUTF8(s[:min(len(s), l)], ""), "DE")
		}
		if took := time.Since(from); took > 10*time.Second {
			t.Errorf("%q took %s", piece, took)
		}
	}
}

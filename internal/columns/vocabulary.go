package columns

import (
	_ "embed"
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

//go:embed headers.txt
var headers string

// vocabulary is headers.txt by phrase.
type vocabulary struct {
	kinds   map[string]string
	longest int // words of the longest phrase
}

func newVocabulary() vocabulary {
	v := vocabulary{kinds: map[string]string{}}
	for line := range strings.Lines(headers) {
		kind, phrases, ok := strings.Cut(strings.TrimSpace(line), ":")
		if !ok || strings.HasPrefix(kind, "#") {
			continue
		}
		for p := range strings.SplitSeq(phrases, ",") {
			w := split(p)
			k := strings.Join(w, " ")
			if _, taken := v.kinds[k]; !taken && k != "" {
				v.kinds[k] = kind
				v.longest = max(v.longest, len(w))
			}
		}
	}
	return v
}

// around are words that say whose value it is or where it came from, not what it is.
var around = words("customer client contact person people lead user member patient employee primary main default work business home private personal the of a an field value values text str txt col column original orig raw source src input cleaned clean normalised normalized hs crm sf billing shipping kunde kunden ansprechpartner privat")

// abbreviations of words in names of columns.
var abbreviations = map[string]string{
	"nm": "name", "nme": "name", "fst": "first", "frst": "first", "lst": "last", "addr": "address", "adr": "address", "no": "number", "nr": "number",
	"num": "number", "nbr": "number", "ph": "phone", "fon": "phone", "cntry": "country", "ctry": "country", "cty": "city", "st": "street", "str": "strasse",
	"zipcode": "zip", "eml": "email", "brth": "birth", "dt": "date", "comp": "company", "cmpny": "company", "co": "company", "org": "organisation",
	"givn": "given", "gvn": "given", "fam": "family", "srname": "surname", "snm": "surname", "fnm": "fname", "lnm": "lname", "bday": "birthday",
	"pcode": "postcode", "hse": "house", "mob": "mobile", "dom": "domain", "reg": "registration",
}

func words(s string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(s) {
		m[w] = true
	}
	return m
}

// kind finds the longest phrase of a header, how well it fits (0 to 1) and why.
func (v vocabulary) kind(header string) (kind string, fit float64, why string) {
	w := split(header)
	if k, ok := v.kinds[strings.Join(w, " ")]; ok {
		return k, 1, "named so"
	}
	for i := range w {
		if long, ok := abbreviations[w[i]]; ok {
			w[i] = long
		}
	}
	if k, ok := v.kinds[strings.Join(w, " ")]; ok {
		return k, 1, fmt.Sprintf("the name reads %q", strings.Join(w, " "))
	}
	core := make([]string, 0, len(w))
	for _, x := range w {
		if !around[x] {
			core = append(core, x)
		}
	}
	if k, ok := v.kinds[strings.Join(core, " ")]; ok && len(core) > 0 {
		return k, 0.9, fmt.Sprintf("the name reads %q", strings.Join(core, " "))
	}
	for n := min(len(w), v.longest); n > 0; n-- {
		for i := len(w) - n; i >= 0; i-- { // what a thing is stands last in most of these languages
			p := strings.Join(w[i:i+n], " ")
			if k, ok := v.kinds[p]; ok && len([]rune(p)) > 1 {
				return k, 0.5 + 0.1*float64(n)/float64(len(w)), fmt.Sprintf("the name has %q", p)
			}
		}
	}
	return "", 0, "the name says nothing known"
}

// split takes a header apart into words: lower case, no accents, camelCase, digits and signs apart.
func split(header string) []string {
	var b strings.Builder
	var last rune
	for _, r := range norm.NFKD.String(header) {
		switch {
		case unicode.Is(unicode.Mn, r):
			continue
		case !unicode.IsLetter(r) && !unicode.IsDigit(r):
			r = ' '
		case unicode.IsUpper(r) && unicode.IsLower(last), unicode.IsDigit(r) != unicode.IsDigit(last) && last != 0 && last != ' ':
			b.WriteRune(' ')
		}
		last = r
		b.WriteRune(special(unicode.ToLower(r)))
	}
	s := strings.NewReplacer("ß", "ss").Replace(b.String())
	return strings.Fields(s)
}

// special are letters that no decomposition makes plain.
func special(r rune) rune {
	switch r {
	case 'ø':
		return 'o'
	case 'ł':
		return 'l'
	case 'ı':
		return 'i'
	case 'đ':
		return 'd'
	}
	return r
}

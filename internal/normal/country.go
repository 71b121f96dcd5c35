package normal

import (
	"strings"
	"sync"

	"golang.org/x/text/language"
	"golang.org/x/text/language/display"
)

// Country is the ISO 3166 code of two letters for a code of two or three letters or digits, or a name in one of the
// languages below. A code is read in any case; a name without accents and signs too.
func (n *Normaliser) Country(s string) (string, bool) {
	s, ok := tidy(s, maxWord)
	if !ok || strings.EqualFold(s, "n/a") { // not Namibia
		return "", false
	}
	code, ok := n.countries[countryKey(s)]
	return code, ok
}

// countryKey is a name as letters and digits; "the" and what stands in brackets do not count.
func countryKey(s string) string {
	if i := strings.IndexByte(s, '('); i > 0 {
		s = s[:i]
	}
	k := alnum(strings.ReplaceAll(fold(s), "&", "and"))
	if rest, ok := strings.CutPrefix(k, "the"); ok && len(rest) > 4 {
		k = rest
	}
	return k
}

// countryNames are the names in the languages of the library, and the codes. They are the same for every normaliser, and
// reading them takes a moment.
var countryNames = sync.OnceValue(func() map[string]string {
	out := map[string]string{}
	var all []language.Region
	for a := 'A'; a <= 'Z'; a++ {
		for b := 'A'; b <= 'Z'; b++ {
			r, err := language.ParseRegion(string([]rune{a, b}))
			if err != nil || !r.IsCountry() || r.Canonicalize() != r || r.String() != string([]rune{a, b}) {
				continue
			}
			all = append(all, r)
		}
	}
	put := func(name, code string) {
		if k := countryKey(name); k != "" {
			if _, taken := out[k]; !taken {
				out[k] = code
			}
		}
	}
	for _, r := range all { // codes win over names
		out[strings.ToLower(r.String())] = r.String()
		put(r.ISO3(), r.String())
	}
	for _, tag := range []language.Tag{language.English, language.German, language.French, language.Spanish, language.Italian, language.Portuguese,
		language.Dutch, language.Polish, language.Czech, language.Swedish, language.Danish, language.Norwegian, language.Finnish, language.Hungarian,
		language.Romanian, language.Turkish, language.Greek, language.Russian, language.Ukrainian, language.Arabic, language.Japanese, language.Korean,
		language.SimplifiedChinese, language.TraditionalChinese, language.Croatian, language.Bulgarian} {
		namer := display.Regions(tag)
		for _, r := range all {
			put(namer.Name(r), r.String())
		}
	}
	return out
})

func cldr() string { return display.CLDRVersion }

func (n *Normaliser) loadGeo() error {
	_, rows, err := readList("countries")
	if err != nil {
		return err
	}
	names := countryNames()
	n.countries = make(map[string]string, len(names)+len(rows))
	for k, v := range names {
		n.countries[k] = v
	}
	for _, r := range rows {
		for _, name := range r[1:] {
			n.countries[countryKey(name)] = r[0]
		}
	}
	return nil
}

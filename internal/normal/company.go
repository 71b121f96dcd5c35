package normal

import (
	"slices"
	"strings"
	"unicode"
)

// Company is a company's name in its parts and keys.
type Company struct {
	Name      string   // as written, tidied
	Tokens    []string // words in order, transliterated, in lower case, without the legal form
	Key       string   // Tokens in one: "acmewidgets"
	SortedKey string   // Tokens sorted, between blanks: names with their words in another order
	LegalForm string   // canonical: gmbh, inc, sarl, "gmbh & co kg"; empty when the name has none
	Numbers   []string // tokens that are numbers: Unit 4 is not Unit 5
	Acronym   string   // first letters of two or more tokens: ibm
	NativeKey string   // lower case in the writing it came in, letters and digits only, with its legal form
}

// Company reads a company's name. country (code or name, may be empty) decides about words that are a legal form in some
// countries and a word elsewhere: AS, AB, SE, CO. A name is never stripped to nothing.
func (n *Normaliser) Company(name, country string) (Company, bool) {
	s, ok := n.named("company", name)
	if !ok {
		return Company{}, false
	}
	w := companyWords(s)
	if len(w) == 0 {
		return Company{}, false
	}
	c := Company{Name: s, NativeKey: nativeKey(s)}
	code := ""
	if country != "" {
		code = n.region(country)
	}
	for i := range w {
		w[i] = umlauts(w[i])
	}
	w, c.LegalForm = n.forms.strip(w, code)
	c.Tokens = w
	c.Key = strings.Join(w, "")
	sorted := slices.Sorted(slices.Values(w))
	c.SortedKey = strings.Join(sorted, " ")
	if len(w) > 1 {
		for _, t := range w {
			if t != "and" && t != "of" {
				c.Acronym += t[:1]
			}
		}
	}
	for _, t := range w {
		if digits(t) || roman(t) {
			c.Numbers = append(c.Numbers, t)
		}
	}
	return c, true
}

func roman(t string) bool {
	switch t {
	case "ii", "iii", "iv", "vi", "vii", "viii", "ix":
		return true
	}
	return false
}

// companyWords splits a name into words for keys: & is "and", dots and apostrophes join (S.A., O'Neil), other signs part, and
// letters that stand alone belong together (I B M, S. A.).
func companyWords(s string) []string {
	var b strings.Builder
	for _, r := range fold(expandSigns(s)) {
		switch {
		case r == '.' || r == '\'' || r == '`':
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			b.WriteRune(r)
		default:
			b.WriteByte(' ')
		}
	}
	var out []string
	run := false
	for f := range strings.FieldsSeq(b.String()) {
		single := len(f) == 1 && f[0] >= 'a' && f[0] <= 'z'
		if single && run {
			out[len(out)-1] += f
			continue
		}
		run = single
		out = append(out, f)
	}
	return out
}

func expandSigns(s string) string {
	if !strings.ContainsAny(s, "&+/＆") {
		return s
	}
	s = strings.ReplaceAll(s, "&", " and ")
	s = strings.ReplaceAll(s, "+", " and ")
	// A/S, K/S, c/o: one word.
	r := []rune(s)
	var b strings.Builder
	for i, c := range r {
		if c == '/' && i > 0 && i+1 < len(r) && unicode.IsLetter(r[i-1]) && unicode.IsLetter(r[i+1]) &&
			(i < 2 || !unicode.IsLetter(r[i-2])) && (i+2 >= len(r) || !unicode.IsLetter(r[i+2])) {
			continue
		}
		b.WriteRune(c)
	}
	return b.String()
}

func nativeKey(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) {
			return r
		}
		return -1
	}, strings.ToLower(s))
}

// form is one legal form under one of its spellings.
type form struct {
	canonical string
	countries string // " DE AT "; empty: everywhere
	ambiguous bool   // also a word: no form where another country is known
	strict    bool   // a form only where one of its countries is known
	front     bool   // also at the beginning of a name
}

type formTable struct {
	byWords map[string][]form
	last    map[string]int // last word of a spelling → words of the longest one that ends so
	first   map[string]int // the same for forms before the name
	parts   map[string]bool
}

func (t *formTable) add(spelling string, f form) {
	if t.byWords == nil {
		t.byWords, t.last, t.first = map[string][]form{}, map[string]int{}, map[string]int{}
		t.parts = map[string]bool{}
	}
	t.byWords[spelling] = append(t.byWords[spelling], f)
	w := strings.Fields(spelling)
	for _, p := range w {
		t.parts[p] = true
	}
	t.last[w[len(w)-1]] = max(t.last[w[len(w)-1]], len(w))
	if f.front {
		t.first[w[0]] = max(t.first[w[0]], len(w))
	}
}

// find is the form of a spelling in a country: one of that country before one of any.
func (t *formTable) find(spelling, country string) (form, bool) {
	var any form
	found := false
	for _, f := range t.byWords[spelling] {
		at := country != "" && strings.Contains(f.countries, " "+country+" ")
		if at {
			return f, true
		}
		if !f.strict && (!f.ambiguous || country == "") && !found {
			any, found = f, true
		}
	}
	return any, found
}

// strip takes legal forms from the end and the beginning of a name until there is none, and joins them: gmbh & co kg.
func (t *formTable) strip(w []string, country string) ([]string, string) {
	var tail, head []string
	for changed := true; changed; {
		changed = false
		for k := min(t.last[w[len(w)-1]], len(w)-1); k > 0; k-- {
			if f, ok := t.find(strings.Join(w[len(w)-k:], " "), country); ok {
				tail = append([]string{f.canonical}, tail...)
				w = w[:len(w)-k]
				changed = true
				break
			}
		}
		for len(w) > 1 && w[len(w)-1] == "and" { // Smith & Co: the and belongs to the form
			w = w[:len(w)-1]
			changed = true
		}
		for len(w) > 1 && (w[0] == "the" || w[0] == "and") {
			w = w[1:]
			changed = true
		}
		if changed {
			continue
		}
		for k := min(t.first[w[0]], len(w)-1); k > 0; k-- {
			if f, ok := t.find(strings.Join(w[:k], " "), country); ok && f.front {
				head = append(head, f.canonical)
				w = w[k:]
				changed = true
				break
			}
		}
	}
	return w, joinForms(append(tail, head...))
}

// joinForms names a combination by what the parts mean together.
func joinForms(parts []string) string {
	parts = slices.Compact(parts)
	switch s := strings.Join(parts, " "); s {
	case "gmbh co kg", "gmbh kg", "gmbh & co kg":
		return "gmbh & co kg"
	case "ag co kg", "ag kg":
		return "ag & co kg"
	case "ug co kg", "ug kg":
		return "ug & co kg"
	case "co kg":
		return "kg"
	case "co ltd", "corp ltd", "co pty ltd":
		return "ltd"
	case "co inc", "corp inc":
		return "inc"
	case "co llc":
		return "llc"
	case "co plc":
		return "plc"
	default:
		return s
	}
}

func (n *Normaliser) loadForms() error {
	_, rows, err := readList("legal_forms")
	if err != nil {
		return err
	}
	for _, r := range rows {
		f := form{canonical: r[0]}
		if r[1] != "*" {
			f.countries = " " + r[1] + " "
		}
		f.ambiguous, f.strict = strings.Contains(r[2], "ambiguous"), strings.Contains(r[2], "strict")
		f.front = strings.Contains(r[2], "front")
		for _, spelling := range r[3:] {
			if words := companyWords(spelling); len(words) > 0 {
				n.forms.add(strings.Join(words, " "), f)
			}
		}
	}
	return nil
}

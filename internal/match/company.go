package match

import (
	"cmp"
	_ "embed"
	"math"
	"slices"
	"strings"

	"millrace/internal/normal"
)

// companyNames is what the names of companies are compared by: their words, and how telling each is. A word that many companies
// have says little. It is learned from the names themselves, each counted once, together with a background of names, so
// that a short list knows too that "solutions" is no name.
type companyNames struct {
	names  []companyName // by number in view.full
	dict   dict
	idf    []float64
	place  []bool
	places map[string]bool // built in
	rare   [][]string      // by name: its two most telling words
	glued  []string        // by name: its words without blanks
}

// companyName is a name by its words.
type companyName struct {
	words []uint32
	total float64 // of the idf of the words that are no places
}

// The background: so many names, in which a common word of trade stands in so many.
const (
	backgroundNames = 5000
	commonShare     = 0.02
	// distinctive words have at least this share of the idf of a word that stands once.
	distinctive = 0.55
)

//go:embed company_words.txt
var companyWordList string

func newCompanyNames(v *view) *companyNames {
	n := v.set.spec.Words
	if n == nil {
		n = normal.Default()
	}
	w := &companyNames{dict: newDict(), names: make([]companyName, v.full.len()), rare: make([][]string, v.full.len()), glued: make([]string, v.full.len())}
	df := []float64{0}
	for i, s := range v.full.texts {
		var c companyName
		w.glued[i] = squeeze(s)
		for t := range strings.FieldsSeq(s) {
			id := w.dict.id(t)
			if int(id) == len(df) {
				df = append(df, 0)
			}
			if len(c.words) < 16 && !slices.Contains(c.words, id) {
				c.words = append(c.words, id)
				df[id]++
			}
		}
		w.names[i] = c
	}
	common, places, codes := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for line := range strings.Lines(companyWordList) {
		kind, list, _ := strings.Cut(strings.TrimSpace(line), ":")
		for t := range strings.FieldsSeq(list) {
			switch kind {
			case "common":
				common[t] = true
			case "place":
				places[t] = true
			case "code":
				codes[t] = true
			}
		}
	}
	w.places = places
	all := float64(v.full.len() + backgroundNames)
	w.idf = make([]float64, len(df))
	w.place = make([]bool, len(df))
	for i, t := range w.dict.texts {
		if common[t] {
			df[i] += commonShare * backgroundNames
		}
		w.idf[i] = math.Log(all / (df[i] + 0.5))
		w.place[i] = places[t] || len(t) >= 4 && isCountry(n, t)
	}
	for i := range w.names {
		c := &w.names[i]
		// "Acme (DE)" says where the record is kept, not what the company is called.
		if kept := slices.DeleteFunc(slices.Clone(c.words), func(t uint32) bool { return codes[w.dict.texts[t]] }); len(kept) > 0 && len(kept) < len(c.words) {
			c.words, w.glued[i] = kept, ""
			for _, t := range kept {
				w.glued[i] += w.dict.texts[t]
			}
		}
		for _, t := range c.words {
			if !w.place[t] {
				c.total += w.idf[t]
			}
		}
		order := slices.Clone(c.words)
		slices.SortStableFunc(order, func(a, b uint32) int {
			return cmp.Or(cmp.Compare(w.idf[b], w.idf[a]), strings.Compare(w.dict.texts[a], w.dict.texts[b]))
		})
		for _, t := range order[:min(len(order), 2)] {
			w.rare[i] = append(w.rare[i], w.dict.texts[t])
		}
	}
	return w
}

// companies are the company names, derived once.
func (v *view) companies() *companyNames {
	v.companyOnce.Do(func() { v.company = newCompanyNames(v) })
	return v.company
}

func isCountry(n *normal.Normaliser, s string) bool {
	_, ok := n.Country(s)
	return ok
}

func (w *companyNames) distinct(t uint32) bool {
	return !w.place[t] && w.idf[t] >= distinctive*math.Log(float64(len(w.names)+backgroundNames)/1.5)
}

// companyMatch is how two names stand to each other.
type companyMatch struct {
	shared           float64 // idf of the words that both have, spelled alike
	restA, restB     bool    // a distinctive word that only one has
	extraA, extraB   bool    // a common word that only one has
	distinctive      bool    // a shared word is distinctive
	anyShared        bool
	placeA, placeB   bool // a place that only one names
	numberA, numberB bool // a number that only one has
	exact            bool // all words are spelled the same
}

// compare matches the words of two names, each with one of the other.
func (w *companyNames) compare(x, y uint32) companyMatch {
	a, b := &w.names[x], &w.names[y]
	var m companyMatch
	m.exact = true
	var used, left [16]bool
	for i, t := range a.words {
		j := slices.Index(b.words, t)
		if j < 0 {
			left[i] = true
			continue
		}
		used[j] = true
		m.share(w, t)
	}
	for i, t := range a.words {
		if !left[i] {
			continue
		}
		s := w.dict.texts[t]
		for j, u := range b.words {
			if !used[j] && !number(s) && oneWord(s, w.dict.texts[u]) {
				used[j], left[i] = true, false
				m.exact = false
				if w.idf[u] < w.idf[t] {
					m.share(w, u)
				} else {
					m.share(w, t)
				}
				break
			}
		}
	}
	rest := func(t uint32, distinct, extra, place, num *bool) {
		m.exact = false
		switch {
		case number(w.dict.texts[t]):
			*num = true
		case w.place[t]:
			*place = true
		case w.distinct(t):
			*distinct = true
		default:
			*extra = true
		}
	}
	for i, t := range a.words {
		if left[i] {
			rest(t, &m.restA, &m.extraA, &m.placeA, &m.numberA)
		}
	}
	for j, t := range b.words {
		if !used[j] {
			rest(t, &m.restB, &m.extraB, &m.placeB, &m.numberB)
		}
	}
	return m
}

func (m *companyMatch) share(w *companyNames, t uint32) {
	m.anyShared = true
	if !w.place[t] {
		m.shared += w.idf[t]
	}
	m.distinctive = m.distinctive || w.distinct(t)
}

// oneWord reports whether two words are spellings of one: an edit in four letters, two in eight.
func oneWord(a, b string) bool {
	switch n := min(len(a), len(b)); {
	case n < 4:
		return false
	case n < 8:
		return edits(a, b, 1) <= 1
	}
	return edits(a, b, 2) <= 2
}

// number reports whether a word is a number, in digits or Roman: Unit 4 is not Unit 5.
func number(s string) bool {
	digit := false
	for i := range len(s) {
		if s[i] >= '0' && s[i] <= '9' {
			digit = true
		}
	}
	if digit {
		return true
	}
	switch s {
	case "ii", "iii", "iv", "vi", "vii", "viii", "ix":
		return true
	}
	return false
}

// Legal forms that people write for each other.
var looseForms = map[string]string{"inc": "inc", "corp": "inc", "co": "inc", "incorporated": "inc", "corporation": "inc", "company": "inc", "plc": "ltd", "ltd": "ltd", "limited": "ltd"}

// formsAgree reports whether two legal forms may be one company's: people leave them out, and write some for others.
func formsAgree(a, b string) bool {
	if a == b || a == "" || b == "" {
		return true
	}
	x, y := looseForms[a], looseForms[b]
	return x != "" && x == y
}

package match

import (
	"math"
	"slices"
	"strings"
)

// companyNames holds what a company's name is compared by: its words, and how telling each is among these records, so that no list
// of stop words is needed: group, solutions and holding cost nothing where every other company has them.
type companyNames struct {
	words  [][]string // by number of the name
	weight [][]float64
	rare   [][]string // the two most telling words
	glued  []string
}

func newCompanyNames(v *view) *companyNames {
	c := &companyNames{}
	count := map[string]int{}
	for _, s := range v.full.texts {
		w := strings.Fields(s)
		c.words = append(c.words, w)
		c.glued = append(c.glued, squeeze(s))
		for i, x := range w {
			if !slices.Contains(w[:i], x) {
				count[x]++
			}
		}
	}
	n := float64(max(v.full.len()-1, 1))
	for _, w := range c.words {
		weight := make([]float64, len(w))
		for i, x := range w {
			// Among few names nothing is common yet: the smoothing keeps a word that two of ten have telling.
			weight[i] = math.Log((n + 20) / (float64(count[x]) + 1))
		}
		c.weight = append(c.weight, weight)
		order := make([]int, len(w))
		for i := range order {
			order[i] = i
		}
		slices.SortStableFunc(order, func(a, b int) int {
			switch {
			case weight[a] > weight[b]:
				return -1
			case weight[a] < weight[b]:
				return 1
			}
			return strings.Compare(w[a], w[b])
		})
		var rare []string
		for _, i := range order[:min(len(order), 2)] {
			rare = append(rare, w[i])
		}
		c.rare = append(c.rare, rare)
	}
	return c
}

// overlap is the share of the telling words that two names have in common, of both and of the shorter.
func (c *companyNames) overlap(x, y uint32) (both, shorter float64) {
	a, b := c.words[x], c.words[y]
	var sumA, sumB, sharedA, sharedB float64
	var used [32]bool
	for i, w := range a {
		sumA += c.weight[x][i]
		for j, z := range b[:min(len(b), 32)] {
			if !used[j] && (w == z || len(w) >= 4 && len(z) >= 4 && jaroWinkler(w, z) >= 0.92) {
				used[j] = true
				sharedA += c.weight[x][i]
				sharedB += c.weight[y][j]
				break
			}
		}
	}
	for j := range b {
		sumB += c.weight[y][j]
	}
	if sumA == 0 || sumB == 0 {
		return 0, 0
	}
	return (sharedA + sharedB) / (sumA + sumB), max(sharedA/sumA, sharedB/sumB)
}

func compareCompany(v *view) *comparison {
	if len(v.names.val) == 0 {
		return nil
	}
	names := v.companies()
	compare := func(x, y name) outcome {
		forms := x.surname != 0 && y.surname != 0 && x.surname != y.surname
		numbers := x.middle != y.middle // Unit 4 is not Unit 5, and neither is Unit
		switch {
		case x.full == y.full && !forms:
			return outcome{level: 1, value: x.full}
		case x.full == y.full:
			return outcome{level: 2, value: x.full}
		case numbers:
		default:
			both, shorter := names.overlap(x.full, y.full)
			a, b := names.glued[x.full], names.glued[y.full]
			switch {
			case !forms && (a == b || both >= 0.85):
				return outcome{level: 3}
			case !forms && len(a) >= 5 && len(b) >= 5 && alike(a, b):
				return outcome{level: 4}
			case shortName(v, x, b) || shortName(v, y, a):
				return outcome{level: 5}
			case shorter >= 0.85:
				return outcome{level: 6}
			case both >= 0.4:
				return outcome{level: 7}
			}
		}
		return outcome{level: 8, against: allOther}
	}
	c := &comparison{
		name: "name", title: "company name", part: partName,
		levels: []level{silent,
			{name: "exact", says: "same company name", m: 0.6, u: 1e-5, freq: v.full, whole: true},
			{name: "legal_form", says: "same company name, different legal form", m: 0.02, u: 1e-5, freq: v.full, most: 0.1},
			{name: "words", says: "same words that matter in the company name", m: 0.12, u: 1e-5},
			{name: "typo", says: "company names a letter or two apart", m: 0.1, u: 2e-5},
			{name: "acronym", says: "one company name is the initials of the other", m: 0.02, u: 5e-5},
			{name: "part", says: "one company name is part of the other", m: 0.06, u: 1e-4},
			{name: "some_words", says: "company names share words", m: 0.03, u: 1e-3, most: 0.1},
			{name: "differs", says: "different company name", m: 0.05, u: 0.99, most: 0.2},
		},
		find: func(a, b int) outcome {
			var out outcome
			xs, ys := v.names.of(a), v.names.of(b)
			for _, x := range xs[:min(len(xs), 8)] {
				for _, y := range ys[:min(len(ys), 8)] {
					if o := compare(v.whole[x], v.whole[y]); out.level == 0 || o.level < out.level {
						out = o
					}
				}
			}
			return out
		},
	}
	// Companies of one group share a part of their name, seldom all of it.
	kinLevels(c, nil, []float64{0.03, 0.07, 0.03, 0.02, 0.02, 0.5, 0.13, 0.2})
	c.kin.start[household] = nil
	return c
}

// shortName reports whether a name is the initials of the other: x has them where it has several words.
func shortName(v *view, x name, glued string) bool {
	initials := v.given.texts[x.given]
	return len(initials) >= 3 && initials == glued
}

// companies are the company names, derived once.
func (v *view) companies() *companyNames {
	v.companyOnce.Do(func() { v.company = newCompanyNames(v) })
	return v.company
}

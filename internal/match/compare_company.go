package match

const (
	companyExact uint8 = iota + 1
	companyForm
	companyClose
	companyInside
	companyAcronym
	companyPart
	companyUnit
	companyWord
	companyDiffers
)

// compareCompany compares names of companies by their words, rare ones counting more, with the legal form apart.
func compareCompany(v *view) *comparison {
	if len(v.names.val) == 0 {
		return nil
	}
	w := v.companies()
	c := &comparison{
		name: "name", title: "company name", part: partName,
		levels: []level{silent,
			{name: "exact", says: "same company name", m: 0.6, u: 1e-5, freq: v.full, whole: true},
			{name: "legal_form", says: "same company name, different legal form", m: 0.02, u: 1e-5, freq: v.full, most: 0.1},
			{name: "close", says: "company names spelled alike", m: 0.12, u: 1e-5},
			{name: "inside", says: "company names the same but for common words", m: 0.08, u: 1e-5},
			{name: "acronym", says: "one company name is the initials of the other", m: 0.02, u: 5e-5},
			{name: "part", says: "company names share a telling word and differ in another", m: 0.03, u: 1e-3, most: 0.05},
			{name: "unit", says: "company names differ in a place or a number", m: 0.01, u: 1e-4, most: 0.01},
			{name: "word", says: "company names share a common word only", m: 0.02, u: 0.03, most: 0.03},
			{name: "differs", says: "different company name", m: 0.05, u: 0.96, most: 0.1},
		},
		find: func(a, b int) outcome {
			var out outcome
			xs, ys := v.names.of(a), v.names.of(b)
			for _, x := range xs[:min(len(xs), 8)] {
				for _, y := range ys[:min(len(ys), 8)] {
					if o := v.compareCompanies(w, v.whole[x], v.whole[y]); out.level == 0 || o.level < out.level {
						out = o
					}
				}
			}
			return out
		},
	}
	// Companies of one group share a part of their name, seldom all of it.
	kinLevels(c, nil, []float64{0.03, 0.05, 0.03, 0.03, 0.02, 0.3, 0.3, 0.04, 0.2})
	c.kin.start[household] = nil
	return c
}

// compareCompanies says how two names stand to each other. Names that name two contradict: what both have beside them, a
// domain or a switchboard, is their group's then.
func (v *view) compareCompanies(w *companyNames, x, y name) outcome {
	forms := formsAgree(v.surname.texts[x.surname], v.surname.texts[y.surname])
	if x.full == y.full || w.glued[x.full] == w.glued[y.full] {
		if !forms {
			return outcome{level: companyForm, value: x.full}
		}
		return outcome{level: companyExact, value: x.full}
	}
	m := w.compare(x.full, y.full)
	places := m.placeA || m.placeB
	switch {
	case m.numberA || m.numberB, places && m.distinctive && !m.restA && !m.restB, w.gluedPlace(x.full, y.full):
		return outcome{level: companyUnit, against: allOther}
	case m.exact, m.distinctive && !m.restA && !m.restB && m.close(w, x.full, y.full), oneName(w.glued[x.full], w.glued[y.full]):
		if !forms {
			return outcome{level: companyForm, value: x.full}
		}
		return outcome{level: companyClose}
	case m.distinctive && !m.restA && !m.restB && !(m.extraA && m.extraB):
		return outcome{level: companyInside}
	case v.shortName(x, y):
		return outcome{level: companyAcronym}
	case m.distinctive:
		return outcome{level: companyPart, against: allOther}
	case m.anyShared:
		return outcome{level: companyWord, against: allOther}
	}
	return outcome{level: companyDiffers, against: allOther}
}

// close reports whether the words that only one of them has weigh next to nothing.
func (m companyMatch) close(w *companyNames, x, y uint32) bool {
	return 2*m.shared >= 0.9*(w.names[x].total+w.names[y].total)
}

// oneName reports whether two names are spellings of one when blanks are left out: Blue Bridge, Bluebrige.
func oneName(a, b string) bool {
	return min(len(a), len(b)) >= 8 && digits(a) == digits(b) && edits(a, b, 1) <= 1
}

// gluedPlace reports whether one name, written in one, is the other and a place: NoricaLogisticsNederland.
func (w *companyNames) gluedPlace(x, y uint32) bool {
	a, b := w.glued[x], w.glued[y]
	if len(a) > len(b) {
		a, b = b, a
	}
	if len(a) < 5 || len(b)-len(a) < 2 || b[:len(a)] != a {
		return false
	}
	rest := b[len(a):]
	if number(rest) {
		return true
	}
	if t, ok := w.dict.ids[rest]; ok && w.place[t] {
		return true
	}
	return w.places[rest]
}

// shortName reports whether one name, a single word of three letters and more, is the first letters of the other's words.
func (v *view) shortName(x, y name) bool {
	a, b := v.full.texts[x.full], v.full.texts[y.full]
	return len(a) >= 3 && a == v.given.texts[y.given] || len(b) >= 3 && b == v.given.texts[x.given]
}

// sameCompany reports whether two names may be one company's.
func (v *view) sameCompany(x, y name) bool {
	return v.compareCompanies(v.companies(), x, y).level <= companyAcronym
}

package match

import "strings"

// relation is how two given names, or two surnames, stand to each other.
type relation uint8

const (
	unknown relation = iota
	same
	short // nickname, initial, or one of several given names
	near
	other
)

const (
	nameExact uint8 = iota + 1
	nameSwapped
	nameShort
	nameGivenClose
	nameSurnameClose
	nameBothClose
	nameSurnameOnly // the given name contradicts
	nameGivenOnly   // the surname contradicts
	nameDiffers
	surnameExact // no given name to compare
	surnameClose
	surnameDiffers
	givenExact // no surname to compare
	givenClose
	givenDiffers
)

func comparePerson(v *view) *comparison {
	if len(v.names.val) == 0 {
		return nil
	}
	find := func(a, b int) outcome {
		var out outcome
		xs, ys := v.names.of(a), v.names.of(b)
		for _, x := range xs[:min(len(xs), 8)] {
			for _, y := range ys[:min(len(ys), 8)] {
				if o := v.compareNames(v.whole[x], v.whole[y]); o.level != 0 && (out.level == 0 || o.level < out.level) {
					out = o
				}
			}
		}
		return out
	}
	c := &comparison{
		name: "name", title: "name", part: partName,
		levels: []level{silent,
			{name: "exact", says: "same name", group: 0, m: 0.70, u: 1e-5, freq: v.full, whole: true},
			{name: "swapped", says: "given name and surname swapped", group: 0, m: 0.03, u: 1e-6},
			{name: "short", says: "same surname, given name a short form or initial of the other", group: 0, m: 0.05, u: 1e-5, freq: v.surname},
			{name: "given_close", says: "same surname, similar given name", group: 0, m: 0.06, u: 1e-5, freq: v.surname},
			{name: "surname_close", says: "same given name, similar surname", group: 0, m: 0.07, u: 2e-5, freq: v.given},
			{name: "both_close", says: "similar given name and surname", group: 0, m: 0.02, u: 2e-5},
			{name: "surname_only", says: "same surname, different given name", group: 0, m: 0.02, u: 3e-3, most: 0.02},
			{name: "given_only", says: "same given name, different surname", group: 0, m: 0.03, u: 1e-2},
			{name: "differs", says: "different name", group: 0, m: 0.02, u: 0.98, most: 0.03},
			{name: "surname", says: "same surname, one given name missing", group: 1, m: 0.85, u: 3e-3, freq: v.surname, whole: true},
			{name: "surname_alike", says: "similar surname, one given name missing", group: 1, m: 0.1, u: 3e-3},
			{name: "surname_differs", says: "different surname, one given name missing", group: 1, m: 0.05, u: 0.994, most: 0.15},
			{name: "given", says: "same given name, one surname missing", group: 2, m: 0.85, u: 1e-2, freq: v.given, whole: true},
			{name: "given_alike", says: "similar given name, one surname missing", group: 2, m: 0.1, u: 1e-2},
			{name: "given_differs", says: "different given name, one surname missing", group: 2, m: 0.05, u: 0.98, most: 0.05},
		},
		find: find,
	}
	// The surname is shared, the given name is not: levels by what they say about the surname.
	c.kin.symbol = []uint8{0, 1, 0, 1, 1, 2, 2, 1, 3, 3, 4, 5, 6, 0, 0, 0}
	c.kin.start[household] = []float64{0, 0.8, 0.03, 0.17, 0.8, 0.03, 0.17}
	c.kin.freq = v.surname
	return c
}

func (v *view) compareNames(x, y name) outcome {
	if x.given != 0 && x.given == y.given && x.surname != 0 && x.surname == y.surname {
		return outcome{level: nameExact, value: x.full, kin: x.surname}
	}
	g, s := v.relateGiven(x.given, y.given), v.relateSurname(x.surname, y.surname)
	switch {
	case g != unknown && s != unknown:
		if (g == other || s == other) && v.swapped(x, y) {
			return outcome{level: nameSwapped}
		}
		switch {
		case s == same && g == short:
			return outcome{level: nameShort, value: x.surname, kin: x.surname}
		case s == same && g == near:
			return outcome{level: nameGivenClose, value: x.surname, kin: x.surname}
		case s == same:
			return outcome{level: nameSurnameOnly, kin: x.surname, against: givenOther}
		case g == same && s == near:
			return outcome{level: nameSurnameClose, value: x.given}
		case s == near && g != other:
			return outcome{level: nameBothClose}
		case g == same || g == short:
			return outcome{level: nameGivenOnly}
		}
		if g == other && s == other {
			return outcome{level: nameDiffers, against: allOther}
		}
		return outcome{level: nameDiffers, against: givenOther}
	case s != unknown:
		switch {
		case s == same:
			return outcome{level: surnameExact, value: x.surname, kin: x.surname}
		case s == near, v.crossed(x, y):
			return outcome{level: surnameClose}
		}
		return outcome{level: surnameDiffers}
	case g != unknown:
		switch {
		case g == same:
			return outcome{level: givenExact, value: x.given}
		case g != other, v.crossed(x, y):
			return outcome{level: givenClose}
		}
		return outcome{level: givenDiffers, against: givenOther}
	}
	return outcome{}
}

// swapped reports whether given name and surname stand in each other's columns.
func (v *view) swapped(x, y name) bool {
	gx, sx, gy, sy := v.given.texts[x.given], v.surname.texts[x.surname], v.given.texts[y.given], v.surname.texts[y.surname]
	return (gx == sy || alike(gx, sy)) && (sx == gy || alike(sx, gy))
}

// crossed reports whether one record's given name is the other's surname while a part is missing.
func (v *view) crossed(x, y name) bool {
	gx, sx, gy, sy := v.given.texts[x.given], v.surname.texts[x.surname], v.given.texts[y.given], v.surname.texts[y.surname]
	return gx != "" && gx == sy || sx != "" && sx == gy
}

func (v *view) relateGiven(x, y uint32) relation {
	switch {
	case x == 0 || y == 0:
		return unknown
	case x == y:
		return same
	}
	a, b := v.given.texts[x], v.given.texts[y]
	if shortForm(a, b) || shortForm(b, a) {
		return short
	}
	for _, g := range v.nicknames[x] {
		for _, h := range v.nicknames[y] {
			if g == h {
				return short
			}
		}
	}
	if alike(squeeze(a), squeeze(b)) {
		return near
	}
	return other
}

// shortForm reports whether a stands for b: its initial, its beginning (rob, robert), or the first of its words.
func shortForm(a, b string) bool {
	if len(a) == 1 {
		return a[0] == b[0]
	}
	if len(a) >= 3 && strings.HasPrefix(b, a) {
		return true
	}
	for w := range strings.FieldsSeq(b) {
		if w == a && len(a) >= 2 {
			return true
		}
	}
	return false
}

func (v *view) relateSurname(x, y uint32) relation {
	switch {
	case x == 0 || y == 0:
		return unknown
	case x == y:
		return same
	}
	a, b := v.surname.texts[x], v.surname.texts[y]
	if alike(a, b) || shareWord(a, b) {
		return near
	}
	return other
}

// shareWord reports whether one of two names is a word of the other, as after a marriage: jones, smith jones.
func shareWord(a, b string) bool {
	if !strings.Contains(a, " ") && !strings.Contains(b, " ") {
		return false
	}
	for w := range strings.FieldsSeq(a) {
		if len(w) < 3 {
			continue
		}
		for x := range strings.FieldsSeq(b) {
			if w == x {
				return true
			}
		}
	}
	return false
}

func compareMiddle(v *view) *comparison {
	if v.middle.len() <= 2 {
		return nil
	}
	find := func(x, y uint32) outcome {
		a, b := v.middle.texts[x], v.middle.texts[y]
		switch {
		case x == 0 || y == 0:
			return outcome{}
		case x == y:
			return outcome{level: 1}
		case shortForm(a, b) || shortForm(b, a) || alike(a, b):
			return outcome{level: 2}
		}
		return outcome{level: 3}
	}
	return &comparison{
		name: "middle_name", title: "middle name", part: partName,
		levels: []level{silent,
			{name: "exact", says: "same middle name", m: 0.8, u: 0.05},
			{name: "alike", says: "similar middle names", m: 0.1, u: 0.05},
			{name: "differs", says: "different middle names", m: 0.1, u: 0.9},
		},
		find: func(a, b int) outcome {
			var out outcome
			for _, x := range v.names.of(a) {
				for _, y := range v.names.of(b) {
					if o := find(v.whole[x].middle, v.whole[y].middle); o.level != 0 && (out.level == 0 || o.level < out.level) {
						out = o
					}
				}
			}
			return out
		},
	}
}

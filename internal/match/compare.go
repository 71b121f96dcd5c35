package match

import (
	"strings"
)

// level is one way in which two records can agree or contradict each other.
type level struct {
	name string // of the level, stable: models refer to it
	says string // in words, for people
	// group holds the levels that exclude each other given what both records state: chances sum to one within a group, so
	// that a missing value is no evidence.
	group uint8
	// m and u are the chances of the level for two records of one entity and of two, before any data are seen. They are the
	// prior of training and what is used where there is too little to learn from.
	m, u float64
	// most bounds m, where it is not 0: what is personal contradicts itself only so often, however often related people's records
	// look alike otherwise.
	most float64
	// freq is the table of values whose frequency counts: agreeing on a rare value is worth more. Nil: no value.
	freq *table
	// whole levels agree on the value itself and nothing else: their u is the value's frequency. Others are adjusted by how
	// much rarer than usual the value is.
	whole bool
}

// outcome is what a comparison found: a level, and the value agreed on where its frequency counts.
type outcome struct {
	level uint8
	value uint32
	// kin is the value of the part that relations share, where its frequency counts and it is not value.
	kin uint32
	// against says that what the records state about the person's own name cannot be one person's.
	against contradiction
}

// contradiction is how far two names contradict each other.
type contradiction uint8

const (
	agrees     contradiction = iota
	givenOther               // the given names are two
	allOther                 // and the surnames too
)

// comparison compares one aspect of two records. Level 0 means that one of them is silent.
type comparison struct {
	name   string
	title  string
	part   part
	levels []level
	find   func(a, b int) outcome
	// exclusive comparisons are of values that belong to one entity only.
	exclusive bool
	// dated comparisons are of dates that belong to the entity for good.
	dated bool
	// locates says that a place is known closely enough to tell neighbours from others.
	locates bool
	// identifier comparisons are of values that are meant for one entity and that several may share: mailboxes, telephones.
	identifier *column
	kin        kinship
}

// part is a set of aspects, by which blocking says what it looked at.
type part uint64

const (
	partName part = 1 << iota
	partEmail
	partPhone
	partStreet
	partPlace
	partEmployer
	partDomain
	partOwn // and the bits above it, one for each column of its own
)

var silent = level{name: "missing", says: "one of them has none"}

// maxComparisons is how many comparisons a pattern holds: four bits each in two words.
const maxComparisons = 32

// comparisons are those that the records allow, in a fixed order.
func comparisons(v *view) []*comparison {
	var out []*comparison
	add := func(c *comparison) {
		if c != nil && len(out) < maxComparisons {
			out = append(out, c)
		}
	}
	if v.set.spec.Entity == Company {
		add(compareCompany(v))
	} else {
		add(comparePerson(v))
		add(compareMiddle(v))
	}
	add(compareEmail(v))
	add(comparePhone(v))
	for i, c := range v.own {
		p := partOwn << min(i, 40)
		switch c.field.Type {
		case ID:
			add(compareID(c, p))
		case Date:
			add(compareDate(c, p))
		}
	}
	add(compareDomain(v))
	add(compareStreet(v))
	add(compareHouse(v))
	add(comparePlace(v))
	add(compareEmployer(v))
	for i, c := range v.own {
		if c.field.Type == Text {
			add(compareText(c, partOwn<<min(i, 40)))
		}
	}
	return out
}

// best compares every value of a with every value of b and keeps the strongest outcome: the lowest level. At most eight
// values of each are looked at; no person has more numbers that matter.
func best(c *column, a, b int, find func(x, y uint32) outcome) outcome {
	xs, ys := c.of(a), c.of(b)
	var out outcome
	for _, x := range xs[:min(len(xs), 8)] {
		for _, y := range ys[:min(len(ys), 8)] {
			if o := find(x, y); out.level == 0 || o.level < out.level {
				out = o
			}
		}
	}
	return out
}

// alike reports whether two words are spellings of one: one edit for words of three letters and more, two from five letters
// on, or a Jaro-Winkler similarity of 0.92, the customary cut for names.
func alike(a, b string) bool {
	short := min(len(a), len(b))
	switch {
	case short < 3, farApart(a, b, letters(a), letters(b), 2, 0.92):
		return false
	case short >= 5:
		return edits(a, b, 2) <= 2 || jaroWinkler(a, b) >= 0.92
	}
	return edits(a, b, 1) <= 1 || jaroWinkler(a, b) >= 0.92
}

const (
	emailExact uint8 = iota + 1
	emailLocal
	emailTypo
	emailAlike
	emailDiffers
)

func compareEmail(v *view) *comparison {
	c := v.email
	if c == nil {
		return nil
	}
	// Mailbox names are made of people's names: that j.smith@a and jsmith@b look alike says no more than that the names do. What is left of
	// them without the name has to be alike.
	locals, in := make([]string, c.len()), make([]uint64, c.len())
	for i, s := range c.texts {
		locals[i], _, _ = strings.Cut(s, "@")
		in[i] = letters(s)
	}
	own := mailboxNames{v}
	find := func(a, b int) outcome {
		return best(c, a, b, func(x, y uint32) outcome {
			if x == y {
				return outcome{level: emailExact, value: x}
			}
			s, t := c.texts[x], c.texts[y]
			level := emailDiffers
			switch {
			case locals[x] == locals[y] && len(locals[x]) >= 5:
				level = emailLocal
			case farApart(s, t, in[x], in[y], 2, 0.9):
			case edits(s, t, 2) <= 2:
				level = emailTypo
			case jaroWinkler(s, t) >= 0.9:
				level = emailAlike
			}
			if m, n := digits(locals[x]), digits(locals[y]); level == emailTypo && m != n && (m == "" || n == "") {
				level = emailDiffers // jane7 is there because jane was taken
			}
			if level == emailLocal || level == emailAlike {
				m, n := locals[x], locals[y]
				switch {
				case edits(digits(m), digits(n), 1) > 1: // jane.doe81 is not jane.doe4
					level = emailDiffers
				case max(own.rest(a, m), own.rest(b, n)) < 3 && edits(s[len(m):], t[len(n):], 2) > 2:
					level = emailDiffers
				}
			}
			// Karen.Thompson@ and Karin.Thompson@ differ as the names do, in no slip of the pen.
			if (level == emailTypo || level == emailAlike) && s[len(locals[x]):] == t[len(locals[y]):] && own.explain(a, b, locals[x], locals[y]) {
				level = emailDiffers
			}
			return outcome{level: level}
		})
	}
	out := &comparison{
		name: "email", title: "e-mail address", part: partEmail, identifier: c,
		levels: []level{silent,
			{name: "exact", says: "same e-mail address", m: 0.6, u: 1e-6, freq: c.table, whole: true},
			{name: "local", says: "same mailbox name at another domain", m: 0.05, u: 2e-5},
			{name: "typo", says: "e-mail addresses one or two letters apart", m: 0.08, u: 5e-6},
			{name: "alike", says: "similar e-mail addresses", m: 0.04, u: 5e-4},
			{name: "differs", says: "different e-mail addresses", m: 0.23, u: 0.9994},
		},
		find: find,
	}
	out.kin.freq = c.table
	kinLevels(out, []float64{0.03, 0.002, 0.002, 0.01, 0.956}, []float64{0.02, 0.002, 0.002, 0.02, 0.956})
	return out
}

func comparePhone(v *view) *comparison {
	c := v.phone
	if c == nil {
		return nil
	}
	find := func(x, y uint32) outcome {
		if x == y {
			return outcome{level: 1, value: x}
		}
		if a, b := c.texts[x], c.texts[y]; len(a) >= 7 && len(b) >= 7 && edits(a, b, 1) <= 1 {
			return outcome{level: 2}
		}
		return outcome{level: 3}
	}
	out := &comparison{
		name: "phone", title: "telephone number", part: partPhone, identifier: c,
		levels: []level{silent,
			{name: "exact", says: "same telephone number", m: 0.65, u: 1e-6, freq: c.table, whole: true},
			{name: "typo", says: "telephone numbers one digit apart", m: 0.05, u: 1e-5},
			{name: "differs", says: "different telephone numbers", m: 0.3, u: 0.99999},
		},
		find: func(a, b int) outcome { return best(c, a, b, find) },
	}
	out.kin.freq = c.table
	kinLevels(out, []float64{0.3, 0.01, 0.69}, []float64{0.2, 0.05, 0.75})
	return out
}

func compareID(c *column, p part) *comparison {
	find := func(x, y uint32) outcome {
		if x == y {
			return outcome{level: 1, value: x}
		}
		a, b := c.texts[x], c.texts[y]
		if min(len(a), len(b)) >= 5 {
			switch edits(a, b, 2) {
			case 1:
				return outcome{level: 2}
			case 2:
				return outcome{level: 3}
			}
		}
		return outcome{level: 4}
	}
	return &comparison{
		name: c.field.Name, title: c.field.Name, part: p, identifier: c, exclusive: true,
		levels: []level{silent,
			{name: "exact", says: "same " + c.field.Name, m: 0.9, u: 1e-6, freq: c.table, whole: true},
			{name: "typo", says: c.field.Name + " one sign apart", m: 0.05, u: 1e-5},
			{name: "alike", says: c.field.Name + " two signs apart", m: 0.02, u: 1e-3},
			{name: "differs", says: "different " + c.field.Name, m: 0.03, u: 0.999},
		},
		find: func(a, b int) outcome { return best(c, a, b, find) },
	}
}

func compareDate(c *column, p part) *comparison {
	find := func(x, y uint32) outcome {
		if x == y {
			return outcome{level: 1, value: x}
		}
		a, b := c.texts[x], c.texts[y]
		if len(a) == 8 && len(b) == 8 {
			year, month, day := a[:4] == b[:4], a[4:6] == b[4:6], a[6:] == b[6:]
			swapped := year && a[4:6] == b[6:] && a[6:] == b[4:6]
			d := edits(a, b, 2)
			switch {
			case swapped || d == 1:
				return outcome{level: 2}
			case year && month || year && day || month && day || d == 2:
				return outcome{level: 3}
			}
		}
		return outcome{level: 4}
	}
	return &comparison{
		name: c.field.Name, title: c.field.Name, part: p, dated: true,
		levels: []level{silent,
			{name: "exact", says: "same " + c.field.Name, m: 0.9, u: 5e-5, freq: c.table, whole: true},
			{name: "typo", says: c.field.Name + " one digit apart, or day and month swapped", m: 0.05, u: 1e-3},
			{name: "alike", says: c.field.Name + " partly the same", m: 0.02, u: 0.01},
			{name: "differs", says: "different " + c.field.Name, m: 0.03, u: 0.989},
		},
		find: func(a, b int) outcome { return best(c, a, b, find) },
	}
}

func compareDomain(v *view) *comparison {
	c := v.domain
	if c == nil {
		return nil
	}
	find := func(x, y uint32) outcome {
		if x == y {
			return outcome{level: 1, value: x}
		}
		return outcome{level: 2}
	}
	m := 0.85
	if v.set.spec.Entity == Person {
		m = 0.6 // people change jobs
	}
	out := &comparison{
		name: "domain", title: "web domain", part: partDomain, identifier: c,
		levels: []level{silent,
			{name: "exact", says: "same web domain", m: m, u: 1e-4, freq: c.table, whole: true},
			{name: "differs", says: "different web domains", m: 1 - m, u: 0.9999},
		},
		find: func(a, b int) outcome { return best(c, a, b, find) },
	}
	out.kin.freq = c.table
	kinLevels(out, nil, []float64{0.9, 0.1})
	return out
}

func compareText(c *column, p part) *comparison {
	find := func(x, y uint32) outcome {
		if x == y {
			return outcome{level: 1, value: x}
		}
		if alike(c.texts[x], c.texts[y]) {
			return outcome{level: 2}
		}
		return outcome{level: 3}
	}
	return &comparison{
		name: c.field.Name, title: c.field.Name, part: p,
		levels: []level{silent,
			{name: "exact", says: "same " + c.field.Name, m: 0.7, u: 0.1, freq: c.table, whole: true},
			{name: "alike", says: "similar " + c.field.Name, m: 0.1, u: 0.05},
			{name: "differs", says: "different " + c.field.Name, m: 0.2, u: 0.85},
		},
		find: func(a, b int) outcome { return best(c, a, b, find) },
	}
}

package match

import "strings"

// Streets are compared as sets of lines: sources disagree about which line comes first.

func compareStreet(v *view) *comparison {
	c := v.lines
	if c == nil {
		return nil
	}
	find := func(a, b int) outcome {
		xs, ys := c.of(a), c.of(b)
		if len(xs) == 0 || len(ys) == 0 {
			return outcome{}
		}
		exact, roughly := 0, 0
		var value uint32
		for _, x := range xs[:min(len(xs), 4)] {
			found := other
			for _, y := range ys[:min(len(ys), 4)] {
				switch {
				case x == y:
					found = same
				case found == other && (alike(c.texts[x], c.texts[y]) || beginning(c.texts[x], c.texts[y]) || beginning(c.texts[y], c.texts[x])):
					found = near
				}
			}
			switch found {
			case same:
				if value == 0 || c.texts[x] < c.texts[value] {
					value = x
				}
				exact++
			case near:
				roughly++
			}
		}
		lines := min(len(xs), len(ys))
		switch {
		case exact >= 1 && exact+roughly >= 2:
			return outcome{level: 1, value: value}
		case exact >= 1 && lines == 1:
			return outcome{level: 2, value: value}
		case exact >= 1:
			return outcome{level: 3, value: value}
		case roughly >= 1:
			return outcome{level: 4}
		}
		return outcome{level: 5}
	}
	out := &comparison{
		name: "street", title: "street", part: partStreet,
		levels: []level{silent,
			{name: "lines", says: "same street and further line of the address", m: 0.3, u: 1e-5, freq: c.table},
			{name: "exact", says: "same street", m: 0.35, u: 1e-4, freq: c.table},
			{name: "one_line", says: "one line of the address is the same", m: 0.1, u: 3e-4, freq: c.table},
			{name: "alike", says: "similar street", m: 0.1, u: 1e-3},
			{name: "differs", says: "different street", m: 0.15, u: 0.998},
		},
		find: find,
	}
	out.kin.freq = c.table
	kinLevels(out, []float64{0.3, 0.5, 0.05, 0.1, 0.05}, []float64{0.2, 0.3, 0.05, 0.05, 0.4})
	return out
}

// beginning reports whether a street is another without its last word: main, main street.
func beginning(a, b string) bool { return len(a) >= 4 && strings.HasPrefix(b, a) }

func compareHouse(v *view) *comparison {
	c := v.house
	if c == nil {
		return nil
	}
	find := func(x, y uint32) outcome {
		if x == y {
			return outcome{level: 1, value: x}
		}
		if a, b := c.texts[x], c.texts[y]; max(len(a), len(b)) >= 2 && edits(a, b, 1) <= 1 {
			return outcome{level: 2}
		}
		return outcome{level: 3}
	}
	out := &comparison{
		name: "house_number", title: "house number", part: partStreet,
		levels: []level{silent,
			{name: "exact", says: "same house number", m: 0.75, u: 0.02, freq: c.table, whole: true},
			{name: "typo", says: "house numbers one sign apart", m: 0.08, u: 0.1},
			{name: "differs", says: "different house number", m: 0.17, u: 0.88},
		},
		find: func(a, b int) outcome { return best(c, a, b, find) },
	}
	out.kin.freq = c.table
	kinLevels(out, []float64{0.9, 0.04, 0.06}, []float64{0.6, 0.05, 0.35})
	return out
}

const (
	placeBoth uint8 = iota + 1
	placePostCityClose
	placePostOnly
	placePostClose
	placeCityOnly
	placeCityClose
	placeDiffers
	postExact
	postClose
	postDiffers
	cityExact
	cityClose
	cityDiffers
)

// comparePlace compares postcode and town together: one follows from the other, so that counting both would count one
// agreement twice. State and country, which follow from both, count only where neither is known.
func comparePlace(v *view) *comparison {
	if v.postcode == nil && v.city == nil {
		for _, c := range []*column{v.state, v.country} {
			if c != nil {
				t := compareText(c, partPlace)
				t.name, t.title = c.name, c.name
				return t
			}
		}
		return nil
	}
	relate := func(c *column, a, b int, similar func(x, y string) bool) (relation, uint32) {
		if c == nil {
			return unknown, 0
		}
		o := best(c, a, b, func(x, y uint32) outcome {
			switch {
			case x == y:
				return outcome{level: uint8(same), value: x}
			case similar(c.texts[x], c.texts[y]):
				return outcome{level: uint8(near)}
			}
			return outcome{level: uint8(other)}
		})
		return relation(o.level), o.value
	}
	oneSign := func(x, y string) bool { return min(len(x), len(y)) >= 4 && edits(x, y, 1) <= 1 }
	find := func(a, b int) outcome {
		p, pv := relate(v.postcode, a, b, oneSign)
		c, cv := relate(v.city, a, b, alike)
		switch {
		case p == unknown && c == unknown:
			return outcome{}
		case c == unknown:
			return outcome{level: [...]uint8{same: postExact, near: postClose, other: postDiffers}[p], value: pv}
		case p == unknown:
			return outcome{level: [...]uint8{same: cityExact, near: cityClose, other: cityDiffers}[c], value: cv}
		case p == same && c == same:
			return outcome{level: placeBoth, value: pv}
		case p == same && c == near:
			return outcome{level: placePostCityClose, value: pv}
		case p == same:
			return outcome{level: placePostOnly, value: pv}
		case p == near && c != other:
			return outcome{level: placePostClose, value: cv}
		case c == same:
			return outcome{level: placeCityOnly, value: cv}
		case c == near:
			return outcome{level: placeCityClose}
		}
		return outcome{level: placeDiffers}
	}
	var post, city *table
	if v.postcode != nil {
		post = v.postcode.table
	}
	if v.city != nil {
		city = v.city.table
	}
	out := &comparison{
		name: "place", title: "place", part: partPlace, locates: v.postcode != nil,
		levels: []level{silent,
			{name: "both", says: "same postcode and town", group: 0, m: 0.6, u: 1e-3, freq: post},
			{name: "postcode_city_close", says: "same postcode, similar town", group: 0, m: 0.1, u: 2e-4, freq: post},
			{name: "postcode", says: "same postcode, different town", group: 0, m: 0.05, u: 1e-3, freq: post},
			{name: "postcode_close", says: "similar postcode, same or similar town", group: 0, m: 0.07, u: 1e-3},
			{name: "city", says: "same town, different postcode", group: 0, m: 0.06, u: 0.01, freq: city},
			{name: "city_close", says: "similar town, different postcode", group: 0, m: 0.02, u: 0.01},
			{name: "differs", says: "different place", group: 0, m: 0.1, u: 0.976},
			{name: "postcode_alone", says: "same postcode", group: 1, m: 0.75, u: 2e-3, freq: post, whole: true},
			{name: "postcode_alone_close", says: "similar postcode", group: 1, m: 0.1, u: 0.01},
			{name: "postcode_differs", says: "different postcode", group: 1, m: 0.15, u: 0.988},
			{name: "city_alone", says: "same town", group: 2, m: 0.7, u: 0.03, freq: city, whole: true},
			{name: "city_alone_close", says: "similar town", group: 2, m: 0.15, u: 0.01},
			{name: "city_differs", says: "different town", group: 2, m: 0.15, u: 0.96},
		},
		find: find,
	}
	kinLevels(out, []float64{0.85, 0.05, 0.02, 0.02, 0.02, 0.01, 0.03, 0.9, 0.05, 0.05, 0.9, 0.05, 0.05},
		[]float64{0.5, 0.02, 0.02, 0.02, 0.1, 0.02, 0.32, 0.6, 0.05, 0.35, 0.6, 0.05, 0.35})
	return out
}

func compareEmployer(v *view) *comparison {
	c := v.employer
	if c == nil {
		return nil
	}
	t := compareText(c, partEmployer)
	t.name, t.title = "employer", "employer"
	t.levels[1].says, t.levels[2].says, t.levels[3].says = "same employer", "similar employer", "different employer"
	t.levels[1].m, t.levels[1].u = 0.6, 1e-3
	t.levels[2].m, t.levels[2].u = 0.1, 1e-3
	t.levels[3].m, t.levels[3].u = 0.3, 0.998
	t.kin.freq = c.table
	kinLevels(t, nil, []float64{0.8, 0.15, 0.05})
	return t
}

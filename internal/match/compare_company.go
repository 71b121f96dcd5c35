package match

import "strings"

func compareCompany(v *view) *comparison {
	if len(v.names.val) == 0 {
		return nil
	}
	compare := func(x, y uint32) outcome {
		if x == y {
			return outcome{level: 1, value: x}
		}
		a, b := v.full.texts[x], v.full.texts[y]
		if alike(a, b) || alike(strings.ReplaceAll(a, " ", ""), strings.ReplaceAll(b, " ", "")) {
			return outcome{level: 2}
		}
		if shareWord(a, b) {
			return outcome{level: 3}
		}
		return outcome{level: 4}
	}
	return &comparison{
		name: "name", title: "company name", part: partName,
		levels: []level{silent,
			{name: "exact", says: "same company name", m: 0.7, u: 1e-5, freq: v.full, whole: true},
			{name: "alike", says: "similar company name", m: 0.2, u: 1e-4},
			{name: "word", says: "company names share a word", m: 0.07, u: 0.01},
			{name: "differs", says: "different company name", m: 0.03, u: 0.99},
		},
		find: func(a, b int) outcome {
			var out outcome
			xs, ys := v.names.of(a), v.names.of(b)
			for _, x := range xs[:min(len(xs), 8)] {
				for _, y := range ys[:min(len(ys), 8)] {
					if o := compare(v.whole[x].full, v.whole[y].full); out.level == 0 || o.level < out.level {
						out = o
					}
				}
			}
			return out
		},
	}
}

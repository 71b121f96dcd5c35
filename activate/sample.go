package activate

import (
	"slices"
	"strings"
)

// sampler keeps a few changes out of any number: those whose keys have the smallest hashes, which is fair and the same
// every time.
type sampler struct {
	personal map[string]bool
	kept     []*candidate
}

func (x *sampler) see(c *candidate) {
	if len(x.kept) == sampleSize && c.k >= x.kept[sampleSize-1].k {
		return
	}
	i, _ := slices.BinarySearchFunc(x.kept, c, func(a, b *candidate) int { return strings.Compare(a.k, b.k) })
	x.kept = slices.Insert(x.kept, i, c)
	x.kept = x.kept[:min(len(x.kept), sampleSize)]
}

func (x *sampler) samples() []Sample {
	out := []Sample{}
	for _, c := range x.kept {
		v := Sample{Key: mask(c.key), Op: string(c.op)}
		if c.op != Add && c.op != Remove && c.op != Archive {
			for _, f := range c.fields() {
				from := "(not known)"
				if old, ok := c.old[f]; ok {
					from = sample(old.V, x.personal[f])
				}
				v.Fields = append(v.Fields, SampleChange{Field: f, From: from, To: sample(c.set[f], x.personal[f])})
			}
		}
		out = append(out, v)
	}
	return out
}

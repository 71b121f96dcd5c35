package match

import "slices"

// Records of one company that share its name and nothing else are no provisional entity: the name alone does not reach. Counted as
// two, they make the name look like one that two companies have, so that it reaches even less; and in a long list, where strangers
// are many, no name reaches at all. So the holders of a company's name are counted by what contradicts: groups of one name are two
// companies where something else that they state says so. A name of common words only, National Bank, is counted as all values are.

// holdersApart is the weight below zero from which on what two records state beside the name speaks for two companies: more than a
// second telephone number does.
const holdersApart = 3 * unit

// judgedHolders is how many groups of one name are looked at, and records of each; a name with more groups keeps its count.
const judgedHolders = 16

// holders are the groups of each name, of those that nothing keeps apart the first. Held are names, each with a group, sorted.
func (e *engine) holders(held []uint64, group []int32) []uint64 {
	v := e.v
	if len(e.comps) == 0 || e.comps[0].part != partName {
		return held
	}
	several := map[uint32]bool{}
	for i := 1; i < len(held); i++ {
		if held[i]>>32 == held[i-1]>>32 {
			several[uint32(held[i]>>32)] = true
		}
	}
	records := map[uint64][]int32{} // of a name and a group
	for i := range v.n {
		for _, w := range v.names.of(i) {
			if f := v.whole[w].full; several[f] {
				k := uint64(f)<<32 | uint64(uint32(group[i]))
				if r := records[k]; len(r) < judgedHolders {
					records[k] = append(r, int32(i))
				}
			}
		}
	}
	words := v.companies()
	parts := make([]int32, len(e.comps))
	out := held[:0:0]
	for i := 0; i < len(held); {
		j := i
		for ; j < len(held) && held[j]>>32 == held[i]>>32; j++ {
		}
		if j-i == 1 || j-i > judgedHolders || !slices.ContainsFunc(words.names[held[i]>>32].words, words.distinct) {
			out = append(out, held[i:j]...)
			i = j
			continue
		}
		var companies [][]int32
	groups:
		for _, h := range held[i:j] {
			for c, known := range companies {
				if !e.keptApart(known, records[h], parts) {
					companies[c] = append(known, records[h]...)
					continue groups
				}
			}
			companies = append(companies, records[h])
			out = append(out, h)
		}
		i = j
	}
	return out
}

// keptApart reports whether something beside the name says that records of one name are of two companies.
func (e *engine) keptApart(xs, ys []int32, parts []int32) bool {
	for _, x := range xs {
		for _, y := range ys {
			e.score(int(x), int(y), parts)
			rest := int32(0)
			for _, w := range parts[1:] {
				rest += w
			}
			if rest <= -holdersApart {
				return true
			}
		}
	}
	return false
}

package match

import "math"

// Two records that agree need not be one person: people who live together share a surname, an address and a landline, people
// who work together an employer, a switchboard and a mail domain. The two-class model of Fellegi and Sunter takes such
// pairs for matches, because strangers share none of this. So there are more classes of pairs than two: one entity, strangers,
// and for each relation a class whose pairs share what the relation shares and are strangers in everything else. What a pair
// weighs is the chance of one entity against all the others together: the weights of the comparisons, less one term for the
// relations, so that the explanation stays a sum.

// The relations that are told apart.
const (
	household = iota
	team
	relations
)

// relationNames are what the relations are called: companies share a building, or an owner.
func relationNames(e Entity) [relations]string {
	if e == Company {
		return [relations]string{"building", "group"}
	}
	return [relations]string{"household", "team"}
}

// kinship says what of a comparison related records share.
type kinship struct {
	// symbol is, by level, what the level says about the shared part; levels with one symbol say the same. 0: nothing.
	symbol []uint8
	// start is, by relation and symbol, the chance before any data are seen; nil: as among strangers, for good.
	start [relations][]float64
	// freq is the table of the shared value, whose rarity counts for the relation as it does for the entity.
	freq *table
}

// kinLevels is the kinship of a comparison each of whose levels speaks for itself.
func kinLevels(c *comparison, home, work []float64) {
	c.kin.symbol = make([]uint8, len(c.levels))
	for l := 1; l < len(c.levels); l++ {
		c.kin.symbol[l] = uint8(l)
	}
	for r, start := range [relations][]float64{home, work} {
		if start != nil {
			c.kin.start[r] = append([]float64{0}, start...)
		}
	}
}

// symbolGroup is the group of each symbol, and whether there is such a symbol.
func (c *comparison) symbolGroups() (group [16]uint8, known [16]bool) {
	for l := 1; l < len(c.levels); l++ {
		if s := c.kin.symbol; s != nil && s[l] != 0 {
			group[s[l]], known[s[l]] = c.levels[l].group, true
		}
	}
	return group, known
}

// Relation is what was learned about pairs that are related without being one.
type Relation struct {
	Name string `json:"name"`
	// Prior is the chance in bits that two records drawn at random are so related.
	Prior       float64              `json:"prior"`
	Comparisons []RelationComparison `json:"comparisons"`
}

// RelationComparison holds, by level of a comparison, the chance that related records show what the level says about the part
// that they share; empty where they share nothing.
type RelationComparison struct {
	Name   string    `json:"name"`
	Shared []float64 `json:"shared,omitempty"`
}

// startRelations are the relations before any data. Without an address, a number or an employer, related people cannot be
// told from strangers of one surname: a town says too little.
func startRelations(e Entity, comps []*comparison, n int) []Relation {
	var out []Relation
	for r := range relations {
		rel := Relation{Name: relationNames(e)[r], Prior: math.Log2(1 / float64(max(n, 2)))}
		some := false
		for _, c := range comps {
			rc := RelationComparison{Name: c.name}
			if start := c.kin.start[r]; start != nil {
				some = some || c.locates || c.part&(partStreet|partPhone|partEmployer|partDomain) != 0
				group, known := c.symbolGroups()
				var sum [4]float64
				for s, ok := range known {
					if ok {
						sum[group[s]] += start[s]
					}
				}
				rc.Shared = make([]float64, len(c.levels)-1)
				for l := 1; l < len(c.levels); l++ {
					if s := c.kin.symbol[l]; s != 0 {
						rc.Shared[l-1] = start[s] / sum[group[s]]
					}
				}
			}
			rel.Comparisons = append(rel.Comparisons, rc)
		}
		if some {
			out = append(out, rel)
		}
	}
	return out
}

// strangers is, by level, the chance that strangers show what the level says about the shared part.
func (c *comparison) strangers(mc ModelComparison) []float64 {
	out := make([]float64, len(c.levels))
	if c.kin.symbol == nil {
		return out
	}
	var sum [4][16]float64
	for l := 1; l < len(c.levels); l++ {
		sum[c.levels[l].group][c.kin.symbol[l]] += mc.Levels[l-1].U
	}
	for l := 1; l < len(c.levels); l++ {
		if s := c.kin.symbol[l]; s != 0 {
			// of the part's symbols only: a group may have levels that say nothing about it
			total := 0.0
			for k := 1; k < 16; k++ {
				total += sum[c.levels[l].group][k]
			}
			out[l] = sum[c.levels[l].group][s] / total
		}
	}
	return out
}

// relationBits are the weights by level of one relation's comparison against strangers.
func relationBits(c *comparison, mc ModelComparison, rc RelationComparison) []float64 {
	out := make([]float64, len(c.levels))
	if rc.Shared == nil {
		return out
	}
	u := c.strangers(mc)
	for l := 1; l < len(c.levels); l++ {
		if h := rc.Shared[l-1]; h > 0 && u[l] > 0 {
			out[l] = math.Log2(h / u[l])
		}
	}
	return out
}

// updateRelation sets the chances of a relation's comparison from expected counts, smoothed by the prior.
func updateRelation(rc *RelationComparison, start RelationComparison, c *comparison, count [16]float64) {
	group, known := c.symbolGroups()
	var bySymbol [16]float64
	var sum [4]float64
	for l := 1; l < len(c.levels); l++ {
		if s := c.kin.symbol[l]; s != 0 {
			bySymbol[s] += count[l]
			sum[c.levels[l].group] += count[l]
		}
	}
	_ = known
	for l := 1; l < len(c.levels); l++ {
		if s := c.kin.symbol[l]; s != 0 {
			rc.Shared[l-1] = (bySymbol[s] + priorMatches*start.Shared[l-1]) / (sum[group[s]] + priorMatches)
		}
	}
}

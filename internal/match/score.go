package match

import (
	"context"
	"math"
	"sort"
	"sync"
)

// Band is what a weight means.
type Band string

// The bands.
const (
	BandLink   Band = "link"   // at or above the cut
	BandReview Band = "review" // below it, near enough to be looked at
	BandReject Band = "reject" // neither, or vetoed
)

// Veto is why a pair with enough weight must not join its records.
type Veto string

// The vetoes.
const (
	NoVeto         Veto = ""
	VetoCannotLink Veto = "cannot_link" // a person said so
	VetoLimit      Veto = "limit"       // the two hold more different values of a column than one entity may
	VetoShared     Veto = "shared"      // without a value that many share the pair would stay below the cut
	VetoSource     Veto = "source"      // both are of one source, and sources hold nobody twice
)

// Weight is what one comparison says about a pair.
type Weight struct {
	Comparison string  `json:"comparison"`
	Level      string  `json:"level"`
	Bits       float64 `json:"bits"`
	Says       string  `json:"says"`
}

// Edge is a scored pair. Total is Prior plus the weights, exactly.
type Edge struct {
	A       string   `json:"a"` // the smaller key
	B       string   `json:"b"`
	Rule    string   `json:"rule"` // the first blocking rule that proposed the pair
	Weights []Weight `json:"weights"`
	Prior   float64  `json:"prior"`
	Total   float64  `json:"total"`
	P       float64  `json:"p"` // probability that the two are one entity
	Band    Band     `json:"band"`
	Veto    Veto     `json:"veto,omitempty"`
}

// Edges are the pairs of a set that reached the review threshold, in the order of their keys.
type Edges struct {
	e       *engine
	o       Options
	d       *decided
	list    []edge
	twins   []int32 // for each record, the record that it equals in everything that is compared; itself mostly
	Blocks  []BlockStat
	Pairs   int64 // scored
	Missing int   // overrides about records that are not in the set
}

type edge struct {
	a, b    int32
	total   int32
	support int32
	rule    uint8
	veto    uint8
}

var vetoes = [...]Veto{NoVeto, VetoCannotLink, VetoLimit, VetoShared, VetoSource}

// Score proposes pairs, scores each once and keeps those that reach the review threshold.
func Score(ctx context.Context, s *Set, m *Model, o Options) (*Edges, error) {
	o = o.filled()
	v := s.close()
	comps := comparisons(v)
	if err := m.fits(v, comps); err != nil {
		return nil, err
	}
	d, err := s.decide(o.Overrides)
	if err != nil {
		return nil, err
	}
	out := &Edges{e: newEngine(v, comps, m), o: o, d: d, Missing: d.missing}
	out.e.classify()
	b := v.block(o.MaxBlock, o.Threads, nil)
	out.Blocks = b.stats
	keep := units(*o.Review)
	var mu sync.Mutex
	parallel(o.Threads, v.n, func(lo, hi int) {
		var buf []candidate
		var own []edge
		var scored int64
		for a := lo; a < hi && ctx.Err() == nil; a++ {
			buf = b.candidates(a, buf)
			for _, c := range buf {
				if o.AcrossOnly && v.sources[a] == v.sources[c.record] {
					continue
				}
				scored++
				x := out.e.score(a, int(c.record), nil)
				if x.total >= keep {
					own = append(own, edge{a: int32(a), b: c.record, total: x.total, support: x.support, rule: firstRule(c.rules), veto: out.veto(int32(a), c.record, x)})
				}
			}
		}
		mu.Lock()
		defer mu.Unlock()
		out.list = append(out.list, own...)
		out.Pairs += scored
	})
	sort.Slice(out.list, func(i, j int) bool {
		if out.list[i].a != out.list[j].a {
			return out.list[i].a < out.list[j].a
		}
		return out.list[i].b < out.list[j].b
	})
	return out, ctx.Err()
}

func firstRule(rules uint64) uint8 {
	for r := range uint8(64) {
		if rules>>r&1 == 1 {
			return r
		}
	}
	return 0
}

// veto is the reason not to join a pair, as an index of vetoes.
func (s *Edges) veto(a, b int32, x verdict) uint8 {
	switch {
	case s.d.apart(a, b):
		return 1
	case s.e.overLimit(a, b):
		return 2
	case s.o.OneToOne && s.e.v.sources[a] == s.e.v.sources[b]:
		return 4
	case x.total >= units(s.o.Cut) && x.total-x.support < units(s.o.Cut):
		return 3
	}
	return 0
}

// overLimit reports whether two records hold more different values of a column than one entity may.
func (e *engine) overLimit(a, b int32) bool {
	for _, c := range e.v.own {
		if c.field.Limit == 0 {
			continue
		}
		xs := c.of(int(a))
		n := len(xs)
		for _, y := range c.of(int(b)) {
			known := false
			for _, x := range xs {
				known = known || x == y
			}
			if !known {
				n++
			}
		}
		if n > c.field.Limit && len(xs) > 0 {
			return true
		}
	}
	return false
}

// Len is the number of edges.
func (s *Edges) Len() int { return len(s.list) }

// Comparisons are the names of the comparisons, in the order of Edge.Weights.
func (s *Edges) Comparisons() []string {
	out := make([]string, len(s.e.comps))
	for i, c := range s.e.comps {
		out[i] = c.name
	}
	return out
}

// Conflicts are overrides that contradict each other.
func (s *Edges) Conflicts() []Conflict { return s.d.conflicts }

// At is the edge at place i.
func (s *Edges) At(i int) Edge {
	x := s.list[i]
	out := s.e.edge(x.a, x.b, s.o)
	out.Rule = s.Blocks[x.rule].Rule
	out.Veto = vetoes[x.veto]
	if out.Veto != NoVeto && out.Band == BandLink {
		out.Band = BandReview
		if out.Veto != VetoShared {
			out.Band = BandReject
		}
	}
	return out
}

// edge scores a pair with all that there is to say about it.
func (e *engine) edge(a, b int32, o Options) Edge {
	parts := make([]int32, len(e.comps))
	x := e.score(int(a), int(b), parts)
	out := Edge{A: e.v.keys[a], B: e.v.keys[b], Prior: bits(e.prior), Total: bits(x.total), P: probability(x.total), Band: band(x.total, o)}
	for i, c := range e.comps {
		l := c.levels[x.pattern.level(i)]
		out.Weights = append(out.Weights, Weight{Comparison: c.name, Level: l.name, Bits: bits(parts[i]), Says: l.says})
	}
	return out
}

func band(total int32, o Options) Band {
	switch {
	case total >= units(o.Cut):
		return BandLink
	case total >= units(*o.Review):
		return BandReview
	}
	return BandReject
}

func probability(total int32) float64 { return 1 / (1 + math.Exp2(-bits(total))) }

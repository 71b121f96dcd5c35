package match

import (
	"context"
	"math"
	"slices"
	"sync"
	"sync/atomic"
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
	Rule    string   `json:"rule"` // the first blocking rule that proposed the pair, or "copy" of a record and its exact copy
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
	twins   []int32 // for each record, the copy that stands for it; itself mostly
	pairs   atomic.Int64
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

// prepare makes ready to score.
func prepare(s *Set, m *Model, o Options) (*Edges, error) {
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
	e := newEngine(v, comps, m)
	e.classify()
	e.block(s, o.Overrides)
	out := &Edges{e: e, o: o, d: d, Missing: d.missing}
	out.twins = out.merged()
	return out, nil
}

// apart are the records that take no part in scoring, because a copy stands for them.
func (s *Edges) apart() func(i int) bool {
	return func(i int) bool { return int(s.twins[i]) != i }
}

// try scores a pair and reports whether it is kept.
func (s *Edges) try(a, b int32, rules uint64) (edge, bool) {
	if s.o.AcrossOnly && s.e.v.sources[a] == s.e.v.sources[b] {
		return edge{}, false
	}
	s.pairs.Add(1)
	x := s.e.score(int(a), int(b), nil)
	if x.total < units(*s.o.Review) {
		return edge{}, false
	}
	return edge{a: a, b: b, total: x.total, support: x.support, rule: firstRule(rules), veto: s.veto(a, b, x)}, true
}

func (s *Edges) sort() {
	slices.SortFunc(s.list, func(x, y edge) int {
		if x.a != y.a {
			return int(x.a) - int(y.a)
		}
		return int(x.b) - int(y.b)
	})
	s.Pairs = s.pairs.Load()
}

// Score proposes pairs, scores each once and keeps those that reach the review threshold.
func Score(ctx context.Context, s *Set, m *Model, o Options) (*Edges, error) {
	out, err := prepare(s, m, o)
	if err != nil {
		return nil, err
	}
	v := s.close()
	b := v.block(out.o, out.apart())
	out.Blocks = b.stats
	for _, x := range b.stats {
		if x.Skipped > 0 {
			out.o.Log.Debug("records left out by a blocking rule, since their block is too big", "rule", x.Rule, "records", x.Skipped, "biggest", x.Biggest)
		}
	}
	var mu sync.Mutex
	parallel(out.o.Threads, v.n, func(lo, hi int) {
		var buf []candidate
		var own []edge
		for a := lo; a < hi && ctx.Err() == nil; a++ {
			buf = b.candidates(a, buf)
			for _, c := range buf {
				if e, ok := out.try(int32(a), c.record, c.rules); ok {
					own = append(own, e)
				}
			}
		}
		mu.Lock()
		defer mu.Unlock()
		out.list = append(out.list, own...)
	})
	out.addCopies(nil)
	out.sort()
	return out, ctx.Err()
}

// copyRule stands for the rule by which a record and its exact copy are a pair.
const copyRule = 255

// addCopies adds the pair of each record and the copy that stands for it.
func (s *Edges) addCopies(only []bool) {
	for i, t := range s.twins {
		if int(t) != i && (only == nil || only[i]) {
			x := s.e.score(int(t), i, nil)
			s.list = append(s.list, edge{a: t, b: int32(i), total: x.total, support: x.support, rule: copyRule})
		}
	}
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
	case s.e.doubtful(x, units(s.o.Cut), s.o.Strict):
		return 3
	}
	return 0
}

// relatedMargin is what a pair must have above the cut where its names do not say that they are one.
const relatedMargin = 5 * unit

// namesakeMargin is what a pair must have above the cut, where Options.Strict asks for it, that agrees in its name and in no value
// of its own, in lists where relatives and colleagues are.
const namesakeMargin = 2 * unit

// doubtful reports whether the names of a pair leave open, or deny, that the two are one, and too little else speaks for it:
// relatives and colleagues share addresses, switchboards, surnames, and in time mailboxes.
func (e *engine) doubtful(x verdict, cut int32, strict bool) bool {
	if len(e.comps) == 0 || e.comps[0].part != partName {
		return false
	}
	l := x.pattern.level(0)
	near := x.total < cut+relatedMargin
	if len(e.kin) > 0 {
		near = x.total < cut+relatedMargin+unit
	}
	if e.v.set.spec.Entity == Company {
		agree := l >= companyExact && l <= companyAcronym
		return near && !agree && (x.related <= -unit || e.own(x) == 0)
	}
	switch {
	case l == nameExact: // namesakes share a name too
		return strict && len(e.kin) > 0 && x.total < cut+namesakeMargin && e.own(x) == 0
	case len(e.kin) == 0: // nothing that relatives could share
		return near && !(l >= nameSwapped && l <= nameBothClose) && e.own(x) == 0
	case l >= nameSwapped && l <= nameBothClose:
		return near && e.own(x) == 0
	case l == nameSurnameOnly || l == nameGivenOnly || l == nameDiffers || l == surnameDiffers || l == givenDiffers:
		if strict {
			return e.own(x) < 2 && (near || x.related <= -unit)
		}
		return near && (e.own(x) == 0 || x.related <= -unit)
	}
	if strict && l >= surnameExact && len(e.kin) > 0 && x.related <= -unit && e.own(x) == 0 {
		return true // half a name and what a family or a team shares
	}
	return near && (x.related <= -unit || e.own(x) == 0)
}

// own counts the values meant for one that the two agree on: an address and a telephone number once, which in time are handed on,
// an id and a date of birth twice.
func (e *engine) own(x verdict) int {
	n := 0
	for i, c := range e.comps {
		l := x.pattern.level(i)
		switch {
		case c.exclusive && (l == 1 || l == 2), c.dated && l == 1:
			n += 2 // a number that one person has, a sign wrong at most, or a birthday: relatives share neither
		case c.identifier != nil && c.part != partDomain && l == 1:
			n++
		}
	}
	return n
}

// overLimit reports whether two records hold more different values of a column than one entity may.
func (e *engine) overLimit(a, b int32) bool {
	for _, c := range e.limits {
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

// Comparisons are the names of the comparisons, in the order of Edge.Weights. The last is "related": what pairs of relatives,
// colleagues or companies of one group agree on as well is taken off again.
func (s *Edges) Comparisons() []string {
	out := make([]string, len(s.e.comps), len(s.e.comps)+1)
	for i, c := range s.e.comps {
		out[i] = c.name
	}
	return append(out, relatedName)
}

const relatedName = "related"

// Conflicts are overrides that contradict each other.
func (s *Edges) Conflicts() []Conflict { return s.d.conflicts }

// At is the edge at place i.
func (s *Edges) At(i int) Edge {
	x := s.list[i]
	out := s.e.edge(x.a, x.b, s.o)
	out.Rule = "copy"
	if x.rule != copyRule {
		out.Rule = s.Blocks[x.rule].Rule
	}
	return out.vetoed(vetoes[x.veto])
}

// vetoed is an edge with its veto, which moves it out of the link band: what only shares a value is worth a look, what a person
// or a limit forbids is not.
func (x Edge) vetoed(v Veto) Edge {
	x.Veto = v
	if v != NoVeto && x.Band == BandLink {
		x.Band = BandReject
		if v == VetoShared {
			x.Band = BandReview
		}
	}
	return x
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
	r := Weight{Comparison: relatedName, Level: "none", Bits: bits(x.related), Says: "nothing that related records share"}
	if x.related < 0 {
		r.Level = e.model.Relations[x.relation].Name
		r.Says = "what records of one " + r.Level + " share as well"
	}
	out.Weights = append(out.Weights, r)
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

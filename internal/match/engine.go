package match

import (
	"context"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"

	"millrace/internal/fault"
)

// unit is what a weight is counted in: thousandths of a bit. Sums of whole numbers do not depend on their order (P4).
const unit = 1000

func units(bits float64) int32 { return int32(math.Round(bits * unit)) }

func bits(u int32) float64 { return float64(u) / unit }

// engine scores pairs of a view by a model.
type engine struct {
	v     *view
	comps []*comparison
	model *Model
	prior int32
	base  [][]int32          // by comparison and level
	rare  map[*table][]int32 // by value: what its rarity adds
	// shared values are held by several people or companies: they support, but never join.
	shared map[*table][]bool
	kin    []kin
	limits []*column // of which one entity may have only so many values
}

// kin is one relation, its weights by comparison and level.
type kin struct {
	prior int32
	base  [][]int32
}

// newEngine needs a model of these comparisons: see fits.
func newEngine(v *view, comps []*comparison, m *Model) *engine {
	e := &engine{v: v, comps: comps, model: m, prior: units(m.Prior), rare: map[*table][]int32{}, shared: map[*table][]bool{}}
	freq := map[string]*Frequency{}
	for i := range m.Frequencies {
		freq[m.Frequencies[i].Name] = &m.Frequencies[i]
	}
	for i, c := range comps {
		row := make([]int32, len(c.levels))
		for l := 1; l < len(c.levels); l++ {
			ml := m.Comparisons[i].Levels[l-1]
			w := ml.Weight()
			if t := c.levels[l].freq; t != nil {
				if f := freq[t.name]; f != nil {
					if _, ok := e.rare[t]; !ok {
						e.rare[t] = f.rarity(t)
					}
					if c.levels[l].whole {
						w = math.Log2(ml.M / max(f.Collision, rarest(t)))
					}
				}
			}
			row[l] = units(w)
		}
		e.base = append(e.base, row)
		if t := c.kin.freq; t != nil && freq[t.name] != nil && e.rare[t] == nil {
			e.rare[t] = freq[t.name].rarity(t)
		}
	}
	e.limits = e.limited()
	if v.set.spec.Entity == Person {
		e.commonNames(freq)
	}
	for _, r := range m.Relations {
		k := kin{prior: units(r.Prior)}
		for i, c := range comps {
			w := relationBits(c, m.Comparisons[i], r.Comparisons[i])
			row := make([]int32, len(w))
			for l := 1; l < len(w); l++ {
				if t := c.levels[l].freq; t != nil && c.levels[l].whole && t == c.kin.freq && w[l] != 0 && freq[t.name] != nil {
					w[l] = math.Log2(r.Comparisons[i].Shared[l-1] / max(freq[t.name].Collision, rarest(t)))
				}
				row[l] = units(w[l])
			}
			k.base = append(k.base, row)
		}
		e.kin = append(e.kin, k)
	}
	return e
}

// rarity is what each value's frequency adds to the weight of agreeing on it.
func (f *Frequency) rarity(t *table) []int32 {
	floor := rarest(t)
	usual := max(f.Collision, floor)
	out := make([]int32, t.len())
	single := units(math.Log2(usual / f.chance(1, floor)))
	for i := range out {
		out[i] = single
	}
	if counts := f.counts(); len(counts) > 0 {
		for i, s := range t.texts {
			if n, ok := counts[digest(s)]; ok {
				out[i] = units(math.Log2(usual / f.chance(int(n), floor)))
			}
		}
	}
	return out
}

// commonNames takes from the rarity of a full name what its parts say: Joe Brown may be seen once and is no rare name, since
// Joe and Brown are none. The chance of the whole is at least the product of the chances of the parts.
func (e *engine) commonNames(freq map[string]*Frequency) {
	v := e.v
	full, g, s := freq[v.full.name], freq[v.given.name], freq[v.surname.name]
	rare := e.rare[v.full]
	if rare == nil || g == nil || s == nil {
		return
	}
	count := func(f *Frequency, t *table) []float64 {
		out := make([]float64, t.len())
		counts := f.counts()
		for i, x := range t.texts {
			out[i] = f.chance(int(counts[digest(x)]), rarest(t))
		}
		return out
	}
	givens, surnames := count(g, v.given), count(s, v.surname)
	usual := max(full.Collision, rarest(v.full))
	for _, n := range v.whole {
		if n.full != 0 {
			if most := units(math.Log2(usual / (givens[n.given] * surnames[n.surname]))); most < rare[n.full] {
				rare[n.full] = most
			}
		}
	}
}

// fits refuses a model that was learned from other columns.
func (m *Model) fits(v *view, comps []*comparison) error {
	var want, have []string
	for _, c := range comps {
		want = append(want, c.name)
	}
	for _, c := range m.Comparisons {
		have = append(have, c.Name)
	}
	if m.Entity != v.set.spec.Entity || !slices.Equal(want, have) {
		return &fault.Error{Msg: "the model compares " + strings.Join(have, ", ") + " of a " + string(m.Entity) + ", the records have " + strings.Join(want, ", ") + " of a " + string(v.set.spec.Entity), Hint: "Train a model on these records."}
	}
	for i, c := range comps {
		if len(m.Comparisons[i].Levels) != len(c.levels)-1 {
			return &fault.Error{Key: c.name, Msg: "the model has other levels than this binary", Hint: "Train the model again."}
		}
		for l, ml := range m.Comparisons[i].Levels {
			if ml.Name != c.levels[l+1].name || !(ml.M > 0 && ml.U > 0) {
				return &fault.Error{Key: c.name + "." + ml.Name, Msg: "the model cannot be used: level unknown, or a chance that is not above zero", Hint: "Train the model again."}
			}
		}
	}
	for _, f := range m.Frequencies {
		for k := range f.Counts {
			if _, err := strconv.ParseUint(k, 36, 64); err != nil {
				return &fault.Error{Key: "frequencies." + f.Name, Value: k, Msg: "is no hash of a value", Hint: "Train the model again."}
			}
		}
	}
	return nil
}

// verdict is the score of one pair.
type verdict struct {
	total int32
	// support is the part of total that shared values gave.
	support int32
	// related is what the relations take from total; never positive.
	related  int32
	relation int // the relation that takes most
	pattern  pattern
}

// Weights of single agreements are bounded by rarest; a shared value counts at most this much.
const sharedSupport = 3 * unit

// score compares two records. Parts, when given, receives the weight of each comparison.
func (e *engine) score(a, b int, parts []int32) verdict {
	out := verdict{total: e.prior}
	against := agrees
	var kin [relations]int32
	for k := range e.kin {
		kin[k] = e.kin[k].prior
	}
	for i, c := range e.comps {
		o := c.find(a, b)
		w := int32(0)
		if o.level != 0 {
			out.pattern.set(i, o.level)
			w = e.base[i][o.level]
			if t := c.levels[o.level].freq; t != nil && o.value != 0 {
				if rare := e.rare[t]; rare != nil {
					w += rare[o.value]
				}
				// What two people of different names hold is shared, whether or not more do.
				if s := e.shared[t]; s != nil && c.identifier != nil && (s[o.value] || against == allOther && !c.exclusive) {
					w = min(w, sharedSupport)
					out.support += max(w, 0)
				}
			} else if against != agrees && c.identifier != nil && !c.exclusive {
				w = min(w, 0) // relatives' and colleagues' addresses look alike
			}
			against = max(against, o.against)
			out.total += w
			for k := range e.kin {
				kw := e.kin[k].base[i][o.level]
				if kw == 0 {
					continue
				}
				if rare := e.rare[c.kin.freq]; rare != nil {
					switch {
					case o.kin != 0:
						kw += rare[o.kin]
					case o.value != 0 && c.levels[o.level].freq == c.kin.freq:
						kw += rare[o.value]
					}
				}
				kin[k] += kw
			}
		}
		if parts != nil {
			parts[i] = w
		}
	}
	out.related, out.relation = e.relate(kin)
	out.total += out.related
	return out
}

// relate is what the relations take: minus log2(1 + sum of 2^weight).
func (e *engine) relate(weight [relations]int32) (int32, int) {
	sum, most := 1.0, 0
	for k := range e.kin {
		if weight[k] > -12*unit { // less than a thousandth of a bit
			sum += math.Exp2(bits(weight[k]))
		}
		if weight[k] > weight[most] {
			most = k
		}
	}
	if sum == 1 {
		return 0, most
	}
	return -units(math.Log2(sum)), most
}

// block marks the values that a person said are nobody's.
func (e *engine) block(s *Set, overrides []Override) {
	for _, o := range overrides {
		if o.Kind != BlockValue {
			continue
		}
		for _, c := range e.comps {
			if c.identifier == nil {
				continue
			}
			t := c.identifier.table
			for _, spelled := range s.spellings(o.Value) {
				if id, ok := t.ids[spelled]; ok && id != 0 && (o.Field == "" || o.Field == c.name || s.fieldOf(o.Field) == c.identifier.field.Type) {
					e.shared[t][id] = true
				}
			}
		}
	}
}

// provisionalCut is the weight from which on two records are taken for one entity while frequencies are counted: wrong once
// in thirty times at worst, which is enough for counting.
const provisionalCut = 5 * unit

// provisionalReach is how far below the cut pairs are kept for the next count: frequencies move a weight by less.
const provisionalReach = 15 * unit

// provisional groups records by their strong pairs. The first time it scores all that blocking proposes and keeps in near what a
// change of the frequencies may make strong; the next time it scores these.
func (e *engine) provisional(ctx context.Context, b *blocks, o Options, near *[][2]int32) ([]int32, error) {
	var mu sync.Mutex
	u := newUnion(e.v.n)
	first := *near == nil
	n := e.v.n
	if !first {
		n = len(*near)
	}
	parallel(o.Threads, n, func(lo, hi int) {
		var buf []candidate
		var strong, weak [][2]int32
		try := func(p [2]int32) {
			switch total := e.score(int(p[0]), int(p[1]), nil).total; {
			case total >= provisionalCut:
				strong = append(strong, p)
			case first && total >= provisionalCut-provisionalReach:
				weak = append(weak, p)
			}
		}
		for i := lo; i < hi && ctx.Err() == nil; i++ {
			if !first {
				try((*near)[i])
				continue
			}
			buf = b.candidates(i, buf)
			for _, c := range buf {
				try([2]int32{int32(i), c.record})
			}
		}
		mu.Lock()
		defer mu.Unlock()
		for _, p := range strong {
			u.join(p[0], p[1])
		}
		if first {
			*near = append(append(*near, strong...), weak...)
		}
	})
	for i, t := range e.v.twins() {
		if int(t) != i && e.score(int(t), i, nil).total >= provisionalCut {
			u.join(t, int32(i))
		}
	}
	return u.roots(), ctx.Err()
}

// frequencies counts the entities of each value. Holders, when given, says anew which groups hold a full name.
func (v *view) frequencies(m *Model, comps []*comparison, group []int32, sampled float64, holders func([]uint64, []int32) []uint64) []Frequency {
	seen := map[*table]bool{}
	var out []Frequency
	for i, c := range comps {
		for k, l := range c.levels {
			if l.freq != nil && !seen[l.freq] {
				seen[l.freq] = true
				u := 1.0
				if l.whole && l.group == 0 {
					u = m.Comparisons[i].Levels[k-1].U
				}
				h := holders
				if l.freq != v.full {
					h = nil
				}
				out = append(out, v.frequency(l.freq, group, u, sampled, h))
			}
		}
	}
	return out
}

func (v *view) frequency(t *table, group []int32, u, sampled float64, holders func([]uint64, []int32) []uint64) Frequency {
	held := make([]uint64, 0, v.n) // value and group
	add := func(i int, value uint32) {
		if value != 0 {
			held = append(held, uint64(value)<<32|uint64(uint32(group[i])))
		}
	}
	part := map[*table]func(n name) uint32{
		v.given: func(n name) uint32 { return n.given }, v.surname: func(n name) uint32 { return n.surname },
		v.full: func(n name) uint32 { return n.full }, v.middle: func(n name) uint32 { return n.middle },
	}[t]
	switch {
	case part != nil:
		for i := range v.n {
			for _, w := range v.names.of(i) {
				n := v.whole[w]
				add(i, part(n))
			}
		}
	default:
		for _, c := range v.columns() {
			if c.table == t {
				for i := range v.n {
					for _, x := range c.of(i) {
						add(i, x)
					}
				}
			}
		}
	}
	slices.Sort(held)
	held = slices.Compact(held)
	if holders != nil {
		held = holders(held, group)
	}
	f := Frequency{Name: t.name, Counts: map[string]int{}}
	var single, double float64
	groups := map[uint32]bool{}
	var squares []int
	for i := 0; i < len(held); {
		j := i
		for ; j < len(held) && held[j]>>32 == held[i]>>32; j++ {
			groups[uint32(held[j])] = true
		}
		n := j - i
		squares = append(squares, n)
		switch n {
		case 1:
			single++
		case 2:
			double++
		}
		if n >= 2 {
			f.Counts[valueHash(t.texts[held[i]>>32])] = n
		}
		i = j
	}
	f.Entities = len(groups)
	f.Single, f.Excess = 1, 1
	if f.Entities < 2 {
		return f
	}
	slices.Sort(squares) // sums in one order (P4)
	collide := 0.0
	for _, n := range squares {
		collide += float64(n) * float64(n-1)
	}
	all := float64(f.Entities) * float64(f.Entities-1)
	// Of so many random pairs, u agreed: at most two standard deviations more, and three, do by chance.
	agreed := u * sampled
	agreed += 2*math.Sqrt(agreed) + 3
	if seen := collide / all * sampled; seen > agreed {
		f.Excess = agreed / seen
	}
	if single > 0 {
		f.Single = min(1, 2*f.Excess*double/single)
	}
	for _, n := range squares {
		f.Collision += float64(n) / float64(f.Entities) * f.chance(n, rarest(t))
	}
	return f
}

// columns are the columns that the view has.
func (v *view) columns() []*column {
	var out []*column
	for _, c := range append([]*column{v.email, v.phone, v.employer, v.domain, v.lines, v.house, v.city, v.state, v.postcode, v.country}, v.own...) {
		if c != nil {
			out = append(out, c)
		}
	}
	return out
}

// union is a union-find structure with path halving; the root is the smallest member.
type union struct{ parent []int32 }

func newUnion(n int) *union {
	u := &union{make([]int32, n)}
	for i := range u.parent {
		u.parent[i] = int32(i)
	}
	return u
}

func (u *union) find(a int32) int32 {
	for u.parent[a] != a {
		u.parent[a] = u.parent[u.parent[a]]
		a = u.parent[a]
	}
	return a
}

func (u *union) join(a, b int32) {
	a, b = u.find(a), u.find(b)
	if a < b {
		u.parent[b] = a
	} else {
		u.parent[a] = b
	}
}

func (u *union) roots() []int32 {
	out := make([]int32, len(u.parent))
	for i := range out {
		out[i] = u.find(int32(i))
	}
	return out
}

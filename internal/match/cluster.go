package match

import (
	"context"
	"slices"
	"sort"
)

// Group is one entity: the records that belong together.
type Group struct {
	Key     string   `json:"key"`     // the smallest key of its records; not a lasting id
	Records []string `json:"records"` // sorted
	// Confidence is the probability that the group is one entity and no more, between 0 and 1: of its weakest link, see groupQuality.
	Confidence float64 `json:"confidence"`
	Density    float64 `json:"density"`  // share of its pairs that are at or above the cut on their own
	MinEdge    float64 `json:"min_edge"` // weight of the weakest pair, bits
	MeanEdge   float64 `json:"mean_edge"`
	// Bridges are records' links without which the group falls apart, counted among groups of three records and more.
	Bridges        int  `json:"bridges"`
	Contradictions int  `json:"contradictions"` // pairs in it whose weight is below the guard
	Forced         bool `json:"forced"`         // a person's must-link holds it together
}

// Clusters are the entities of a set.
type Clusters struct {
	Groups    []Group // by key; records that stand alone are groups of one
	Conflicts []Conflict
	// Raised counts components over MaxGroup records that were taken apart at a higher cut.
	Raised int
	// Refused counts joins that a limit stopped.
	Refused int
	of      []int32
	set     *Set
}

// Of is the group of a record.
func (c *Clusters) Of(key string) (Group, bool) {
	i, ok := c.set.record(key)
	if !ok || c.of[i] < 0 {
		return Group{}, false
	}
	return c.Groups[c.of[i]], true
}

// Cluster groups the records by their edges.
func Cluster(ctx context.Context, s *Edges) (*Clusters, error) { return s.cluster(ctx, nil) }

// cluster describes only the groups of the records in only, when given; all others are left as they are, of one record each.
func (s *Edges) cluster(ctx context.Context, only []bool) (*Clusters, error) {
	v := s.e.v
	cut := units(s.o.Cut)
	u := newUnion(v.n)
	for _, x := range s.list {
		if x.total >= cut && x.veto == 0 && x.rule != copyRule {
			u.join(x.a, x.b)
		}
	}
	for _, p := range s.d.must {
		u.join(p[0], p[1])
	}
	l := &linker{s: s, entity: newUnion(v.n)}
	for _, members := range partition(u.roots()) {
		if len(members) > 1 {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			l.component(members, cut)
		}
	}
	for i, t := range s.twins {
		l.entity.join(t, int32(i))
	}
	out := &Clusters{set: v.set, Conflicts: s.d.conflicts, Raised: l.raised, Refused: l.refused}
	forced := map[int32]bool{}
	for _, p := range s.d.must {
		forced[l.entity.find(p[0])] = true
	}
	for _, members := range partition(l.entity.roots()) {
		if only != nil && !only[members[0]] {
			continue
		}
		g := l.group(members)
		g.Forced = forced[members[0]]
		out.Groups = append(out.Groups, g)
	}
	out.index()
	return out, ctx.Err()
}

// index notes the group of each record.
func (c *Clusters) index() {
	c.of = make([]int32, c.set.Len())
	for i := range c.of {
		c.of[i] = -1
	}
	for g := range c.Groups {
		for _, k := range c.Groups[g].Records {
			i, _ := c.set.record(k)
			c.of[i] = int32(g)
		}
	}
}

// partition is the members of each root, in order of the smallest member.
func partition(roots []int32) [][]int32 {
	count := make([]int32, len(roots))
	for _, r := range roots {
		count[r]++
	}
	place := make([]int32, len(roots))
	var out [][]int32
	for i, r := range roots {
		if int(r) == i {
			place[r] = int32(len(out))
			out = append(out, make([]int32, 0, count[r]))
		}
		out[place[r]] = append(out[place[r]], int32(i))
	}
	return out
}

// linker takes components apart into entities.
type linker struct {
	s       *Edges
	entity  *union
	raised  int
	refused int
}

// clipped bounds what one pair says about two groups: overwhelming agreement of one pair must not drown contradictions.
const clipped = 15 * unit

// contradicted is what a pair counts against joining two groups that share a value although their names contradict.
const contradicted = 8 * unit

// contradicting reports whether the names of two people cannot be one's.
func contradicting(e *engine, x verdict) bool {
	if len(e.comps) == 0 || e.comps[0].part != partName || e.v.set.spec.Entity != Person {
		return false
	}
	switch x.pattern.level(0) {
	case nameSurnameOnly, nameGivenOnly, nameDiffers:
		return true
	}
	return false
}

// component joins the records of one component under the guard.
func (l *linker) component(members []int32, cut int32) {
	n := len(members)
	s := l.s
	if n > s.o.MaxGroup {
		l.split(members, cut)
		return
	}
	w := make([]int32, n*n) // weights of all pairs, clipped
	veto := make([]bool, n*n)
	type link struct {
		total int32
		i, j  int16
	}
	var links []link
	for i := range n {
		for j := i + 1; j < n; j++ {
			a, b := members[i], members[j]
			x := s.e.score(int(a), int(b), nil)
			no := s.veto(a, b, x)
			w[i*n+j] = min(max(x.total, -clipped), clipped)
			w[j*n+i] = w[i*n+j]
			if s.o.Strict && vetoes[no] == VetoShared && contradicting(s.e, x) { // what they share is the reason for the veto, and must not outweigh it
				w[i*n+j] = min(w[i*n+j], -contradicted)
				w[j*n+i] = w[i*n+j]
			}
			if no != 0 && vetoes[no] != VetoShared {
				veto[i*n+j], veto[j*n+i] = true, true
			}
			if no == 0 && x.total >= cut {
				links = append(links, link{x.total, int16(i), int16(j)})
			}
		}
	}
	group := make([]int, n)
	size := make([]int, n)
	for i := range group {
		group[i], size[i] = i, 1
	}
	limited := s.e.limits
	held := make([][][]uint32, len(limited)) // by column and group, the values
	for c, col := range limited {
		for _, m := range members {
			held[c] = append(held[c], slices.Sorted(slices.Values(col.of(int(m)))))
		}
	}
	over := func(x, y int) bool {
		for c, col := range limited {
			if len(held[c][x]) > 0 && len(held[c][y]) > 0 && len(unionOf(held[c][x], held[c][y])) > col.field.Limit {
				return true
			}
		}
		return false
	}
	merge := func(x, y int) { // y becomes part of x
		if x > y {
			x, y = y, x
		}
		for c := range limited {
			held[c][x] = unionOf(held[c][x], held[c][y])
		}
		for k := range n {
			w[x*n+k] += w[y*n+k]
			veto[x*n+k] = veto[x*n+k] || veto[y*n+k]
		}
		for k := range n {
			w[k*n+x] = w[x*n+k]
			veto[k*n+x] = veto[x*n+k]
		}
		size[x] += size[y]
		for k := range n {
			if group[k] == y {
				group[k] = x
			}
		}
	}
	local := map[int32]int{}
	if len(s.d.must) > 0 {
		for i, m := range members {
			local[m] = i
		}
		for _, p := range s.d.must {
			i, ok := local[p[0]]
			if !ok {
				continue
			}
			if j := local[p[1]]; group[i] != group[j] {
				merge(group[i], group[j])
			}
		}
	}
	sort.Slice(links, func(a, b int) bool {
		if links[a].total != links[b].total {
			return links[a].total > links[b].total
		}
		if links[a].i != links[b].i {
			return links[a].i < links[b].i
		}
		return links[a].j < links[b].j
	})
	guard := int64(units(*s.o.Guard))
	for again := true; again; {
		again = false
		for _, k := range links {
			x, y := group[k.i], group[k.j]
			if x == y || veto[x*n+y] || int64(w[x*n+y]) < guard*int64(size[x])*int64(size[y]) {
				continue
			}
			if size[x]+size[y] > s.o.MaxEntity || over(x, y) {
				l.refused++
				continue
			}
			merge(x, y)
			again = true
		}
	}
	for i, g := range group {
		l.entity.join(members[i], members[g])
	}
}

// limited are the columns of which one entity may have only so many values.
func (e *engine) limited() []*column {
	var out []*column
	for _, c := range e.v.columns() {
		if c.field.Limit > 0 {
			out = append(out, c)
		}
	}
	return out
}

// unionOf is what two sorted lists hold together.
func unionOf(a, b []uint32) []uint32 {
	out := append(slices.Clone(a), b...)
	slices.Sort(out)
	return slices.Compact(out)
}

// split takes a component that is too big to be compared pair by pair apart, by raising the cut until its parts are small
// enough. What no cut breaks is joined by its strongest pairs up to the size that an entity may have.
func (l *linker) split(members []int32, cut int32) {
	s := l.s
	l.raised++
	in := make(map[int32]bool, len(members))
	for _, m := range members {
		in[m] = true
	}
	var inside []edge
	for _, m := range members {
		lo := sort.Search(len(s.list), func(i int) bool { return s.list[i].a >= m })
		for ; lo < len(s.list) && s.list[lo].a == m; lo++ {
			if x := s.list[lo]; x.veto == 0 && x.total >= cut && x.rule != copyRule && in[x.b] {
				inside = append(inside, x)
			}
		}
	}
	next := cut + 2*unit
	top := int32(0)
	for _, x := range inside {
		top = max(top, x.total)
	}
	if next > top {
		return // nothing stronger to go by: the records stay apart, for people to look at
	}
	u := map[int32]int32{}
	find := func(x int32) int32 {
		for {
			p, ok := u[x]
			if !ok {
				return x
			}
			x = p
		}
	}
	for _, x := range inside {
		if x.total >= next {
			if a, b := find(x.a), find(x.b); a != b {
				u[max(a, b)] = min(a, b)
			}
		}
	}
	for _, p := range s.d.must {
		if in[p[0]] {
			if a, b := find(p[0]), find(p[1]); a != b {
				u[max(a, b)] = min(a, b)
			}
		}
	}
	parts := map[int32][]int32{}
	for _, m := range members {
		r := find(m)
		parts[r] = append(parts[r], m)
	}
	roots := make([]int32, 0, len(parts))
	for r := range parts {
		roots = append(roots, r)
	}
	slices.Sort(roots)
	for _, r := range roots {
		if len(parts[r]) > 1 {
			l.component(parts[r], next)
		}
	}
}

// group describes an entity. Its confidence is that of the weakest join: the smallest, over its records, of the probability
// of the record's best link to the others.
func (l *linker) group(members []int32) Group {
	v := l.s.e.v
	g := Group{Key: v.keys[members[0]], Confidence: 1, Density: 1}
	for _, m := range members {
		g.Records = append(g.Records, v.keys[m])
	}
	n := len(members)
	if n == 1 {
		return g
	}
	if n > l.s.o.MaxGroup {
		return g
	}
	bestOf := make([]int32, n)
	for i := range bestOf {
		bestOf[i] = -1 << 30
	}
	var sum int64
	low := int32(1 << 30)
	linked := 0
	guard := units(*l.s.o.Guard)
	for i := range n {
		for j := i + 1; j < n; j++ {
			x := l.s.e.score(int(members[i]), int(members[j]), nil)
			sum += int64(x.total)
			low = min(low, x.total)
			if x.total >= units(l.s.o.Cut) {
				linked++
			}
			if x.total < guard {
				g.Contradictions++
			}
			bestOf[i] = max(bestOf[i], x.total)
			bestOf[j] = max(bestOf[j], x.total)
		}
	}
	pairs := n * (n - 1) / 2
	g.Density = float64(linked) / float64(pairs)
	g.MinEdge = bits(low)
	g.MeanEdge = float64(sum) / float64(pairs) / unit
	g.Confidence = probability(slices.Min(bestOf))
	return g
}

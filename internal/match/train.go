package match

import (
	"cmp"
	"context"
	"log/slog"
	"math"
	"slices"
	"sort"
	"sync"
)

// Options steer a matching. The zero value of each field means its default.
type Options struct {
	Threads int // 0: two
	// Cut is the weight, in bits, from which on a pair may join records: 0 is as likely as not.
	Cut float64
	// Guard is the mean weight, in bits, that all pairs across two groups must have for the groups to become one. Raise it to link
	// carefully (activation), lower it to link eagerly (reporting). nil: DefaultGuard.
	Guard *float64
	// Review is the weight below the cut down to which pairs are kept for people to look at. nil: DefaultReview.
	Review *float64
	// MaxBlock is the number of records up to which a block proposes all its pairs. 0: DefaultMaxBlock.
	MaxBlock int
	// MaxGroup is the number of records up to which a component is compared pair by pair; a bigger one is taken apart at a
	// higher cut. 0: DefaultMaxGroup.
	MaxGroup int
	// MaxEntity is how many records one entity may have. 0: DefaultMaxEntity. A group that would exceed it is not formed.
	MaxEntity int
	// OneToOne joins at most one record of each source: for linking two lists that hold nobody twice.
	OneToOne bool
	// AcrossOnly proposes pairs of records of different sources only.
	AcrossOnly bool
	// Strict asks for a value of their own (an address, a number, a date of birth) that two people agree on where only their names
	// do, and for two where their names contradict: fewer namesakes and heirs of mailboxes are joined, more records that hold
	// little stay alone.
	Strict    bool
	Overrides []Override
	Log       *slog.Logger // nil: silent
}

// The defaults, one setting for all data.
const (
	DefaultGuard     = -4.0
	DefaultReview    = -6.0
	DefaultMaxBlock  = 100
	DefaultMaxGroup  = 600
	DefaultMaxEntity = 250
)

func (o Options) filled() Options {
	if o.Threads <= 0 {
		o.Threads = 2
	}
	if o.Guard == nil {
		g := DefaultGuard
		o.Guard = &g
	}
	if o.Review == nil {
		r := DefaultReview
		o.Review = &r
	}
	if o.MaxBlock <= 0 {
		o.MaxBlock = DefaultMaxBlock
	}
	if o.MaxGroup <= 0 {
		o.MaxGroup = DefaultMaxGroup
	}
	if o.MaxEntity <= 0 {
		o.MaxEntity = DefaultMaxEntity
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// pattern is the levels that the comparisons of a pair found, four bits each.
type pattern [2]uint64

func (p *pattern) set(c int, l uint8) { p[c>>4] |= uint64(l) << (4 * (c & 15)) }
func (p pattern) level(c int) uint8   { return uint8(p[c>>4]>>(4*(c&15))) & 15 }

// seen is a pattern, and the comparisons without which some blocking rule found the pair.
type seen struct {
	pattern
	free uint32
}

type tally struct {
	seen
	n float64
}

// Training constants.
const (
	randomPairs   = 600_000   // drawn to learn how often strangers agree: the rarest level of interest is about one in 1e5
	trainingPairs = 2_000_000 // looked at to learn how often records of one entity agree; patterns repeat long before
	tooFew        = 50        // records; below, the product's own weights are used
	maxRounds     = 60
	// A prior counts like this many pairs, so that a level which few pairs show does not swing.
	priorMatches = 20.0
)

// Train learns a model from the records, without labels, and the same model from the same records always. Chances that
// strangers agree (u) come from pairs drawn by the hash of the record key, each counted as far as it is no match; chances
// that records of one entity agree (m) come from blocked pairs by expectation maximisation over counts of patterns, each
// comparison learning only from pairs that some rule found without it. Under 50 records, nothing is learned and the weights that
// come with the product are returned.
func Train(ctx context.Context, s *Set, o Options) (*Model, error) {
	o = o.filled()
	v := s.close()
	comps := comparisons(v)
	m := startModel(v, comps)
	if v.n < tooFew {
		m.Note = "fewer than 50 records: the weights are those that come with the product"
		return m, ctx.Err()
	}
	twins := v.twins()
	random := v.drawRandom(comps, o.Threads)
	b := v.block(o, func(i int) bool { return int(twins[i]) != i })
	found, err := v.tallyBlocks(ctx, comps, b, o)
	if err != nil {
		return nil, err
	}
	relatives := m.Relations
	m.Relations = nil
	distinct := 0
	copies := map[pattern]float64{}
	for i, t := range twins {
		if int(t) == i {
			distinct++
		} else {
			copies[compareAll(comps, int(t), i)]++
		}
	}
	found = withCopies(found, copies, len(comps))
	if distinct < tooFew {
		m.Note = "fewer than 50 different records: the weights are those that come with the product"
		return m, ctx.Err()
	}
	fit(m, comps, random, found, distinct)
	o.Log.Debug("two classes fitted", "contradicted", m.contradicted(comps), "personal", personal(comps, m), "rounds", m.Rounds)
	if len(relatives) > 0 && (personal(comps, m) || m.contradicted(comps) > mistaken) {
		again := startModel(v, comps)
		fit(again, comps, random, found, distinct)
		m = again
	}
	sampled := 0.0
	for _, t := range random {
		sampled += t.n
	}
	// how common values are, counted by the entities that the weights so far suggest
	var near [][2]int32
	for range 2 {
		e := newEngine(v, comps, m)
		e.classify()
		groups, err := e.provisional(ctx, b, o, &near)
		if err != nil {
			return nil, err
		}
		var holders func(held []uint64, group []int32) []uint64
		if o.Strict && m.Entity == Company {
			holders = e.holders
		}
		m.Frequencies = v.frequencies(m, comps, groups, sampled, holders)
	}
	return m, ctx.Err()
}

// withCopies adds the pairs of records and their exact copies, one for each copy: blocking does not propose them.
func withCopies(found []tally, copies map[pattern]float64, comps int) []tally {
	for p, n := range copies {
		found = append(found, tally{seen{p, uint32(1<<comps - 1)}, n})
	}
	sortTallies(found)
	return found
}

// mistaken is the share of records of one entity up to which contradicting names are taken for errors where nothing but names and
// addresses is known: then nothing in a pair tells a garbled name from a relative, only how many there are.
const mistaken = 0.25

// personal reports whether something beside the name, known of enough pairs to learn from, tells people of one household apart.
func personal(comps []*comparison, m *Model) bool {
	if m.Entity == Company {
		return true
	}
	for i, c := range comps {
		if c.part&(partEmail|partPhone) != 0 || c.exclusive || c.dated {
			if m.Comparisons[i].Pairs >= 2*priorMatches {
				return true
			}
		}
	}
	return false
}

// contradicted is the share of records of one entity that bounded levels hold.
func (m *Model) contradicted(comps []*comparison) float64 {
	share := 0.0
	for i, c := range comps {
		for l := 1; l < len(c.levels); l++ {
			if c.levels[l].most > 0 && c.levels[l].group == 0 {
				share += m.Comparisons[i].Levels[l-1].M
			}
		}
	}
	return share
}

// startModel is the model before any data: the priors.
func startModel(v *view, comps []*comparison) *Model {
	m := &Model{Version: modelVersion, Entity: v.set.spec.Entity, Records: v.n}
	// Without data, one record in two has a second one somewhere.
	m.Prior = math.Log2(1 / float64(max(v.n, 2)))
	for _, c := range comps {
		mc := ModelComparison{Name: c.name}
		sumM, sumU := map[uint8]float64{}, map[uint8]float64{}
		for _, l := range c.levels[1:] {
			sumM[l.group] += l.m
			sumU[l.group] += l.u
		}
		for _, l := range c.levels[1:] {
			mc.Levels = append(mc.Levels, ModelLevel{Name: l.name, M: l.m / sumM[l.group], U: l.u / sumU[l.group]})
		}
		m.Comparisons = append(m.Comparisons, mc)
	}
	m.Relations = startRelations(v.set.spec.Entity, comps, v.n)
	return m
}

// drawRandom counts the patterns of pairs that have nothing in common but chance: each record, in the order of the hash of
// its key, with those that follow.
func (v *view) drawRandom(comps []*comparison, threads int) []tally {
	var order []int32 // copies are no strangers
	hash := make([]uint64, v.n)
	for i, t := range v.twins() {
		if int(t) == i {
			order = append(order, int32(i))
			hash[i] = digest(v.keys[i])
		}
	}
	n := len(order)
	if n < 2 {
		return nil
	}
	sort.Slice(order, func(i, j int) bool {
		if hash[order[i]] != hash[order[j]] {
			return hash[order[i]] < hash[order[j]]
		}
		return order[i] < order[j]
	})
	reach := min(n-1, max(1, (randomPairs+n-1)/n))
	step := max(1, n*reach/randomPairs) // of a million records, every other one begins a pair
	return collect(threads, n, func(lo, hi int, add func(seen)) {
		for i := lo; i < hi; i++ {
			if i%step != 0 {
				continue
			}
			for d := 1; d <= reach && i+d < n; d++ {
				add(seen{pattern: compareAll(comps, int(order[i]), int(order[i+d]))})
			}
		}
	})
}

// compareAll is the pattern of a pair. Comparisons are symmetric.
func compareAll(comps []*comparison, a, b int) pattern {
	var p pattern
	for i, c := range comps {
		p.set(i, c.find(a, b).level)
	}
	return p
}

// collect counts patterns on several threads; counts are whole, so that their order does not matter.
func collect(threads, n int, fn func(lo, hi int, add func(seen))) []tally {
	var mu sync.Mutex
	total := map[seen]int64{}
	parallel(threads, n, func(lo, hi int) {
		own := map[seen]int64{}
		fn(lo, hi, func(s seen) { own[s]++ })
		mu.Lock()
		defer mu.Unlock()
		for s, c := range own {
			total[s] += c
		}
	})
	out := make([]tally, 0, len(total))
	for s, c := range total {
		out = append(out, tally{s, float64(c)})
	}
	sortTallies(out)
	return out
}

func sortTallies(out []tally) {
	slices.SortFunc(out, func(a, b tally) int {
		for _, d := range [...][2]uint64{{a.pattern[0], b.pattern[0]}, {a.pattern[1], b.pattern[1]}, {uint64(a.free), uint64(b.free)}} {
			if d[0] != d[1] {
				if d[0] < d[1] {
					return -1
				}
				return 1
			}
		}
		return cmp.Compare(a.n, b.n) // copies come with a pattern that is there already
	})
}

// parallel calls fn for stretches of 0 to n on several threads.
func parallel(threads, n int, fn func(lo, hi int)) {
	const stretch = 2048
	var wg sync.WaitGroup
	next := make(chan int, n/stretch+1)
	for lo := 0; lo < n; lo += stretch {
		next <- lo
	}
	close(next)
	for range max(1, threads) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for lo := range next {
				fn(lo, min(n, lo+stretch))
			}
		}()
	}
	wg.Wait()
}

// tallyBlocks counts the patterns of blocked pairs, of a share of the records when there are very many.
func (v *view) tallyBlocks(ctx context.Context, comps []*comparison, b *blocks, o Options) ([]tally, error) {
	var proposed int64
	for _, s := range b.stats {
		proposed += s.Pairs
	}
	limit := ^uint64(0)
	if proposed > trainingPairs {
		limit = uint64(float64(limit) * (trainingPairs / float64(proposed)))
	}
	without := make([]uint64, len(comps)) // rules that do not look at a comparison's aspect
	for i, c := range comps {
		for r, rule := range b.rules {
			if rule.part&c.part == 0 {
				without[i] |= 1 << min(r, 63)
			}
		}
	}
	out := collect(o.Threads, v.n, func(lo, hi int, add func(seen)) {
		var buf []candidate
		for a := lo; a < hi && ctx.Err() == nil; a++ {
			if limit != ^uint64(0) && digest(v.keys[a]) > limit {
				continue
			}
			buf = b.candidates(a, buf)
			for _, c := range buf {
				s := seen{pattern: compareAll(comps, a, int(c.record))}
				for i := range comps {
					if c.rules&without[i] != 0 {
						s.free |= 1 << i
					}
				}
				add(s)
			}
		}
	})
	if limit != ^uint64(0) {
		for i := range out {
			out[i].n *= float64(^uint64(0)) / float64(limit)
		}
	}
	return out, ctx.Err()
}

// fit runs expectation maximisation. Blocking finds nearly all matches, so that the expected matches among blocked pairs,
// over all pairs there are, give the prior.
func fit(m *Model, comps []*comparison, random, found []tally, n int) {
	m.Learned = true
	start := slices.Clone(m.Comparisons)
	for i := range start {
		start[i].Levels = slices.Clone(start[i].Levels)
	}
	first := startRelations(m.Entity, comps, n)
	pairs := float64(n) * float64(n-1) / 2
	type sums struct {
		m, u [16]float64
		r    [relations][16]float64
	}
	for m.Rounds = 1; m.Rounds <= maxRounds; m.Rounds++ {
		score := m.classes(comps)
		acc := make([]sums, len(comps))
		var matches float64
		var related [relations]float64
		for _, t := range found {
			p, r := score(t.pattern)
			matches += p * t.n
			for k := range m.Relations {
				related[k] += r[k] * t.n
			}
			for i := range comps {
				if l := t.level(i); l > 0 && t.free>>i&1 == 1 {
					acc[i].m[l] += p * t.n
					for k := range m.Relations {
						acc[i].r[k][l] += r[k] * t.n
					}
				}
			}
		}
		for _, t := range random {
			p, r := score(t.pattern)
			q := 1 - p
			for k := range m.Relations {
				q -= r[k]
			}
			for i := range comps {
				if l := t.level(i); l > 0 {
					acc[i].u[l] += max(q, 0) * t.n
				}
			}
		}
		moved := 0.0
		for i, c := range comps {
			moved = max(moved, update(&m.Comparisons[i], start[i], c, acc[i].m, acc[i].u, len(m.Relations) > 0))
			for k := range m.Relations {
				if rc := &m.Relations[k].Comparisons[i]; rc.Shared != nil {
					updateRelation(rc, first[k].Comparisons[i], c, acc[i].r[k])
				}
			}
		}
		odds := func(n float64) float64 { return math.Log2(min(max(n, 1)/pairs, 0.5)) }
		next := odds(matches)
		moved = max(moved, math.Abs(next-m.Prior))
		m.Prior = next
		for k := range m.Relations {
			next := odds(related[k])
			moved = max(moved, math.Abs(next-m.Relations[k].Prior))
			m.Relations[k].Prior = next
		}
		if moved < 1e-3 { // thousandths of a bit are all that a weight holds
			break
		}
	}
}

// classes returns the chances that a pair is of one entity and of each relation, by the model as it stands.
func (m *Model) classes(comps []*comparison) func(p pattern) (float64, [relations]float64) {
	own := make([][]float64, len(comps))
	kin := make([][][]float64, len(comps))
	for i, c := range comps {
		own[i] = make([]float64, len(c.levels))
		for l := 1; l < len(c.levels); l++ {
			own[i][l] = m.Comparisons[i].Levels[l-1].Weight()
		}
		for k := range m.Relations {
			kin[i] = append(kin[i], relationBits(c, m.Comparisons[i], m.Relations[k].Comparisons[i]))
		}
	}
	return func(p pattern) (float64, [relations]float64) {
		w := m.Prior
		var r [relations]float64
		for k := range m.Relations {
			r[k] = m.Relations[k].Prior
		}
		for i := range comps {
			l := p.level(i)
			if l == 0 {
				continue
			}
			w += own[i][l]
			for k := range m.Relations {
				r[k] += kin[i][k][l]
			}
		}
		match, all := math.Exp2(w), 1.0
		all += match
		for k := range m.Relations {
			r[k] = math.Exp2(r[k])
			all += r[k]
		}
		for k := range m.Relations {
			r[k] /= all
		}
		return match / all, r
	}
}

// bound holds the levels that have a bound to it; the others of the group take what is over, in proportion.
func bound(levels []ModelLevel, c *comparison) {
	var over, free [4]float64
	for l := range levels {
		def := c.levels[l+1]
		if def.most > 0 && levels[l].M > def.most {
			over[def.group] += levels[l].M - def.most
			levels[l].M = def.most
		} else {
			free[def.group] += levels[l].M
		}
	}
	for l := range levels {
		if def := c.levels[l+1]; over[def.group] > 0 && levels[l].M != def.most {
			levels[l].M *= 1 + over[def.group]/free[def.group]
		}
	}
}

// update sets the chances of one comparison from expected counts, smoothed by the prior, and returns by how many bits the
// weight of a level moved at most.
func update(mc *ModelComparison, start ModelComparison, c *comparison, cm, cu [16]float64, related bool) float64 {
	var sumM, sumU [4]float64
	for l := 1; l < len(c.levels); l++ {
		g := c.levels[l].group
		sumM[g] += cm[l]
		sumU[g] += cu[l]
	}
	mc.Pairs = sumM[0] + sumM[1] + sumM[2]
	var totalM, totalU [4]float64
	next := slices.Clone(mc.Levels)
	for l := 1; l < len(c.levels); l++ {
		g, s := c.levels[l].group, start.Levels[l-1]
		next[l-1].M = (cm[l] + priorMatches*s.M) / (sumM[g] + priorMatches)
		u := cu[l]
		if sumU[g] > 0 {
			u /= sumU[g]
		}
		// What was never seen among n pairs of strangers is rarer than about one in n, not impossible.
		weight := sumU[g] / (sumU[g] + 100)
		next[l-1].U = max(weight*u+(1-weight)*s.U, min(s.U, 0.5/(sumU[g]+1)))
		totalM[g] += next[l-1].M
		totalU[g] += next[l-1].U
	}
	if related {
		bound(next, c)
	}
	clear(totalM[:])
	for l := range next {
		totalM[c.levels[l+1].group] += next[l].M
	}
	moved := 0.0
	for l := range next {
		g := c.levels[l+1].group
		next[l].M /= totalM[g]
		next[l].U /= totalU[g]
		moved = max(moved, math.Abs(next[l].Weight()-mc.Levels[l].Weight()))
	}
	mc.Levels = next
	return moved
}

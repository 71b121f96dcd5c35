package match

import (
	"slices"
	"strings"
	"sync"
)

// rule proposes pairs: records that share one of its keys.
type rule struct {
	name string
	part part // the aspects that its keys are made of
	keys func(i int, out []uint64) []uint64
	// small rules are of values too common to stand alone in many records: a block of theirs over this limit is passed over, not
	// split, since other rules look at the same value together with another. 0: not small.
	small int
}

// BlockStat says what one blocking rule did.
type BlockStat struct {
	Rule    string `json:"rule"`
	Blocks  int    `json:"blocks"`  // of two records and more
	Biggest int    `json:"biggest"` // records of the biggest block, before it was split
	Split   int    `json:"split"`   // blocks over the limit that were split by further keys
	Skipped int    `json:"skipped"` // records left out because their block stayed over the limit: the rule proposed nothing for them
	Pairs   int64  `json:"pairs"`   // proposed by this rule, also where another rule proposes them too
}

// blocks is the outcome of all rules: for each record the stretches of members that follow it in its blocks.
type blocks struct {
	rules   []rule
	stats   []BlockStat
	members []int32
	off     []uint32 // of record i: spans[off[i]:off[i+1]]
	spans   []span
}

// span is the place of a record in a block from start to end: the members behind it, from from, are its candidates.
type span struct {
	start, from, end uint32
	rule             uint8
}

// hashes of the texts of a table, and of their sound.
func (t *table) hashes() []uint64 {
	out := make([]uint64, len(t.texts))
	for i, s := range t.texts[1:] {
		out[i+1] = digest(s) | 1
	}
	return out
}

func (t *table) sounds() []uint64 {
	out := make([]uint64, len(t.texts))
	for i, s := range t.texts[1:] {
		if x := soundex(s); x != "" {
			out[i+1] = digest(x) | 1
		}
	}
	return out
}

// aspect gives the hashes of one aspect of a record, none when it is silent.
type aspect struct {
	name string
	part part
	of   func(i int, out []uint64) []uint64
}

func (c *column) aspect(name string, p part) aspect {
	h := c.hashes()
	return aspect{name, p, func(i int, out []uint64) []uint64 {
		for _, x := range c.of(i) {
			out = append(out, h[x])
		}
		return out
	}}
}

// pairOf joins two aspects: a key for each combination of their values.
func pairOf(a, b aspect) rule {
	return rule{name: a.name + " and " + b.name, part: a.part | b.part, keys: func(i int, out []uint64) []uint64 {
		var xa, xb [16]uint64
		ka, kb := a.of(i, xa[:0]), b.of(i, xb[:0])
		for _, x := range ka {
			for _, y := range kb {
				out = append(out, mix(x*31+y))
			}
		}
		return out
	}}
}

func alone(a aspect) rule { return rule{name: a.name, part: a.part, keys: a.of} }

func ifFew(a aspect) rule {
	return rule{name: "few " + a.name, part: a.part, keys: a.of, small: fewRecords}
}

// fewRecords is up to how many records a block of a common value may have. Ten make 45 pairs, no more per record than the other
// rules propose.
const fewRecords = 10

// rules are those that the records allow. They overlap on purpose: a pair whose one aspect is garbled is proposed through
// another, and each comparison can be learned from pairs that were found without it.
func (v *view) rules() []rule {
	var out []rule
	var strong, weak []aspect // weak ones are too common to stand alone
	if v.email != nil {
		strong = append(strong, v.email.aspect("email", partEmail))
		local := make([]uint64, v.email.len())
		for i, s := range v.email.texts[1:] {
			if l, _, ok := strings.Cut(s, "@"); ok && len(l) >= 5 {
				local[i+1] = digest(l) | 1
			}
		}
		strong = append(strong, aspect{"email_local", partEmail, func(i int, out []uint64) []uint64 {
			for _, x := range v.email.of(i) {
				if local[x] != 0 {
					out = append(out, local[x])
				}
			}
			return out
		}})
	}
	if v.phone != nil {
		strong = append(strong, v.phone.aspect("phone", partPhone))
	}
	if v.domain != nil {
		if v.set.spec.Entity == Company {
			strong = append(strong, v.domain.aspect("domain", partDomain))
		} else {
			weak = append(weak, v.domain.aspect("domain", partDomain))
		}
	}
	for i, c := range v.own {
		p := partOwn << min(i, 40)
		switch c.field.Type {
		case ID:
			strong = append(strong, c.aspect(c.field.Name, p))
		case Date:
			weak = append(weak, c.aspect(c.field.Name, p))
		}
	}
	if v.postcode != nil {
		weak = append(weak, v.postcode.aspect("postcode", partPlace))
	} else if v.city != nil {
		weak = append(weak, v.city.aspect("city", partPlace))
	}
	if v.lines != nil {
		weak = append(weak, v.lines.aspect("street", partStreet))
	}
	if v.employer != nil {
		weak = append(weak, v.employer.aspect("employer", partEmployer))
	}
	for _, a := range strong {
		out = append(out, alone(a))
	}
	for _, a := range weak {
		out = append(out, ifFew(a))
	}
	if v.email != nil {
		out = append(out, ifFew(v.emailPart("email head", func(s string) string { return s[:min(len(s), 7)] })),
			ifFew(v.emailPart("email tail", func(s string) string { return s[max(0, len(s)-12):] })),
			ifFew(v.emailPart("email sound", func(s string) string {
				_, host, _ := strings.Cut(s, "@")
				return s[:min(len(s), 1)] + soundex(host)
			})))
	}
	// every pair of weak aspects, so that no single one is needed
	for i, a := range weak {
		for _, b := range weak[i+1:] {
			out = append(out, pairOf(a, b))
		}
	}
	if len(v.names.val) > 0 {
		whole, token := v.nameAspects()
		out = append(out, alone(whole))
		if v.set.spec.Entity == Company {
			few := ifFew(token)
			few.small = 3 * fewRecords // a rare word of the name is most of what names a company
			out = append(out, few, alone(v.initials()))
		}
		for _, a := range weak {
			out = append(out, pairOf(token, a))
		}
		for _, c := range v.own {
			if c.field.Type == Date {
				out = append(out, pairOf(token, c.dateParts()))
			}
		}
	}
	if len(out) == 0 { // one weak column only: its values are all there is
		for _, a := range weak {
			out = append(out, alone(a))
		}
		for i, c := range v.own {
			if c.field.Type == Text {
				out = append(out, alone(c.aspect(c.field.Name, partOwn<<min(i, 40))))
			}
		}
		for _, c := range []*column{v.city, v.state, v.country, v.house} {
			if c != nil {
				out = append(out, alone(c.aspect(c.name, partPlace)))
			}
		}
	}
	if len(out) > 256 {
		out = out[:256]
	}
	return out
}

// emailPart is a part of an address, so that an error in the rest does not hide it.
func (v *view) emailPart(name string, cut func(string) string) aspect {
	h := make([]uint64, v.email.len())
	for i, s := range v.email.texts[1:] {
		h[i+1] = digest(cut(s)) | 1
	}
	return aspect{name, partEmail, func(i int, out []uint64) []uint64 {
		for _, x := range v.email.of(i) {
			out = append(out, h[x])
		}
		return out
	}}
}

// dateParts are two of the three parts of a date: an error is mostly in one.
func (c *column) dateParts() aspect {
	h := make([][3]uint64, c.len())
	for i, s := range c.texts {
		if len(s) == 8 {
			h[i] = [3]uint64{digest("ym", s[:6]) | 1, digest("yd", s[:4], s[6:]) | 1, digest("md", s[4:]) | 1}
		}
	}
	return aspect{"part of " + c.field.Name, partOwn, func(i int, out []uint64) []uint64 {
		for _, x := range c.of(i) {
			if h[x][0] != 0 {
				out = append(out, h[x][:]...)
			}
		}
		return out
	}}
}

// initials are a company's, and what may be the initials of another.
func (v *view) initials() aspect {
	return aspect{"initials", partName, func(i int, out []uint64) []uint64 {
		for _, w := range v.names.of(i) {
			n := v.whole[w]
			for _, s := range [...]string{v.given.texts[n.given], v.companies().glued[n.full]} {
				if len(s) >= 3 && len(s) <= 6 {
					out = append(out, digest(s)|1)
				}
			}
		}
		return out
	}}
}

// nameAspects are the sound of the whole name whatever the order of its parts, and the sound of each part alone.
func (v *view) nameAspects() (whole, token aspect) {
	if v.set.spec.Entity == Company {
		names := v.companies()
		glued := make([]uint64, v.full.len())
		rare := make([][]uint64, v.full.len())
		for i := 1; i < v.full.len(); i++ {
			glued[i] = digest(names.glued[i]) | 1
			for _, w := range names.rare[i] {
				rare[i] = append(rare[i], digest(w)|1)
			}
		}
		whole = aspect{"name", partName, func(i int, out []uint64) []uint64 {
			for _, w := range v.names.of(i) {
				out = append(out, glued[v.whole[w].full])
			}
			return out
		}}
		token = aspect{"name_word", partName, func(i int, out []uint64) []uint64 {
			for _, w := range v.names.of(i) {
				out = append(out, rare[v.whole[w].full]...)
			}
			return out
		}}
		return whole, token
	}
	g, s := v.given.sounds(), v.surname.sounds()
	whole = aspect{"name", partName, func(i int, out []uint64) []uint64 {
		for _, w := range v.names.of(i) {
			n := v.whole[w]
			if a, b := g[n.given], s[n.surname]; a != 0 && b != 0 {
				out = append(out, mix(min(a, b)*31+max(a, b)))
			}
		}
		return out
	}}
	token = aspect{"name_part", partName, func(i int, out []uint64) []uint64 {
		for _, w := range v.names.of(i) {
			n := v.whole[w]
			for _, x := range [...]uint64{g[n.given], s[n.surname]} {
				if x != 0 {
					out = append(out, x)
				}
			}
		}
		return out
	}}
	return whole, token
}

type entry struct {
	key    uint64
	record int32
}

// block runs the rules. A block of more than limit records is split by the sound of the name, then by the values of other
// columns; what stays over the limit proposes nothing, and is counted.
// Records for which skip holds take no part.
func (v *view) block(o Options, skip func(i int) bool) *blocks {
	limit, threads := o.MaxBlock, o.Threads
	b := &blocks{rules: v.rules()}
	b.stats = make([]BlockStat, len(b.rules))
	refine := v.refinements()
	found := make([][]int32, len(b.rules)) // members of all blocks of a rule, each block ended by -1
	var wg sync.WaitGroup
	gate := make(chan struct{}, max(1, threads))
	for r := range b.rules {
		wg.Add(1)
		go func() {
			defer wg.Done()
			gate <- struct{}{}
			defer func() { <-gate }()
			found[r] = v.runRule(b.rules[r], &b.stats[r], limit, refine, skip)
		}()
	}
	wg.Wait()
	count := make([]uint32, v.n+1)
	total := 0
	for _, f := range found {
		for _, m := range f {
			if m >= 0 {
				count[m+1]++
				total++
			}
		}
	}
	for i := range v.n {
		count[i+1] += count[i]
	}
	b.off = count
	b.members = make([]int32, 0, total)
	b.spans = make([]span, total)
	next := slices.Clone(count[:v.n])
	for r, f := range found {
		start := 0
		for at, m := range f {
			if m >= 0 {
				continue
			}
			from := uint32(len(b.members))
			b.members = append(b.members, f[start:at]...)
			end := uint32(len(b.members))
			for i, m := range f[start:at] {
				b.spans[next[m]] = span{from, from + uint32(i) + 1, end, uint8(r)}
				next[m]++
			}
			start = at + 1
		}
		found[r] = nil
	}
	return b
}

func (v *view) runRule(r rule, stat *BlockStat, limit int, refine []func(i int) uint64, skip func(i int) bool) []int32 {
	stat.Rule = r.name
	var entries []entry
	var buf [64]uint64
	for i := range v.n {
		if skip(i) {
			continue
		}
		keys := r.keys(i, buf[:0])
		if len(keys) > 1 {
			slices.Sort(keys)
			keys = slices.Compact(keys)
		}
		for _, k := range keys {
			entries = append(entries, entry{k, int32(i)})
		}
	}
	sortEntries(entries)
	var out []int32
	var emit func(members []entry, depth int)
	emit = func(members []entry, depth int) {
		if len(members) < 2 {
			return
		}
		if len(members) <= limit {
			stat.Blocks++
			stat.Pairs += int64(len(members)) * int64(len(members)-1) / 2
			for _, m := range members {
				out = append(out, m.record)
			}
			out = append(out, -1)
			return
		}
		if depth == len(refine) {
			stat.Skipped += len(members)
			return
		}
		parts := make([]entry, 0, len(members))
		for _, m := range members {
			if k := refine[depth](int(m.record)); k != 0 {
				parts = append(parts, entry{k, m.record})
			} else {
				stat.Skipped++
			}
		}
		sortEntries(parts)
		runs(parts, func(part []entry) { emit(part, depth+1) })
	}
	runs(entries, func(members []entry) {
		stat.Biggest = max(stat.Biggest, len(members))
		if r.small > 0 && len(members) > r.small {
			stat.Skipped += len(members)
			return
		}
		if len(members) > limit {
			stat.Split++
		}
		emit(members, 0)
	})
	return out
}

// refinements are the keys by which an oversized block is split, one after the other.
func (v *view) refinements() []func(i int) uint64 {
	var out []func(i int) uint64
	single := func(a aspect) func(i int) uint64 {
		return func(i int) uint64 {
			var buf [16]uint64
			if k := a.of(i, buf[:0]); len(k) > 0 {
				return k[0]
			}
			return 0
		}
	}
	if len(v.names.val) > 0 {
		whole, _ := v.nameAspects()
		out = append(out, single(whole))
	}
	for _, c := range v.own {
		if c.field.Type == Date {
			out = append(out, single(c.aspect("", 0)))
			break
		}
	}
	for _, c := range []*column{v.postcode, v.city, v.employer, v.lines} {
		if c != nil {
			out = append(out, single(c.aspect("", 0)))
		}
	}
	return out
}

func runs(e []entry, fn func([]entry)) {
	for i := 0; i < len(e); {
		j := i + 1
		for j < len(e) && e[j].key == e[i].key {
			j++
		}
		fn(e[i:j])
		i = j
	}
}

func sortEntries(e []entry) {
	slices.SortFunc(e, func(a, b entry) int {
		switch {
		case a.key < b.key:
			return -1
		case a.key > b.key:
			return 1
		}
		return int(a.record) - int(b.record)
	})
}

// candidate is a record that shares a block with another, and the rules that say so.
type candidate struct {
	record int32
	rules  uint64
}

// candidates are the records behind i that share a block with it, each once, in order. The slice is reused.
func (b *blocks) candidates(i int, buf []candidate) []candidate {
	buf = buf[:0]
	for _, s := range b.spans[b.off[i]:b.off[i+1]] {
		for _, m := range b.members[s.from:s.end] {
			buf = append(buf, candidate{record: m, rules: 1 << min(s.rule, 63)})
		}
	}
	return unite(buf)
}

// neighbours are all records that share a block with i.
func (b *blocks) neighbours(i int, buf []candidate) []candidate {
	buf = buf[:0]
	for _, s := range b.spans[b.off[i]:b.off[i+1]] {
		for _, m := range b.members[s.start:s.end] {
			if int(m) != i {
				buf = append(buf, candidate{record: m, rules: 1 << min(s.rule, 63)})
			}
		}
	}
	return unite(buf)
}

// unite sorts candidates and makes one of those of the same record.
func unite(buf []candidate) []candidate {
	if len(buf) < 2 {
		return buf
	}
	slices.SortFunc(buf, func(a, b candidate) int { return int(a.record) - int(b.record) })
	out := buf[:1]
	for _, c := range buf[1:] {
		if last := &out[len(out)-1]; last.record == c.record {
			last.rules |= c.rules
		} else {
			out = append(out, c)
		}
	}
	return out
}

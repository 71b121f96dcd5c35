package match

import "slices"

// twins gives each record the first record that holds the very same values; itself for most. Lists hold many copies, and what
// is true of one is true of all: they are compared once, and a thousand copies are no block of half a million pairs.
func (v *view) twins() []int32 {
	v.twinOnce.Do(func() {
		sign := make([]entry, v.n)
		for i := range sign {
			sign[i] = entry{v.signature(i), int32(i)}
		}
		sortEntries(sign)
		v.twin = make([]int32, v.n)
		for i := range v.twin {
			v.twin[i] = int32(i)
		}
		runs(sign, func(same []entry) {
			// Records are in order, so that the first of each kind stands for its kind; hashes that collide are told apart.
			var firsts []int32
			for _, s := range same {
				found := false
				for _, f := range firsts[:min(len(firsts), 4)] {
					if v.equal(int(f), int(s.record)) {
						v.twin[s.record] = f
						found = true
						break
					}
				}
				if !found {
					firsts = append(firsts, s.record)
				}
			}
		})
	})
	return v.twin
}

// bags are all values of the records.
func (v *view) bags() []*bag {
	out := []*bag{&v.names}
	for _, c := range v.columns() {
		out = append(out, &c.bag)
	}
	return out
}

func (v *view) signature(i int) uint64 {
	h := uint64(0)
	for _, b := range v.bags() {
		for _, x := range b.of(i) {
			h = mix(h*31 + uint64(x) + 1)
		}
		h = mix(h + 7)
	}
	return h
}

func (v *view) equal(i, j int) bool {
	for _, b := range v.bags() {
		if !slices.Equal(b.of(i), b.of(j)) {
			return false
		}
	}
	return true
}

// merged gives the records that stand for their copies in scoring: of copies that agree enough to be one entity by themselves, the
// first. What a person has decided about, or what limits and sources keep apart, is compared by itself.
func (s *Edges) merged() []int32 {
	v := s.e.v
	out := make([]int32, v.n)
	for i, t := range v.twins() {
		out[i] = int32(i)
		if t == int32(i) || s.o.OneToOne || s.o.AcrossOnly || s.d.touched[t] || s.d.touched[int32(i)] {
			continue
		}
		if x := s.e.score(int(t), i, nil); x.total >= units(s.o.Cut) && s.veto(t, int32(i), x) == 0 {
			out[i] = t
		}
	}
	return out
}

package mess

// draws is the generator of internal/twin/market (SplitMix64: Steele, Lea, Flood 2014), written out here because the same
// seed must give the same bytes with every release of Go and because the two must be free to change apart.
type draws struct{ s uint64 }

func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// draw opens the stream of draws for a purpose and its keys.
func (m *maker) draw(what string, keys ...int) *draws {
	h := m.seed ^ 0x9e3779b97f4a7c15
	for i := 0; i < len(what); i++ {
		h = mix(h ^ uint64(what[i])*0x9e3779b97f4a7c15)
	}
	for _, k := range keys {
		h = mix(h + 0x9e3779b97f4a7c15 ^ uint64(int64(k))*0xd1342543de82ef95)
	}
	return &draws{h}
}

func (d *draws) next() uint64 {
	d.s += 0x9e3779b97f4a7c15
	return mix(d.s)
}

// n is a whole number in [0, n).
func (d *draws) n(n int) int { return int(d.next() >> 33 * uint64(n) >> 31) }

// between is a whole number in [lo, hi].
func (d *draws) between(lo, hi int) int { return lo + d.n(hi-lo+1) }

// chance is true in permille of 1,000 draws.
func (d *draws) chance(permille int) bool { return d.n(1000) < permille }

func pick[T any](d *draws, from []T) T { return from[d.n(len(from))] }

// zipf draws the first ones more often: the smaller of two draws.
func zipf(d *draws, from []string) string { return from[min(d.n(len(from)), d.n(len(from)))] }

// weighted is an index, drawn by weight.
func (d *draws) weighted(w ...int) int {
	total := 0
	for _, x := range w {
		total += x
	}
	v := d.n(total)
	for i, x := range w {
		if v -= x; v < 0 {
			return i
		}
	}
	return len(w) - 1
}

// token is n signs in the manner of vendors' ids.
func (d *draws) token(n int) string {
	const signs = "0123456789abcdefghijklmnopqrstuvwxyz"
	b := make([]byte, n)
	for i := range b {
		b[i] = signs[d.n(len(signs))]
	}
	return string(b)
}

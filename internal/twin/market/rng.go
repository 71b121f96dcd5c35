package market

// A draw is a value of (seed, what, who, when): it does not depend on what else was drawn before it, so one write of a
// client moves only what it touches. The generator is SplitMix64 (Steele, Lea, Flood 2014), written out here because the
// same seed must give the same bytes with every release of Go.
type draws struct{ s uint64 }

func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// draw opens the stream of draws for a purpose and its keys.
func (s *Sim) draw(what string, keys ...int) *draws {
	h := s.seed ^ 0x9e3779b97f4a7c15
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

// chance is true in pct of 1,000 draws.
func (d *draws) chance(permille int) bool { return d.n(1000) < permille }

func pick[T any](d *draws, from []T) T { return from[d.n(len(from))] }

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

const base62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// token is n characters in the manner of vendors' ids.
func (d *draws) token(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = base62[d.n(62)]
	}
	return string(b)
}

// uuid is 16 drawn bytes in the usual form.
func (d *draws) uuid() string {
	const hex = "0123456789abcdef"
	b := make([]byte, 0, 36)
	for i := 0; i < 32; i++ {
		if i == 8 || i == 12 || i == 16 || i == 20 {
			b = append(b, '-')
		}
		c := hex[d.n(16)]
		if i == 12 {
			c = '4'
		}
		if i == 16 {
			c = hex[8+d.n(4)]
		}
		b = append(b, c)
	}
	return string(b)
}

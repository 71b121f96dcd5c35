package match

import (
	mathbits "math/bits"
	"unicode/utf8"
)

// jaroWinkler is the similarity of two texts between 0 and 1: Jaro's share of common characters within half the longer
// length, half counted for transpositions, raised by a tenth for each of up to four equal leading characters (Winkler 1990).
// Texts longer than 256 bytes are compared by their first 256: no name is longer, and the time is quadratic.
func jaroWinkler(a, b string) float64 {
	a, b = clip(a, 256), clip(b, 256)
	if a == b {
		return 1
	}
	if len(a) == 0 || len(b) == 0 {
		return 0
	}
	if !ascii(a) || !ascii(b) {
		return jaroWinklerRunes([]rune(a), []rune(b))
	}
	return jaroWinklerRunes([]byte(a), []byte(b))
}

func jaroWinklerRunes[T byte | rune](a, b []T) float64 {
	if len(a) > len(b) {
		a, b = b, a
	}
	window := max(len(b)/2-1, 0)
	var usedB [256]bool
	var matched [256]T
	m := 0
	for i, c := range a {
		lo, hi := max(0, i-window), min(len(b), i+window+1)
		for j := lo; j < hi; j++ {
			if !usedB[j] && b[j] == c {
				usedB[j] = true
				matched[m] = c
				m++
				break
			}
		}
	}
	if m == 0 {
		return 0
	}
	k, moved := 0, 0
	for j := range b {
		if usedB[j] {
			if b[j] != matched[k] {
				moved++
			}
			k++
		}
	}
	fm := float64(m)
	sim := (fm/float64(len(a)) + fm/float64(len(b)) + (fm-float64(moved)/2)/fm) / 3
	prefix := 0
	for prefix < 4 && prefix < len(a) && a[prefix] == b[prefix] {
		prefix++
	}
	return sim + float64(prefix)*0.1*(1-sim)
}

// letters is the set of signs of a text, folded into 64 bits: signs that collide only make two texts look more alike.
func letters(s string) uint64 {
	var m uint64
	for i := 0; i < len(s); i++ {
		m |= 1 << (s[i] & 63)
	}
	return m
}

// farApart reports, without comparing sign by sign, that two texts are more than limit edits apart and less alike than least by
// Jaro and Winkler: an edit brings in at most one sign that the other lacks, and a sign that the other lacks cannot be common.
// a and b have the given letters.
func farApart(a, b string, inA, inB uint64, limit int, least float64) bool {
	onlyA, onlyB := mathbits.OnesCount64(inA&^inB), mathbits.OnesCount64(inB&^inA)
	if onlyA <= limit && onlyB <= limit || len(a) == 0 || len(b) == 0 {
		return false
	}
	common := float64(min(len(a)-onlyA, len(b)-onlyB))
	jaro := (common/float64(len(a)) + common/float64(len(b)) + 1) / 3
	prefix := 0
	for prefix < min(4, len(a), len(b)) && a[prefix] == b[prefix] {
		prefix++
	}
	return jaro+float64(prefix)*0.1*(1-jaro) < least
}

// edits is the number of insertions, deletions, replacements and swaps of neighbours that turn a into b (optimal string
// alignment), or limit+1 when it is more than limit. Bytes are compared: the texts are normalised to plain letters first.
func edits(a, b string, limit int) int {
	a, b = clip(a, 256), clip(b, 256)
	for len(a) > 0 && len(b) > 0 && a[0] == b[0] {
		a, b = a[1:], b[1:]
	}
	for len(a) > 0 && len(b) > 0 && a[len(a)-1] == b[len(b)-1] {
		a, b = a[:len(a)-1], b[:len(b)-1]
	}
	if d := len(a) - len(b); d > limit || -d > limit {
		return limit + 1
	}
	if len(a) == 0 || len(b) == 0 {
		return max(len(a), len(b))
	}
	var rows [3][257]int
	prev2, prev, cur := rows[0][:len(b)+1], rows[1][:len(b)+1], rows[2][:len(b)+1]
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		best := i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			d := min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, prev2[j-2]+1)
			}
			cur[j] = d
			best = min(best, d)
		}
		if best > limit {
			return limit + 1
		}
		prev2, prev, cur = prev, cur, prev2
	}
	return min(prev[len(b)], limit+1)
}

// soundex is the American Soundex code of a name in plain letters, such as r163, or empty when there is no letter.
func soundex(s string) string {
	const codes = "01230120022455012623010202" // of the letters a to z; vowels 0, h and w are passed over
	var out [4]byte
	n := 0
	var last byte
	for i := 0; i < len(s) && n < 4; i++ {
		c := s[i] | 0x20
		if c < 'a' || c > 'z' {
			last = 0
			continue
		}
		code := codes[c-'a']
		switch {
		case n == 0:
			out[0], n, last = c, 1, code
		case c == 'h' || c == 'w':
		case code == '0':
			last = 0
		case code != last:
			out[n], last = code, code
			n++
		}
	}
	if n == 0 {
		return ""
	}
	for ; n < 4; n++ {
		out[n] = '0'
	}
	return string(out[:])
}

func ascii(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// clip cuts a text to n bytes, on a character's boundary.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// digest is the FNV-1a hash of the parts, each ended, mixed once more so that all bits depend on all of the input. It is the
// same in every run and on every machine.
func digest(parts ...string) uint64 {
	h := uint64(14695981039346656037)
	for _, p := range parts {
		for i := 0; i < len(p); i++ {
			h = (h ^ uint64(p[i])) * 1099511628211
		}
		h = (h ^ 0xff) * 1099511628211
	}
	return mix(h)
}

// mix is the finaliser of MurmurHash3.
func mix(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

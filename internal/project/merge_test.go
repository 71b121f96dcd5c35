package project

import (
	"math/rand/v2"
	"strings"
	"testing"
)

func TestMerge3(t *testing.T) {
	const base = "a\nb\nc\nd\ne\nf\ng\n"
	for _, c := range []struct {
		name, base, yours, theirs, want string
		conflicts                       int
	}{
		{"nobody", base, base, base, base, 0},
		{"only yours", base, "a\nB\nc\nd\ne\nf\ng\n", base, "a\nB\nc\nd\ne\nf\ng\n", 0},
		{"only theirs", base, base, "a\nb\nc\nd\ne\nf\ng\nh\n", "a\nb\nc\nd\ne\nf\ng\nh\n", 0},
		{"both, apart", base, "A\nb\nc\nd\ne\nf\ng\n", "a\nb\nc\nd\ne\nf\nG\nh\n", "A\nb\nc\nd\ne\nf\nG\nh\n", 0},
		{"both alike", base, "a\nX\nc\nd\ne\nf\ng\n", "a\nX\nc\nd\ne\nf\ng\n", "a\nX\nc\nd\ne\nf\ng\n", 0},
		{"you insert, they delete elsewhere", base, "a\nb\nnew\nc\nd\ne\nf\ng\n", "a\nb\nc\nd\ne\ng\n", "a\nb\nnew\nc\nd\ne\ng\n", 0},
		{"insert at both ends", base, "0\n" + base, base + "z\n", "0\n" + base + "z\n", 0},
		{"same line, differently", base, "a\nyours\nc\nd\ne\nf\ng\n", "a\ntheirs\nc\nd\ne\nf\ng\n",
			"a\n<<<<<<< yours\nyours\n||||||| built-in before\nb\n=======\ntheirs\n>>>>>>> built-in now\nc\nd\ne\nf\ng\n", 1},
		{"you delete what they change", base, "a\nc\nd\ne\nf\ng\n", "a\nB\nc\nd\ne\nf\ng\n",
			"a\n<<<<<<< yours\n||||||| built-in before\nb\n=======\nB\n>>>>>>> built-in now\nc\nd\ne\nf\ng\n", 1},
		{"a conflict and a clean change", base, "a\n1\nc\nd\ne\nf\nG\n", "a\n2\nc\nd\nE\nf\ng\n",
			"a\n<<<<<<< yours\n1\n||||||| built-in before\nb\n=======\n2\n>>>>>>> built-in now\nc\nd\nE\nf\nG\n", 1},
		{"both add a file's first line", "", "yours\n", "theirs\n",
			"<<<<<<< yours\nyours\n||||||| built-in before\n=======\ntheirs\n>>>>>>> built-in now\n", 1},
		{"missing last line end", "a\nb", "a\nB", "a\nc", "a\n<<<<<<< yours\nB\n||||||| built-in before\nb\n=======\nc\n>>>>>>> built-in now\n", 1},
		{"they empty it, you did not touch it", base, base, "", "", 0},
	} {
		got, conflicts := merge3(c.base, c.yours, c.theirs)
		if got != c.want || conflicts != c.conflicts {
			t.Errorf("%s: %d conflicts\n%s\nwant %d\n%s", c.name, conflicts, got, c.conflicts, c.want)
		}
	}
}

// TestMerge3Properties holds for any texts: one side alone is taken whole, equal sides are taken once, swapping the sides
// gives as many conflicts, and edits of lines that lie apart are both there.
func TestMerge3Properties(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	text := func(n int) []string {
		lines := make([]string, rng.IntN(n))
		for i := range lines {
			lines[i] = string(rune('a'+rng.IntN(4))) + "\n"
		}
		return lines
	}
	edit := func(lines []string) []string {
		var out []string
		for _, l := range lines {
			switch rng.IntN(8) {
			case 0:
			case 1:
				out = append(out, l, "new"+string(rune('a'+rng.IntN(3)))+"\n")
			case 2:
				out = append(out, "changed\n")
			default:
				out = append(out, l)
			}
		}
		return out
	}
	clean := 0
	for range 3000 {
		lines := text(14)
		o, a, b := join(lines), join(edit(lines)), join(edit(lines))
		if got, n := merge3(o, o, b); got != b || n != 0 {
			t.Fatalf("theirs alone: %q from %q gave %q", b, o, got)
		}
		if got, n := merge3(o, a, o); got != a || n != 0 {
			t.Fatalf("yours alone: %q from %q gave %q", a, o, got)
		}
		if got, n := merge3(o, a, a); got != a || n != 0 {
			t.Fatalf("both alike: %q from %q gave %q", a, o, got)
		}
		ab, n := merge3(o, a, b)
		ba, m := merge3(o, b, a)
		if n != m || n == 0 && ab != ba {
			t.Fatalf("not symmetric: %q | %q | %q: %q and %q", o, a, b, ab, ba)
		}
		if n == 0 {
			clean++
		} else if strings.Count(ab, markYours) != n || strings.Count(ab, markNew) != n {
			t.Fatalf("%d conflicts, but the text is %q", n, ab)
		}
	}
	if clean < 300 {
		t.Errorf("only %d of 3000 merges were clean: the test says little", clean)
	}
	for range 300 {
		lines := make([]string, 40)
		for i := range lines {
			lines[i] = strings.Repeat("x", i) + "\n"
		}
		a, b, both := append([]string(nil), lines...), append([]string(nil), lines...), append([]string(nil), lines...)
		for i := 0; i < 40; i += 2 {
			switch rng.IntN(3) {
			case 0:
				a[i], both[i] = "yours\n", "yours\n"
			case 1:
				b[i], both[i] = "theirs\n", "theirs\n"
			}
		}
		if got, n := merge3(join(lines), join(a), join(b)); n != 0 || got != join(both) {
			t.Fatalf("edits of different lines were not both kept: %d conflicts\n%s", n, got)
		}
	}
}

func TestMatchFallsBackOnHugeTexts(t *testing.T) {
	lines := make([]string, 9000)
	other := make([]string, 9000)
	for i := range lines {
		lines[i], other[i] = "x\n", "y\n"
	}
	lines[0], other[0] = "same\n", "same\n"
	m := match(lines, other)
	if m[0] != 0 || m[1] != -1 {
		t.Errorf("got %v", m[:3])
	}
}

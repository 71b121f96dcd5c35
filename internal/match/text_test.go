package match

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestJaroWinkler(t *testing.T) {
	for _, x := range []struct {
		a, b string
		want float64
	}{ // worked examples of Winkler's papers
		{"martha", "marhta", 0.9611}, {"dwayne", "duane", 0.84}, {"dixon", "dicksonx", 0.8133}, {"jones", "johnson", 0.8324},
		{"", "", 1}, {"a", "", 0}, {"abc", "xyz", 0}, {"same", "same", 1},
	} {
		if got := jaroWinkler(x.a, x.b); math.Abs(got-x.want) > 5e-4 {
			t.Errorf("%s %s: %.4f, want %.4f", x.a, x.b, got, x.want)
		}
	}
}

func TestEdits(t *testing.T) {
	for _, x := range []struct {
		a, b string
		want int
	}{
		{"kitten", "sitting", 3}, {"ca", "ac", 1}, {"abcd", "acbd", 1}, {"", "ab", 2}, {"same", "same", 0}, {"roberta25", "robert255", 2}, {"abcdef", "zzzzzz", 4},
	} {
		if got := edits(x.a, x.b, 3); got != x.want {
			t.Errorf("%s %s: %d, want %d", x.a, x.b, got, x.want)
		}
	}
}

func TestSoundex(t *testing.T) {
	for in, want := range map[string]string{"robert": "r163", "rupert": "r163", "ashcraft": "a261", "tymczak": "t522", "pfister": "p236", "lee": "l000", "": "", "123": ""} {
		if got := soundex(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

// TestFarApart: what the shortcut calls far apart is so by the full comparison, which is the same in both directions.
func TestFarApart(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	word := func() string {
		b := make([]byte, r.IntN(14))
		for i := range b {
			b[i] = "abcdefgh.@"[r.IntN(10)]
		}
		return string(b)
	}
	far := 0
	for range 200_000 {
		a, b := word(), word()
		if r.IntN(3) == 0 && len(a) > 3 {
			b = a[:2] + word() // a common beginning
		}
		if jaroWinkler(a, b) != jaroWinkler(b, a) && math.Abs(jaroWinkler(a, b)-jaroWinkler(b, a)) > 0.05 {
			t.Fatalf("%q %q: %f and %f", a, b, jaroWinkler(a, b), jaroWinkler(b, a))
		}
		if edits(a, b, 2) != edits(b, a, 2) {
			t.Fatalf("%q %q: edits differ by direction", a, b)
		}
		if farApart(a, b, letters(a), letters(b), 2, 0.9) {
			far++
			if edits(a, b, 2) <= 2 || jaroWinkler(a, b) >= 0.9 {
				t.Fatalf("%q %q: %d edits, %f alike", a, b, edits(a, b, 2), jaroWinkler(a, b))
			}
		}
	}
	if far < 1000 {
		t.Errorf("%d pairs far apart: the shortcut was hardly tried", far)
	}
}

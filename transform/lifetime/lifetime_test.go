package lifetime

import (
	"math"
	"math/rand/v2"
	"testing"
)

// published are the two data sets of Fader and Hardie (2007), table 1: the share of a cohort of 1,000 that is still there after
// each of twelve years. The paper fits the first seven.
func published() map[string][]int64 {
	return map[string][]int64{
		"high end": {1000, 869, 743, 653, 593, 551, 517, 491, 468, 445, 427, 409, 394},
		"regular":  {1000, 631, 468, 382, 326, 289, 262, 241, 223, 207, 194, 183, 173},
	}
}

func livesOf(stay []int64) []Life {
	var out []Life
	for t := 1; t < len(stay); t++ {
		out = append(out, Life{Months: t - 1, Churned: true, Count: stay[t-1] - stay[t]})
	}
	return append(out, Life{Months: len(stay) - 1, Count: stay[len(stay)-1]})
}

// TestFitRepeatsThePaper holds the fit against the published constants, and its projection against the five years that it
// did not see.
func TestFitRepeatsThePaper(t *testing.T) {
	for name, want := range map[string]Model{"high end": {Alpha: 0.668, Beta: 3.806}, "regular": {Alpha: 0.704, Beta: 1.182}} {
		stay := published()[name]
		got, ok := Fit(livesOf(stay[:8]))
		if !ok || math.Abs(got.Alpha-want.Alpha) > 0.0005 || math.Abs(got.Beta-want.Beta) > 0.0005 {
			t.Errorf("%s: alpha %.4f, beta %.4f; the paper has %.3f and %.3f", name, got.Alpha, got.Beta, want.Alpha, want.Beta)
		}
		for year, s := range got.Survival(12) {
			if seen := float64(stay[year]) / 1000; math.Abs(s-seen) > 0.02 {
				t.Errorf("%s: year %d is expected at %.3f and was %.3f", name, year, s, seen)
			}
		}
		t.Logf("%s: alpha %.4f, beta %.4f, log-likelihood %.1f", name, got.Alpha, got.Beta, got.LogLik)
	}
}

// TestFitIsAPeak moves the parameters a little: nothing near is likelier.
func TestFitIsAPeak(t *testing.T) {
	lives := livesOf(published()["high end"][:8])
	m, _ := Fit(lives)
	churned, alive := make([]int64, 8), make([]int64, 8)
	for _, l := range lives {
		if l.Churned {
			churned[l.Months] += l.Count
		} else {
			alive[l.Months] += l.Count
		}
	}
	for _, k := range []float64{0.99, 1.01} {
		for _, near := range []Model{{Alpha: m.Alpha * k, Beta: m.Beta}, {Alpha: m.Alpha, Beta: m.Beta * k}, {Alpha: m.Alpha * k, Beta: m.Beta * k}} {
			if ll := logLik(near, churned, alive); ll >= m.LogLik {
				t.Errorf("alpha %.4f, beta %.4f is at least as likely: %.6f against %.6f", near.Alpha, near.Beta, ll, m.LogLik)
			}
		}
	}
}

// TestFitCensored draws lives from a known model and cuts most of them off: the fit finds the model again, where the mean of
// those who left would not.
func TestFitCensored(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	truth := Model{Alpha: 1.2, Beta: 20}
	curve := truth.Survival(400)
	var lives []Life
	for range 40_000 {
		u, months := rng.Float64(), 0
		for months < 399 && curve[months+1] > u {
			months++
		}
		if age := rng.IntN(24); months >= age {
			lives = append(lives, Life{Months: age, Count: 1})
		} else {
			lives = append(lives, Life{Months: months, Churned: true, Count: 1})
		}
	}
	m, ok := Fit(lives)
	if !ok {
		t.Fatal("not fitted")
	}
	for _, month := range []int{6, 12, 24, 48} {
		if got, want := m.Survival(48)[month], curve[month]; math.Abs(got-want) > 0.02 {
			t.Errorf("month %d: %.4f expected to stay, %.4f do", month, got, want)
		}
	}
}

// TestNobodyLeft and other ends of the scale.
func TestFitAtTheEnds(t *testing.T) {
	if _, ok := Fit([]Life{{Months: 5, Count: 100}}); ok {
		t.Error("fitted a chance to leave although nobody left")
	}
	if _, ok := Fit(nil); ok {
		t.Error("fitted nothing")
	}
	// All leave at once.
	m, ok := Fit([]Life{{Months: 0, Churned: true, Count: 50}})
	if s := m.Survival(3); !ok || s[1] > 0.01 {
		t.Errorf("all left in the first month; %v stay", s)
	}
	// One in ten leaves every month, whoever it is: the geometric life is the limit of the model.
	var lives []Life
	stay := 1_000_000.0
	for t := range 12 {
		lives = append(lives, Life{Months: t, Churned: true, Count: int64(math.Round(stay / 10))})
		stay -= stay / 10
	}
	lives = append(lives, Life{Months: 12, Count: int64(math.Round(stay))})
	m, _ = Fit(lives)
	if s := m.Survival(24); math.Abs(s[24]-math.Pow(0.9, 24)) > 0.002 {
		t.Errorf("after 24 months %.4f stay, %.4f should", s[24], math.Pow(0.9, 24))
	}
}

func TestKaplanMeier(t *testing.T) {
	// Ten begin; two leave in the first month, three have been there for one month only, one leaves in the third.
	got := KaplanMeier([]Life{{0, true, 2}, {1, false, 3}, {2, true, 1}, {3, false, 4}, {0, false, 5}})
	want := []Observed{{10, 2, 0.8}, {5, 0, 0.8}, {5, 1, 0.64}}
	if len(got) != len(want) {
		t.Fatalf("%v", got)
	}
	for i := range want {
		if got[i].AtRisk != want[i].AtRisk || got[i].Churned != want[i].Churned || math.Abs(got[i].Survival-want[i].Survival) > 1e-12 {
			t.Errorf("month %d: %+v, want %+v", i, got[i], want[i])
		}
	}
	if got := KaplanMeier(nil); len(got) != 0 {
		t.Errorf("%v from nobody", got)
	}
}

func TestRemaining(t *testing.T) {
	// Everybody stays, money keeps its worth: what remains is the horizon.
	if got := Remaining([]float64{1, 1, 1, 1}, 1); got[0] != 3 || got[2] != 1 || got[3] != 0 {
		t.Errorf("%v", got)
	}
	// Half leave every month: 1 + 1/2 + 1/4.
	if got := Remaining([]float64{1, 0.5, 0.25, 0.125}, 1); math.Abs(got[0]-1.75) > 1e-12 {
		t.Errorf("%v", got)
	}
	// Discounted by half as well: 1 + 1/4 + 1/16.
	if got := Remaining([]float64{1, 0.5, 0.25, 0.125}, 0.5); math.Abs(got[0]-1.3125) > 1e-12 {
		t.Errorf("%v", got)
	}
}

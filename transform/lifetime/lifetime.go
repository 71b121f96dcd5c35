// Package lifetime says how long customers stay: from the lives that are known, some of them still going on, it makes the
// survival curve that was observed (Kaplan and Meier, 1958) and the one that the shifted-beta-geometric model expects beyond
// it (Fader and Hardie, "How to project customer retention", 2007). It is the operator `lifetime` of SQL nodes.
//
// In that model each customer leaves with a chance of their own every month; the chances are spread over customers as a Beta
// distribution. So those who stayed long are likely to stay longer, which one churn rate for all cannot say.
package lifetime

import (
	"math"
)

// Life is a number of customers who had the same life: Months completed, and then they left, or are still there.
type Life struct {
	Months  int
	Churned bool
	Count   int64
}

// Model is a fitted shifted-beta-geometric model.
type Model struct {
	Alpha, Beta float64
	LogLik      float64
}

// Limits of the search: logit of the mean chance to leave, and logarithm of alpha + beta. Beyond them customers are as good as
// all alike, or as good as either certain to leave at once or never.
const (
	meanLimit     = 12
	precisionLow  = -4.0
	precisionHigh = 9.0
)

// Fit finds the model under which the lives are most likely. ok is false where nobody left, which no chance to leave but zero
// explains, and where there are no lives. The result does not depend on the order of lives that are grouped.
func Fit(lives []Life) (m Model, ok bool) {
	var left int64
	last := 0
	for _, l := range lives {
		if l.Count <= 0 || l.Months < 0 {
			continue
		}
		if l.Churned {
			left += l.Count
		}
		last = max(last, l.Months)
	}
	if left == 0 {
		return Model{}, false
	}
	churned, alive := make([]int64, last+1), make([]int64, last+1)
	for _, l := range lives {
		switch {
		case l.Count <= 0 || l.Months < 0:
		case l.Churned:
			churned[l.Months] += l.Count
		default:
			alive[l.Months] += l.Count
		}
	}
	value := func(p [2]float64) float64 { return -logLik(shape(p), churned, alive) }
	best, at := math.Inf(1), [2]float64{}
	// Few starts are enough: the likelihood has one peak or a ridge.
	for _, mean := range []float64{-5, -3, -1, 1} {
		for _, precision := range []float64{-1, 2, 5} {
			p, v := simplex(value, [2]float64{mean, precision})
			if v < best {
				best, at = v, p
			}
		}
	}
	m = shape(at)
	m.LogLik = -best
	return m, true
}

// shape turns a point of the search into alpha and beta.
func shape(p [2]float64) Model {
	mean := 1 / (1 + math.Exp(-min(max(p[0], -meanLimit), meanLimit)))
	sum := math.Exp(min(max(p[1], precisionLow), precisionHigh))
	return Model{Alpha: mean * sum, Beta: (1 - mean) * sum}
}

func logLik(m Model, churned, alive []int64) float64 {
	sum, survival := 0.0, 0.0 // log of the share that completed so many months
	for t := range churned {
		// Who completed t months and left, left in month t+1: S(t) times the chance to leave then.
		leave := m.Alpha / (m.Alpha + m.Beta + float64(t))
		if churned[t] > 0 {
			sum += float64(churned[t]) * (survival + math.Log(leave))
		}
		if alive[t] > 0 {
			sum += float64(alive[t]) * survival
		}
		survival += math.Log1p(-leave)
	}
	return sum
}

// Survival is the share of customers who complete each number of months from 0 to months.
func (m Model) Survival(months int) []float64 {
	out := make([]float64, months+1)
	out[0] = 1
	for t := range months {
		out[t+1] = out[t] * (m.Beta + float64(t)) / (m.Alpha + m.Beta + float64(t))
	}
	return out
}

// Observed is what is known of one month of life: how many began it, and the share that is left after it.
type Observed struct {
	AtRisk, Churned int64
	Survival        float64
}

// KaplanMeier is the observed curve from month 0 on: element t holds those who had completed t months and could be seen in the
// next one, how many of them left in it, and the share that stays through it. Who is still there counts for the months
// completed. It ends where nobody can be seen any more.
func KaplanMeier(lives []Life) []Observed {
	last := -1
	for _, l := range lives {
		if l.Count > 0 && l.Months >= 0 && (l.Churned || l.Months > 0) {
			n := l.Months
			if !l.Churned {
				n--
			}
			last = max(last, n)
		}
	}
	out := make([]Observed, last+1)
	for _, l := range lives {
		if l.Count <= 0 || l.Months < 0 {
			continue
		}
		for t := 0; t < l.Months; t++ {
			out[t].AtRisk += l.Count
		}
		if l.Churned {
			out[l.Months].AtRisk += l.Count
			out[l.Months].Churned += l.Count
		}
	}
	survival := 1.0
	for t := range out {
		if out[t].AtRisk > 0 {
			survival *= 1 - float64(out[t].Churned)/float64(out[t].AtRisk)
		}
		out[t].Survival = survival
	}
	return out
}

// Remaining is how many more months a customer who has completed m months is worth, for m from 0 to horizon: the chance to be
// there at the beginning of each further month up to the horizon, each worth monthly times as much as the one before.
func Remaining(survival []float64, monthly float64) []float64 {
	horizon := len(survival) - 1
	out := make([]float64, horizon+1)
	for m := horizon - 1; m >= 0; m-- {
		stay := 0.0
		if survival[m] > 0 {
			stay = survival[m+1] / survival[m]
		}
		out[m] = 1 + monthly*stay*out[m+1]
	}
	return out
}

// simplex is the method of Nelder and Mead (1965) in two dimensions.
func simplex(f func([2]float64) float64, start [2]float64) ([2]float64, float64) {
	type vertex struct {
		at [2]float64
		v  float64
	}
	see := func(p [2]float64) vertex { return vertex{p, f(p)} }
	s := [3]vertex{see(start), see([2]float64{start[0] + 0.5, start[1]}), see([2]float64{start[0], start[1] + 0.5})}
	along := func(from, to [2]float64, k float64) [2]float64 {
		return [2]float64{from[0] + k*(to[0]-from[0]), from[1] + k*(to[1]-from[1])}
	}
	for range 400 {
		for i := 1; i < 3; i++ { // three values: sorted by insertion, ties stay
			for j := i; j > 0 && s[j].v < s[j-1].v; j-- {
				s[j], s[j-1] = s[j-1], s[j]
			}
		}
		if math.Abs(s[2].at[0]-s[0].at[0])+math.Abs(s[2].at[1]-s[0].at[1])+math.Abs(s[1].at[0]-s[0].at[0])+math.Abs(s[1].at[1]-s[0].at[1]) < 1e-10 {
			break
		}
		middle := along(s[0].at, s[1].at, 0.5)
		reflected := see(along(s[2].at, middle, 2))
		switch {
		case reflected.v < s[0].v:
			if further := see(along(s[2].at, middle, 3)); further.v < reflected.v {
				s[2] = further
			} else {
				s[2] = reflected
			}
		case reflected.v < s[1].v:
			s[2] = reflected
		default:
			nearer := see(along(s[2].at, middle, 0.5))
			if reflected.v < s[2].v {
				nearer = see(along(s[2].at, middle, 1.5))
			}
			if nearer.v < min(s[2].v, reflected.v) {
				s[2] = nearer
				continue
			}
			s[1], s[2] = see(along(s[0].at, s[1].at, 0.5)), see(along(s[0].at, s[2].at, 0.5))
		}
	}
	best := s[0]
	for _, v := range s[1:] {
		if v.v < best.v {
			best = v
		}
	}
	return best.at, best.v
}

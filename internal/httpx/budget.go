package httpx

import (
	"fmt"
	"math"
	"net/http"
	"regexp"
	"strconv"
	"sync"
	"time"
)

// Policy is one limit of an account: so many calls in so long, for the calls that it matches.
// A call counts against every policy that matches it.
type Policy struct {
	Name   string         // in messages: "search", "daily"
	Method string         // empty: any
	Path   *regexp.Regexp // on the URL's path; nil: any
	Limit  float64        // calls (or weight) allowed ...
	Per    time.Duration  // ... in any span of this length
	Weight float64        // what one call costs; 0 means 1
	// Headers by which the vendor says what is left. Empty: not read.
	RemainingHeader string // calls left in the present span
	ResetHeader     string // when the span ends
	ResetIn         string // what the reset header holds: "seconds" (from now, default), "unix" (seconds), "unix_ms"
}

// Budget keeps calls under an account's limits before they are made, and follows what the vendor's headers say is left.
// One budget serves one account: share it between clients that use the same credentials. Safe for concurrent use.
//
// Each policy is a token bucket whose burst plus refill never exceeds Limit in any span Per: burst b = max(1, Limit/10),
// refill (Limit - b)/Per. That costs a tenth of the throughput and needs no memory of single calls.
type Budget struct {
	mu      sync.Mutex
	buckets []*bucket
	paused  time.Time // no call before this instant: a vendor asked everybody to wait
}

type bucket struct {
	Policy
	burst  float64
	perSec float64
	tokens float64
	last   time.Time
	closed time.Time // the vendor says nothing is left until then
	left   float64   // what the vendor's header last said; -1: never said
}

// NewBudget makes a budget of the policies; with none every call passes.
func NewBudget(policies ...Policy) (*Budget, error) {
	b := &Budget{}
	for i, p := range policies {
		if p.Limit <= 0 || p.Per <= 0 {
			return nil, fmt.Errorf("rate policy %d (%s): limit and per must be above zero", i+1, p.Name)
		}
		if p.Weight == 0 {
			p.Weight = 1
		}
		if p.Weight < 0 || p.Weight > p.Limit {
			return nil, fmt.Errorf("rate policy %d (%s): weight must be between 0 and limit", i+1, p.Name)
		}
		burst := math.Max(p.Weight, math.Floor(p.Limit/10))
		rate := (p.Limit - burst) / p.Per.Seconds()
		if rate <= 0 { // one call a span: wait the whole span between two
			rate = p.Weight / p.Per.Seconds()
		}
		b.buckets = append(b.buckets, &bucket{Policy: p, burst: burst, perSec: rate, tokens: burst, left: -1})
	}
	return b, nil
}

func (k *bucket) matches(method, path string) bool {
	return (k.Method == "" || k.Method == method) && (k.Path == nil || k.Path.MatchString(path))
}

// reserve takes the call's place and says how long to wait before making it, and because of which policy.
// When the wait is longer than limit nothing is taken and ok is false.
func (b *Budget) reserve(now time.Time, method, path string, limit time.Duration) (wait time.Duration, policy string, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if d := b.paused.Sub(now); d > wait {
		wait, policy = d, "the vendor's own request to wait"
	}
	var hit []*bucket
	for _, k := range b.buckets {
		if !k.matches(method, path) {
			continue
		}
		k.refill(now)
		hit = append(hit, k)
		need := time.Duration(0)
		if k.tokens < k.Weight {
			need = time.Duration((k.Weight - k.tokens) / k.perSec * float64(time.Second))
		}
		if d := k.closed.Sub(now); d > need {
			need = d
		}
		if need > wait {
			wait, policy = need, k.Name
		}
	}
	if wait > limit {
		return wait, policy, false
	}
	for _, k := range hit {
		k.tokens -= k.Weight
	}
	return wait, policy, true
}

func (k *bucket) refill(now time.Time) {
	if !k.last.IsZero() && now.After(k.last) {
		k.tokens = math.Min(k.burst, k.tokens+now.Sub(k.last).Seconds()*k.perSec)
	}
	if now.After(k.last) {
		k.last = now
	}
}

// pause makes every following call wait until then.
func (b *Budget) pause(until time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if until.After(b.paused) {
		b.paused = until
	}
}

// learn reads what the vendor says is left.
func (b *Budget) learn(now time.Time, method, path string, h http.Header) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, k := range b.buckets {
		if k.RemainingHeader == "" || !k.matches(method, path) {
			continue
		}
		left, err := strconv.ParseFloat(h.Get(k.RemainingHeader), 64)
		if err != nil {
			continue
		}
		k.refill(now)
		k.left = left
		if left < k.tokens {
			k.tokens = left
		}
		if left >= k.Weight {
			continue
		}
		reset := now.Add(time.Duration(float64(time.Second) / k.perSec))
		if v, err := strconv.ParseFloat(h.Get(k.ResetHeader), 64); err == nil {
			switch k.ResetIn {
			case "unix":
				reset = time.Unix(0, int64(v*float64(time.Second)))
			case "unix_ms":
				reset = time.UnixMilli(int64(v))
			default:
				reset = now.Add(time.Duration(v * float64(time.Second)))
			}
		}
		if reset.After(k.closed) && reset.Before(now.Add(48*time.Hour)) {
			k.closed = reset
		}
	}
}

// Left is what a vendor said is left of one policy.
type Left struct {
	Policy    string
	Limit     float64
	Per       time.Duration
	Remaining float64 // -1: the vendor has not said
}

// Left reports every policy, for the readiness check.
func (b *Budget) Left() []Left {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]Left, len(b.buckets))
	for i, k := range b.buckets {
		out[i] = Left{Policy: k.Name, Limit: k.Limit, Per: k.Per, Remaining: k.left}
	}
	return out
}

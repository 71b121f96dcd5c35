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
// A limit of up to maxLog calls is kept as a log of call times: never more than Limit in any span Per, and all of it usable
// at once. Larger ones are token buckets with a burst of a tenth and a refill of nine tenths, which keeps the same promise
// without remembering single calls.
type Budget struct {
	mu      sync.Mutex
	buckets []*bucket
	paused  time.Time // no call before this instant: a vendor asked everybody to wait
}

const maxLog = 2000

type bucket struct {
	Policy
	log    []time.Time // times of the last calls (one entry per unit of weight), oldest at head; nil: token bucket
	head   int
	burst  float64
	perSec float64
	tokens float64
	last   time.Time
	closed time.Time // the vendor says nothing is left until then
	left   float64   // what the vendor's header last said; -1: never said

	// After a refusal for too many calls less of the limit is used, spread evenly, and a tenth more with every recovery
	// that passes without one: somebody else uses the account too, or the limit is not what its owner thinks.
	share  float64   // of the limit; 1 until a refusal
	eased  time.Time // when share last changed
	spaced time.Time // no call before, while share is below 1
}

// How a share falls and comes back (additive increase, multiplicative decrease).
const (
	shareFall  = 0.7
	shareLeast = 0.1
	shareRise  = 0.1
	recovery   = 10 * time.Second
)

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
		k := &bucket{Policy: p, burst: burst, perSec: rate, tokens: burst, left: -1, share: 1}
		if p.Limit <= maxLog && p.Weight == math.Trunc(p.Weight) {
			k.log = make([]time.Time, int(p.Limit))
			k.tokens = p.Limit
		}
		b.buckets = append(b.buckets, k)
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
		k.recover(now)
		hit = append(hit, k)
		need := max(k.wait(now), k.spaced.Sub(now))
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
		if k.share < 1 {
			k.spaced = now.Add(wait + time.Duration(k.Weight/(k.Limit*k.share)*float64(k.Per)))
		}
		if k.log == nil {
			k.tokens -= k.Weight
			continue
		}
		for range int(k.Weight) {
			k.log[k.head] = now.Add(wait) // when the call will be made
			k.head = (k.head + 1) % len(k.log)
		}
	}
	return wait, policy, true
}

// wait is how long this limit alone holds the next call back.
func (k *bucket) wait(now time.Time) time.Duration {
	if k.log == nil {
		if k.tokens >= k.Weight {
			return 0
		}
		return time.Duration((k.Weight - k.tokens) / k.perSec * float64(time.Second))
	}
	// The call takes the places of the oldest ones: it may be made once the last of those has left the span.
	oldest := k.log[(k.head+int(k.Weight)-1)%len(k.log)]
	if oldest.IsZero() {
		return 0
	}
	return max(0, oldest.Add(k.Per).Sub(now))
}

func (k *bucket) refill(now time.Time) {
	if !k.last.IsZero() && now.After(k.last) {
		k.tokens = math.Min(k.burst, k.tokens+now.Sub(k.last).Seconds()*k.perSec)
	}
	if now.After(k.last) {
		k.last = now
	}
}

func (k *bucket) recover(now time.Time) {
	for k.share < 1 && now.Sub(k.eased) >= recovery {
		k.share = math.Min(1, k.share+shareRise)
		k.eased = k.eased.Add(recovery)
	}
}

// pause makes every following call wait until then, since the vendor refused one for too many calls, and uses less of
// the limits from there on. Refusals of one burst count once.
func (b *Budget) pause(now, until time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, k := range b.buckets {
		if k.share == 1 || now.Sub(k.eased) >= time.Second {
			k.share, k.eased = math.Max(shareLeast, k.share*shareFall), until
		}
	}
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
		if k.log == nil && left < k.tokens {
			k.tokens = left
		}
		if left >= k.Weight {
			continue
		}
		// Somebody else uses the account too. Without a word on when the span ends, give it a tenth of its length.
		reset := now.Add(k.Per / 10)
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

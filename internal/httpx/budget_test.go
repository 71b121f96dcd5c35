package httpx

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"regexp"
	"testing"
	"time"
)

// Whatever the pattern of calls, no span of the policy's length holds more than its limit.
func TestBudgetNeverExceedsItsLimit(t *testing.T) {
	for _, p := range []Policy{
		{Limit: 4, Per: time.Second}, {Limit: 100, Per: 10 * time.Second}, {Limit: 1, Per: time.Minute}, {Limit: 10, Per: time.Second, Weight: 3}, {Limit: 5000, Per: 10 * time.Second},
	} {
		t.Run(fmt.Sprintf("%v per %s", p.Limit, p.Per), func(t *testing.T) {
			b, err := NewBudget(p)
			if err != nil {
				t.Fatal(err)
			}
			rng := rand.New(rand.NewPCG(1, 2))
			now := time.Unix(0, 0)
			var made []time.Time
			for range min(3000, int(p.Limit)*30) {
				if rng.Float64() < 0.01 {
					now = now.Add(time.Duration(rng.Int64N(int64(2 * p.Per))))
				}
				wait, _, ok := b.reserve(now, "GET", "/", time.Hour)
				if !ok {
					t.Fatal("refused")
				}
				now = now.Add(wait)
				made = append(made, now)
			}
			w := max(1, p.Weight)
			from := 0
			for i := range made {
				for made[i].Sub(made[from]) >= p.Per {
					from++
				}
				if n := float64(i-from+1) * w; n > p.Limit {
					t.Fatalf("%v calls within %s, limit %v", n, p.Per, p.Limit)
				}
			}
			if took := made[len(made)-1].Sub(made[0]); p.Limit < maxLog && took > time.Duration(float64(len(made))*w/p.Limit*float64(p.Per))+10*p.Per+time.Duration(len(made)/50)*p.Per {
				t.Errorf("%d calls took %s: the limit is not used", len(made), took)
			}
		})
	}
}

func TestBudgetMatchers(t *testing.T) {
	b, err := NewBudget(Policy{Name: "search", Method: "POST", Path: regexp.MustCompile(`/search$`), Limit: 1, Per: time.Second}, Policy{Name: "all", Limit: 3, Per: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(100, 0)
	step := func(method, path string, wantPolicy string, want time.Duration) {
		t.Helper()
		if wait, policy, ok := b.reserve(now, method, path, time.Hour); !ok || wait != want || policy != wantPolicy {
			t.Errorf("%s %s: wait %s for %q, want %s for %q", method, path, wait, policy, want, wantPolicy)
		}
	}
	step("POST", "/crm/search", "", 0)
	step("GET", "/crm", "", 0)
	step("POST", "/crm/search", "search", time.Second)
	step("GET", "/crm", "all", time.Minute)
	if _, policy, ok := b.reserve(now, "GET", "/crm", time.Second); ok || policy != "all" {
		t.Error("a wait beyond the bound must be refused")
	}
	if _, err := NewBudget(Policy{Limit: 0, Per: time.Second}); err == nil {
		t.Error("a limit of nothing was taken")
	}
}

func TestBudgetLearnsFromHeaders(t *testing.T) {
	for in, reset := range map[string]string{"seconds": "30", "unix": "1030", "unix_ms": "1030000"} {
		b, err := NewBudget(Policy{Name: "p", Limit: 100, Per: time.Minute, RemainingHeader: "X-Left", ResetHeader: "X-Reset", ResetIn: in})
		if err != nil {
			t.Fatal(err)
		}
		now := time.Unix(1000, 0)
		b.learn(now, "GET", "/", http.Header{"X-Left": {"0"}, "X-Reset": {reset}})
		if wait, _, _ := b.reserve(now, "GET", "/", time.Hour); wait != 30*time.Second {
			t.Errorf("%s: wait %s", in, wait)
		}
		if l := b.Left(); l[0].Remaining != 0 || l[0].Limit != 100 {
			t.Errorf("%+v", l)
		}
	}
}

// One client that is told to wait holds back every other call of the account.
func TestRateAnswerPausesTheAccount(t *testing.T) {
	n := 0
	f := newFixture(t, func(w http.ResponseWriter, r *http.Request) {
		if n++; n == 1 {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(429)
		}
	}, nil)
	if _, err := f.get(t, "/a"); err != nil {
		t.Fatal(err)
	}
	f.Budget().pause(f.now, f.now.Add(9*time.Second))
	if _, err := f.Do(context.Background(), Request{URL: f.srv.URL + "/b"}); err != nil || f.naps[len(f.naps)-1] != 9*time.Second {
		t.Errorf("%v %v", f.naps, err)
	}
}

func FuzzRedact(f *testing.F) {
	f.Add("Bearer abcdefgh12345 x@y.de https://h/?key=1&a=b")
	f.Add("%zz?&&==")
	r := NewRedactor()
	f.Fuzz(func(t *testing.T, s string) {
		r.Text(s)
		r.URL(s)
	})
}

// A refusal makes a budget use less of its limit, evenly; time without another gives it back, a tenth at a time.
func TestBudgetBacksOffAndComesBack(t *testing.T) {
	b, err := NewBudget(Policy{Name: "calls", Limit: 100, Per: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1_000_000, 0)
	rate := func(span time.Duration) int {
		n, end := 0, now.Add(span)
		for {
			wait, _, ok := b.reserve(now, "POST", "/x", time.Hour)
			if !ok {
				t.Fatal("no place")
			}
			if now = now.Add(wait); now.After(end) {
				return n
			}
			n++
		}
	}
	if n := rate(9 * time.Second); n != 100 {
		t.Fatalf("%d calls in nine seconds of an untouched budget", n)
	}
	now = now.Add(20 * time.Second)
	b.pause(now, now)
	b.pause(now.Add(100*time.Millisecond), now) // of the same burst
	if n := rate(9 * time.Second); n < 55 || n > 70 {
		t.Errorf("%d calls in nine seconds after a refusal, want about 63", n)
	}
	now = now.Add(30 * time.Second)
	if n := rate(9 * time.Second); n < 85 || n > 105 {
		t.Errorf("%d calls in nine seconds after half a minute of peace, want all of them", n)
	}
}

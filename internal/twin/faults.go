package twin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"millrace/internal/fault"
	"millrace/internal/twin/google"
	"millrace/internal/twin/hubspot"
	"millrace/internal/twin/linkedin"
	"millrace/internal/twin/meta"
	"millrace/internal/twin/salesforce"
	"millrace/internal/twin/slack"
	"millrace/internal/twin/stripe"
)

// Kinds of misbehaviour.
const (
	Status429    = "status_429"    // refused, nothing done; with Retry-After
	Status500    = "status_500"    // failed, nothing done
	Status503    = "status_503"    // failed, nothing done
	DropBefore   = "drop_before"   // the connection ends before anything was done
	DropAfter    = "drop_after"    // the connection ends after everything was done
	Truncate     = "truncate"      // everything was done; the body ends in the middle
	Slow         = "slow"          // answers after Delay
	ErrorBody    = "error_body"    // status 200 with the vendor's error as its body, nothing done
	Expired      = "expired_token" // refused as if the token had just ended
	ForgedNext   = "forged_next"   // the link to the next page points at Host
	Redirect     = "redirect"      // 307 to the same path at Host
	NewField     = "new_field"     // every record carries a field that was not there before
	ChangedType  = "changed_type"  // every record's field Field is a nested object instead of a scalar
	Duplicate    = "duplicate"     // every record of the page is there twice
	EmptySuccess = "empty_success" // 2xx with an empty list of results, nothing done
)

// Fault is one rule of misbehaviour. It applies to calls of the vendor whose path begins with Path. Which of them it
// hits is drawn from the seed and the number of calls that matched, so a run with the same calls in the same order
// misbehaves alike.
type Fault struct {
	Vendor string        `json:"vendor,omitempty"` // hubspot, stripe, google, slack; "" all
	Method string        `json:"method,omitempty"` // "" all
	Path   string        `json:"path,omitempty"`   // prefix; "" all
	Kind   string        `json:"kind"`
	Rate   float64       `json:"rate,omitempty"`  // share of calls, 0 to 1; 0 means all
	After  int           `json:"after,omitempty"` // this many matching calls pass first
	Times  int           `json:"times,omitempty"` // at most this many hits; 0 means no limit
	Delay  time.Duration `json:"delay,omitempty"` // of Slow; in nanoseconds
	Host   string        `json:"host,omitempty"`  // of ForgedNext and Redirect: scheme and host
	Field  string        `json:"field,omitempty"` // of ChangedType
}

type rule struct {
	Fault
	n, hits int
	calls   int
}

// faults decides which calls are disturbed. Rules are tried in order; the first that hits is carried out.
type faults struct {
	mu    sync.Mutex
	seed  uint64
	now   func() time.Time
	rules []*rule
	made  int
}

func newFaults(seed uint64, now func() time.Time) *faults { return &faults{seed: seed, now: now} }

func kinds() []string {
	return []string{Status429, Status500, Status503, DropBefore, DropAfter, Truncate, Slow, ErrorBody, Expired, ForgedNext, Redirect, NewField, ChangedType, Duplicate, EmptySuccess}
}

func (f *faults) add(x Fault) error {
	if !slices.Contains(kinds(), x.Kind) {
		return &fault.Error{Key: "kind", Value: x.Kind, Msg: "no such misbehaviour of the twin", Hint: fault.DidYouMean(x.Kind, kinds())}
	}
	if x.Rate < 0 || x.Rate > 1 {
		return &fault.Error{Key: "rate", Value: fmt.Sprint(x.Rate), Msg: "not a share between 0 and 1", Hint: "Write 0.2 for one call in five."}
	}
	if (x.Kind == ForgedNext || x.Kind == Redirect) && x.Host == "" {
		return &fault.Error{Key: "host", Msg: x.Kind + " needs the host to point at", Hint: "Write it as http://127.0.0.1:9999."}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.made++
	f.rules = append(f.rules, &rule{Fault: x, n: f.made})
	return nil
}

func (f *faults) clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules = nil
}

// hit is the rule that disturbs this call, or nil.
func (f *faults) hit(vendor string, r *http.Request) *Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, x := range f.rules {
		if x.Vendor != "" && x.Vendor != vendor || x.Method != "" && x.Method != r.Method || !strings.HasPrefix(r.URL.Path, x.Path) {
			continue
		}
		x.calls++
		if x.calls <= x.After || x.Times > 0 && x.hits >= x.Times {
			continue
		}
		if x.Rate > 0 && float64(draw(f.seed, x.n, x.calls)%1_000_000) >= x.Rate*1_000_000 {
			continue
		}
		x.hits++
		c := x.Fault
		return &c
	}
	return nil
}

// draw is a number of (seed, rule, call), by SplitMix64's finaliser.
func draw(seed uint64, rule, call int) uint64 {
	x := seed*0x9e3779b97f4a7c15 + uint64(rule)<<32 + uint64(call)
	for range 2 {
		x ^= x >> 30
		x *= 0xbf58476d1ce4e5b9
		x ^= x >> 27
		x *= 0x94d049bb133111eb
		x ^= x >> 31
	}
	return x
}

// around answers a call, disturbed or not.
func (f *faults) around(vendor string, next http.Handler, w http.ResponseWriter, r *http.Request) {
	x := f.hit(vendor, r)
	if x == nil {
		next.ServeHTTP(w, r)
		return
	}
	switch x.Kind {
	case Status429:
		throttle(vendor, w)
	case Status500:
		send(w, http.StatusInternalServerError, broken(vendor))
	case Status503:
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(http.StatusServiceUnavailable)
		w.Write([]byte("<html><body><h1>503 Service Temporarily Unavailable</h1></body></html>\n"))
	case ErrorBody:
		send(w, http.StatusOK, broken(vendor))
	case EmptySuccess:
		send(w, http.StatusOK, map[string]any{"status": "COMPLETE", "results": []any{}, "data": []any{}, "has_more": false})
	case Expired:
		status, body := expired(vendor)
		send(w, status, body)
	case Redirect:
		w.Header().Set("Location", strings.TrimSuffix(x.Host, "/")+r.URL.RequestURI())
		w.WriteHeader(http.StatusTemporaryRedirect)
	case DropBefore:
		panic(http.ErrAbortHandler) // the server closes the connection and says nothing
	case Slow:
		select {
		case <-time.After(x.Delay):
		case <-r.Context().Done():
			return
		}
		next.ServeHTTP(w, r)
	default:
		rewrite(x, next, w, r)
	}
}

// rewrite lets the vendor answer and then disturbs the answer.
func rewrite(x *Fault, next http.Handler, w http.ResponseWriter, r *http.Request) {
	rec := &recorder{header: http.Header{}, status: http.StatusOK}
	next.ServeHTTP(rec, r)
	body := rec.body.Bytes()
	switch x.Kind {
	case DropAfter:
		panic(http.ErrAbortHandler)
	case Truncate:
		maps.Copy(w.Header(), rec.header)
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(rec.status)
		w.Write(body[:len(body)/2])
		if fl, ok := w.(http.Flusher); ok {
			fl.Flush()
		}
		panic(http.ErrAbortHandler)
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var v any
	if dec.Decode(&v) == nil {
		switch x.Kind {
		case ForgedNext:
			v = forge(v, x.Host)
		case NewField, ChangedType, Duplicate:
			v = eachPage(v, func(rows []any) []any { return drift(x, rows) })
		}
		if b, err := json.Marshal(v); err == nil {
			body = b
		}
	}
	maps.Copy(w.Header(), rec.header)
	w.Header().Del("Content-Length")
	w.WriteHeader(rec.status)
	w.Write(body)
}

// forge points every paging link at another host.
func forge(v any, host string) any {
	switch x := v.(type) {
	case map[string]any:
		for k, e := range x {
			if s, ok := e.(string); ok && (k == "link" || k == "next" || k == "next_page" || k == "nextLink") {
				if u, err := url.Parse(s); err == nil && u.Host != "" {
					x[k] = strings.TrimSuffix(host, "/") + u.RequestURI()
					continue
				}
			}
			x[k] = forge(e, host)
		}
	case []any:
		for i := range x {
			x[i] = forge(x[i], host)
		}
	}
	return v
}

// eachPage applies fn to the list of records of an answer.
func eachPage(v any, fn func([]any) []any) any {
	switch x := v.(type) {
	case map[string]any:
		for _, k := range []string{"results", "data", "rows", "messages"} {
			if rows, ok := x[k].([]any); ok {
				x[k] = fn(rows)
			}
		}
	case []any:
		for i := range x {
			x[i] = eachPage(x[i], fn)
		}
	}
	return v
}

func drift(x *Fault, rows []any) []any {
	if x.Kind == Duplicate {
		return append(slices.Clone(rows), rows...)
	}
	for _, row := range rows {
		m, ok := row.(map[string]any)
		if !ok {
			continue
		}
		if p, ok := m["properties"].(map[string]any); ok {
			m = p
		}
		if x.Kind == NewField {
			m["twin_new_field"] = "drift"
		} else if old, ok := m[x.Field]; ok {
			m[x.Field] = map[string]any{"value": old, "source": "drift"}
		}
	}
	return rows
}

// recorder keeps an answer instead of sending it.
type recorder struct {
	header http.Header
	body   bytes.Buffer
	status int
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(b []byte) (int, error) { return r.body.Write(b) }

func send(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json;charset=utf-8")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(body)
}

// throttle refuses a call as the vendor does beyond a limit: not each of them with a 429.
func throttle(vendor string, w http.ResponseWriter) {
	status, body := http.StatusTooManyRequests, any(nil)
	switch vendor {
	case "salesforce":
		status, body = salesforce.Throttled()
	case "meta":
		status, body = meta.Throttled()
	default:
		w.Header().Set("Retry-After", "1")
		body = map[string]func() any{"hubspot": hubspot.Throttled, "stripe": stripe.Throttled, "google": google.Throttled, "slack": slack.Throttled, "linkedin": linkedin.Throttled}[vendor]()
	}
	send(w, status, body)
}

// broken and expired are the vendors' own bodies for a refusal.
func broken(vendor string) any {
	return map[string]func() any{"hubspot": hubspot.Broken, "stripe": stripe.Broken, "google": google.Broken, "slack": slack.Broken, "salesforce": salesforce.Broken, "meta": meta.Broken, "linkedin": linkedin.Broken}[vendor]()
}

func expired(vendor string) (int, any) {
	switch vendor {
	case "slack":
		return http.StatusOK, slack.Expired()
	case "meta":
		return meta.Expired()
	}
	return http.StatusUnauthorized, map[string]func() any{"hubspot": hubspot.Expired, "stripe": stripe.Expired, "google": google.Expired, "salesforce": salesforce.Expired, "linkedin": linkedin.Expired}[vendor]()
}

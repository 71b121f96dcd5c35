package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"millrace/activate"
	"millrace/activate/desttest"
	"millrace/internal/httpx"
	"millrace/internal/secret"
)

const (
	key  = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" // the example of the specification
	path = "/hooks/catch/123/very-secret-path"
)

// Standard Webhooks, the specification's own example of a signature.
func TestSignature(t *testing.T) {
	k, err := signingKey(secret.New(key))
	if err != nil {
		t.Fatal(err)
	}
	got := Sign(k, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// receiver is what a careful receiver is: it checks signatures and takes each id once. A careless one takes everything.
type receiver struct {
	*httptest.Server
	t        *testing.T
	careless bool
	mu       sync.Mutex
	seen     map[string]bool
	got      []string
	what     desttest.Disturbance
	always   bool
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{t: t, seen: map[string]bool{}}
	r.Server = httptest.NewServer(http.HandlerFunc(r.serve))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) Disturb(d desttest.Disturbance, always bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.what, r.always = d, always
}
func (r *receiver) Calm() { r.Disturb("", false) }
func (r *receiver) Digest() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.got, "\n")
}

func hangUp(w http.ResponseWriter) {
	if c, _, err := w.(http.Hijacker).Hijack(); err == nil {
		c.Close()
	}
}

func (r *receiver) serve(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	what := r.what
	if !r.always {
		r.what = ""
	}
	switch what {
	case desttest.Rate:
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(429)
		return
	case desttest.Down:
		hangUp(w)
		return
	case desttest.Expired:
		w.WriteHeader(401)
		return
	case desttest.ErrorBody:
		io.WriteString(w, `{"status":"error","message":"the scenario is full"}`)
		return
	}
	id, sent := req.Header.Get("webhook-id"), req.Header.Get("webhook-timestamp")
	at, err := strconv.ParseInt(sent, 10, 64)
	if k, kerr := signingKey(secret.New(key)); err != nil || kerr != nil || id == "" || req.Header.Get("webhook-signature") != Sign(k, id, time.Unix(at, 0), body) {
		r.t.Errorf("the signature of %s does not fit", id)
		w.WriteHeader(400)
		return
	}
	if bytes.Contains(body, []byte("refuse me")) {
		w.WriteHeader(422)
		io.WriteString(w, "score is not a number")
		return
	}
	if r.careless || !r.seen[id] {
		var m struct {
			Type string          `json:"type"`
			Data json.RawMessage `json:"data"`
		}
		if err := json.Unmarshal(body, &m); err != nil {
			r.t.Error(err)
		}
		r.seen[id] = true
		r.got = append(r.got, m.Type+" "+string(m.Data))
	}
	switch what {
	case desttest.LostReply:
		hangUp(w)
	case desttest.Truncated:
		w.Header().Set("Content-Length", "100")
		io.WriteString(w, `{"stat`)
	default:
		io.WriteString(w, `{"status":"success"}`)
	}
}

func (r *receiver) open(t *testing.T, change func(*Options)) activate.Destination {
	t.Helper()
	o := &Options{URL: secret.New(r.URL + path), Secret: secret.New(key), Batch: 1, PerSecond: 1e6, Private: true}
	if change != nil {
		change(o)
	}
	d, err := open(activate.OpenParams{Sync: "hooks", Options: o, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Now: time.Now,
		Sleep: func(context.Context, time.Duration) error { return nil }, Rand: func() float64 { return 0 }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func TestConformance(t *testing.T) {
	for _, batch := range []int{1, 10} {
		t.Run(fmt.Sprint("batch ", batch), func(t *testing.T) {
			desttest.Run(t, desttest.Harness{
				Open: func(t *testing.T) (activate.Destination, desttest.System) {
					r := newReceiver(t)
					return r.open(t, func(o *Options) { o.Batch = batch }), r
				},
				Target: activate.Target{Object: "lead.scored", Key: "email", Fields: []string{"score"}, Ops: []activate.Op{activate.Upsert, activate.Event}},
				Row: func(i int) (string, map[string]json.RawMessage) {
					return fmt.Sprintf("p%d@example.com", i), map[string]json.RawMessage{"score": json.RawMessage(fmt.Sprint(i))}
				},
				Bad: func() (string, map[string]json.RawMessage) {
					return "bad@example.com", map[string]json.RawMessage{"score": json.RawMessage(`"refuse me"`)}
				},
				Misfits: []activate.Target{{Object: "type", Key: "email", Fields: []string{"score"}}, {Object: "lead.scored", Key: "email"}},
				Secrets: []string{"very-secret-path", strings.TrimPrefix(key, "whsec_")},
				// An empty 2xx is all that many receivers ever say: it is the answer.
				Lacks: []desttest.Disturbance{desttest.Empty},
			})
		})
	}
}

// A receiver that keeps ids makes a lost answer harmless; with any other the call is not made again.
func TestLostAnswer(t *testing.T) {
	row := []activate.Row{{ID: "1", IdemKey: "event-1", Key: "a@example.com", Values: map[string]json.RawMessage{"score": json.RawMessage("1")}}}
	b := activate.Batch{Target: activate.Target{Object: "lead.scored", Key: "email"}, Op: activate.Event, Rows: row}
	for _, c := range []struct {
		idempotent bool
		class      httpx.Class
	}{{false, httpx.Unknown}, {true, ""}} {
		r := newReceiver(t)
		d := r.open(t, func(o *Options) { o.Idempotent = c.idempotent })
		r.Disturb(desttest.LostReply, false)
		_, err := d.Send(t.Context(), b)
		if httpx.ClassOf(err) != c.class || (err == nil) != c.idempotent {
			t.Errorf("idempotent %v: class %q, %v", c.idempotent, httpx.ClassOf(err), err)
		}
		if got := r.Digest(); got != `lead.scored {"email":"a@example.com","score":1}` {
			t.Errorf("arrived: %q", got)
		}
	}
}

func TestAnswersOfReceivers(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		body   string
		class  httpx.Class // "-": taken
		says   string
	}{
		{"Make", 200, "Accepted", "-", ""},
		{"Zapier", 200, `{"attempt":"018","id":"018","request_id":"018","status":"success"}`, "-", ""},
		{"n8n", 200, `{"message":"Workflow was started"}`, "-", ""},
		{"nothing", 204, "", "-", ""},
		{"number as status", 200, `{"status":200}`, "-", ""},
		{"n8n, switched off", 404, `{"code":404,"message":"The requested webhook \"POST x\" is not registered."}`, httpx.Config, "Switch the workflow on"},
		{"gone", 410, "", httpx.Config, "gone for good"},
		{"ok false", 200, `{"ok":false,"error":"invalid"}`, httpx.Permanent, "error inside"},
		{"bad", 400, "no score", httpx.Permanent, "no score"},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(c.status)
			io.WriteString(w, c.body)
		}))
		d := (&receiver{Server: s}).open(t, nil)
		a, err := d.Send(t.Context(), activate.Batch{Target: activate.Target{Object: "x", Key: "k"}, Op: activate.Event, Rows: []activate.Row{{ID: "1", IdemKey: "i"}}})
		s.Close()
		switch {
		case c.class == "-":
			if err != nil || len(a.Results) != 1 || a.Results[0].Status != activate.Acked {
				t.Errorf("%s: %+v %v", c.name, a, err)
			}
		case httpx.ClassOf(err) != c.class || !strings.Contains(err.Error(), c.says):
			t.Errorf("%s: class %q: %v", c.name, httpx.ClassOf(err), err)
		}
	}
}

func TestRefusedOptions(t *testing.T) {
	ok := Options{URL: secret.New("https://hooks.example.com/x"), Batch: 1, PerSecond: 1}
	for name, change := range map[string]func(*Options){
		"config.url":              func(o *Options) { o.URL = secret.New("http://hooks.example.com/x") },
		"config.secret":           func(o *Options) { o.Secret = secret.New("short") },
		"begins with whsec_":      func(o *Options) { o.Secret = secret.New("whsec_!") },
		"config.calls_per_second": func(o *Options) { o.PerSecond = 0 },
	} {
		o := ok
		change(&o)
		_, err := open(activate.OpenParams{Options: &o, Now: time.Now})
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if d, err := open(activate.OpenParams{Options: &ok, Now: time.Now}); err != nil {
		t.Error(err)
	} else if c, err := d.Capabilities("x"); err != nil || c.Repeat || slices.Contains(c.Ops, activate.Update) {
		t.Errorf("%+v %v", c, err)
	}
}

package desttest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"millrace/activate"
	"millrace/activate/desttest"
	"millrace/internal/canon"
	"millrace/internal/fault"
	"millrace/internal/httpx"
	"millrace/internal/secret"
)

// begin: the destination of docs/adding-a-destination.md

// Options is what `config:` holds. The tags are the documentation, the defaults and the JSON Schema.
type Options struct {
	Token   secret.String `yaml:"token" required:"true" doc:"key of the account"`
	BaseURL string        `yaml:"base_url" default:"https://api.cards.example" doc:"address of the API"`
	Private bool          `yaml:"allow_private" doc:"allow a private address (simulators)"`
}

// Connector is the catalog's entry.
func Connector() activate.Connector {
	return activate.Connector{Name: "cards", Summary: "Cards: one card a person", Options: func() any { return &Options{} }, Open: open}
}

type destination struct {
	opt    Options
	client *httpx.Client
}

func open(p activate.OpenParams) (activate.Destination, error) {
	o := p.Options.(*Options)
	u, err := url.Parse(o.BaseURL)
	if err != nil {
		return nil, err
	}
	c, err := httpx.New(httpx.Options{Name: p.Sync, Hosts: []string{u.Host}, AllowPrivate: o.Private, Auth: httpx.Bearer(o.Token),
		Log: p.Log, Now: p.Now, Sleep: p.Sleep, Rand: p.Rand})
	return &destination{*o, c}, err
}

func (d *destination) Close() error { d.client.Close(); return nil }

// Capabilities says what is true of the API: its answers name rows, a card has a key, and it can be read.
func (d *destination) Capabilities(string) (activate.Capabilities, error) {
	return activate.Capabilities{Account: d.opt.BaseURL, Ops: []activate.Op{activate.Upsert}, MaxBatch: 50,
		PerRow: true, TellsNew: true, Repeat: true, Undo: activate.UndoExact, PerSecond: 10}, nil
}

// Check asks the API which fields there are, and refuses a target that does not fit before anything is sent.
func (d *destination) Check(ctx context.Context, t activate.Target) error {
	resp, err := d.client.Do(ctx, httpx.Request{URL: d.opt.BaseURL + "/fields"})
	if err != nil {
		return err
	}
	var fields []string
	if err := json.Unmarshal(resp.Body, &fields); err != nil {
		return err
	}
	for _, f := range t.Fields {
		if f != t.Key && !slices.Contains(fields, f) {
			return &fault.Error{Key: "mapping." + f, Value: f, Msg: "a card has no such field", Hint: fault.DidYouMean(f, fields)}
		}
	}
	return nil
}

type card struct {
	ID     string                     `json:"id,omitempty"`
	Trace  string                     `json:"trace,omitempty"` // ours; the API echoes it
	Email  string                     `json:"email"`
	Fields map[string]json.RawMessage `json:"fields"`
	New    bool                       `json:"new,omitempty"`
	Error  string                     `json:"error,omitempty"`
}

// Send writes a batch and gives one result for each row. RepeatNever: when the connection breaks, the error's class is
// unknown, the rows become unknown, and Millrace reads them back before it sends anything again.
func (d *destination) Send(ctx context.Context, b activate.Batch) (activate.Answer, error) {
	cards := make([]card, len(b.Rows))
	for i, r := range b.Rows {
		cards[i] = card{Trace: r.ID, Email: r.Key, Fields: r.Values}
	}
	var back []card
	if err := d.post(ctx, "/cards", cards, &back, httpx.RepeatNever); err != nil {
		return activate.Answer{}, err
	}
	var a activate.Answer
	for _, c := range back { // rows that the answer leaves out are unknown: nothing is said about them here
		r := activate.Result{ID: c.Trace, Status: activate.Acked, RemoteID: c.ID, Created: c.New}
		if c.Error != "" {
			r.Status, r.Class, r.Message = activate.Rejected, "row", c.Error
		}
		a.Results = append(a.Results, r)
	}
	return a, nil
}

// Read gives what the cards hold now: for undo, for fields that people may edit, and after a lost answer.
func (d *destination) Read(ctx context.Context, t activate.Target, rows []activate.Row) (map[string]activate.Record, error) {
	asked := make([]card, len(rows))
	for i, r := range rows {
		asked[i] = card{Trace: r.ID, Email: r.Key, ID: r.RemoteID}
	}
	var back []card
	if err := d.post(ctx, "/cards/read", asked, &back, httpx.RepeatSafe); err != nil {
		return nil, err
	}
	out := map[string]activate.Record{}
	for _, c := range back {
		out[c.Trace] = activate.Record{Exists: c.ID != "", RemoteID: c.ID, Values: c.Fields}
	}
	return out, nil
}

// Same compares spellings. This API keeps JSON as it is.
func (d *destination) Same(ours, theirs json.RawMessage) bool {
	return canon.IsEmpty(ours) && canon.IsEmpty(theirs) || bytes.Equal(ours, theirs)
}

func (d *destination) post(ctx context.Context, path string, in, out any, repeat httpx.Repeat) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	resp, err := d.client.Do(ctx, httpx.Request{Method: "POST", URL: d.opt.BaseURL + path, Body: body, Repeat: repeat})
	if err != nil {
		return err
	}
	if err := json.Unmarshal(resp.Body, out); err != nil {
		return fmt.Errorf("the answer cannot be read, so it is not known what was written: %w", err)
	}
	return nil
}

// end

// cards is the simulated system of the example.
type cards struct {
	mu     sync.Mutex
	held   map[string]card
	next   int
	fault  desttest.Disturbance
	always bool
}

func (s *cards) Disturb(d desttest.Disturbance, always bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault, s.always = d, always
}

func (s *cards) Calm() { s.Disturb("", false) }

func (s *cards) Digest() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var lines []string
	for k, c := range s.held {
		b, _ := json.Marshal(c.Fields)
		lines = append(lines, k+" "+string(b))
	}
	sort.Strings(lines)
	return strings.Join(lines, "\n")
}

func (s *cards) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.URL.Path == "/fields" {
		fmt.Fprint(w, `["score","next_step"]`)
		return
	}
	fault := s.fault
	if r.URL.Path == "/cards/read" {
		fault = ""
	} else if !s.always {
		s.fault = ""
	}
	switch fault {
	case desttest.Rate:
		w.WriteHeader(http.StatusTooManyRequests)
		return
	case desttest.Expired:
		w.WriteHeader(http.StatusUnauthorized)
		return
	case desttest.Down:
		panic(http.ErrAbortHandler)
	case desttest.Empty:
		fmt.Fprint(w, `[]`)
		return
	case desttest.ErrorBody:
		fmt.Fprint(w, `{"error":"try later"}`)
		return
	}
	body, _ := io.ReadAll(r.Body)
	var in, out []card
	if json.Unmarshal(body, &in) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	for _, c := range in {
		old, there := s.held[c.Email]
		if r.URL.Path == "/cards/read" {
			out = append(out, card{Trace: c.Trace, ID: old.ID, Email: c.Email, Fields: old.Fields})
			continue
		}
		if !strings.Contains(c.Email, "@") {
			out = append(out, card{Trace: c.Trace, Error: "not an address"})
			continue
		}
		if !there {
			s.next++
			old = card{ID: fmt.Sprint("c", s.next), Email: c.Email, Fields: map[string]json.RawMessage{}}
		}
		for f, v := range c.Fields {
			old.Fields[f] = v
		}
		s.held[c.Email] = old
		out = append(out, card{Trace: c.Trace, ID: old.ID, Email: c.Email, New: !there})
	}
	b, _ := json.Marshal(out)
	switch fault {
	case desttest.LostReply:
		panic(http.ErrAbortHandler)
	case desttest.Truncated:
		b = b[:len(b)/2]
	}
	w.Write(b)
}

func TestTheDocumentedDestination(t *testing.T) {
	desttest.Run(t, desttest.Harness{
		Open: func(t *testing.T) (activate.Destination, desttest.System) {
			sys := &cards{held: map[string]card{}}
			srv := httptest.NewServer(sys)
			t.Cleanup(srv.Close)
			d, err := Connector().Open(activate.OpenParams{Sync: "cards", Options: &Options{Token: secret.New("key-of-cards"), BaseURL: srv.URL, Private: true}, Now: time.Now,
				Sleep: func(context.Context, time.Duration) error { return nil }, Rand: func() float64 { return 0 }})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { d.Close() })
			return d, sys
		},
		Target: activate.Target{Object: "cards", Key: "email", Fields: []string{"next_step", "score"}, Ops: []activate.Op{activate.Upsert}},
		Row: func(i int) (string, map[string]json.RawMessage) {
			return fmt.Sprintf("p%d@example.com", i), map[string]json.RawMessage{"score": json.RawMessage(fmt.Sprint(i)), "next_step": json.RawMessage(`"call"`)}
		},
		Bad:     func() (string, map[string]json.RawMessage) { return "nobody", map[string]json.RawMessage{} },
		Misfits: []activate.Target{{Object: "cards", Key: "email", Fields: []string{"scroe"}}},
		Secrets: []string{"key-of-cards"},
	})
}

// The page shows this file's code and a sync that the engine takes: neither can rot.
func TestThePageIsTrue(t *testing.T) {
	page, err := os.ReadFile("../../docs/adding-a-destination.md")
	if err != nil {
		t.Fatal(err)
	}
	src, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(string(src), "// begin: the destination of docs/adding-a-destination.md\n")
	code, _, _ = strings.Cut(code, "// end\n")
	if block := fenced(string(page), "go"); strings.TrimSpace(block) != strings.TrimSpace(code) {
		t.Error("the page's Go code is not the code of activate/desttest/example_test.go: copy it over")
	}
	if _, err := activate.ParseSync("cards", "activate/cards.yml", []byte(fenced(string(page), "yaml")), func(string) (string, bool) { return "x", true }, []activate.Connector{Connector()}); err != nil {
		t.Errorf("the page's sync: %v", err)
	}
}

func fenced(page, language string) string {
	_, rest, _ := strings.Cut(page, "```"+language+"\n")
	block, _, _ := strings.Cut(rest, "```")
	return block
}

// The fakes are destinations too.
func TestFakes(t *testing.T) {
	for name, open := range map[string]func(*desttest.World) activate.Destination{
		"records":  func(w *desttest.World) activate.Destination { return desttest.NewRecords(w, 10) },
		"audience": func(w *desttest.World) activate.Destination { return desttest.NewAudience(w, 10) },
		"messages": func(w *desttest.World) activate.Destination { return desttest.NewMessages(w, 10) },
		"bulk":     func(w *desttest.World) activate.Destination { return desttest.NewBulk(w, 10) },
		"events":   func(w *desttest.World) activate.Destination { return desttest.NewConversions(w, 10) },
	} {
		t.Run(name, func(t *testing.T) {
			op := activate.Upsert
			ops := []activate.Op{op}
			switch name {
			case "audience":
				ops = []activate.Op{activate.Add}
			case "events":
				ops = []activate.Op{activate.Event}
			case "bulk", "records":
				ops = []activate.Op{activate.Insert, activate.Upsert}
			}
			desttest.Run(t, desttest.Harness{
				Open: func(*testing.T) (activate.Destination, desttest.System) {
					w := desttest.NewWorld()
					return open(w), &fakeSystem{w}
				},
				Target: activate.Target{Object: "x", Key: "email", Fields: []string{"score"}, Ops: ops},
				Row: func(i int) (string, map[string]json.RawMessage) {
					return fmt.Sprint("k", i), map[string]json.RawMessage{"score": json.RawMessage(fmt.Sprint(i))}
				},
			})
		})
	}
}

type fakeSystem struct{ w *desttest.World }

func (s *fakeSystem) Disturb(d desttest.Disturbance, always bool) {
	kind := map[desttest.Disturbance]desttest.Fault{desttest.Rate: desttest.Limited, desttest.Down: desttest.Unreached, desttest.LostReply: desttest.Lost, desttest.Truncated: desttest.Lost,
		desttest.Empty: desttest.Swallowed, desttest.ErrorBody: desttest.Swallowed, desttest.Expired: desttest.Forbidden}[d]
	if !always && d == desttest.Rate {
		kind = desttest.None // waiting for a limit is the HTTP client's work, and the fakes have none
	}
	s.w.Fault = func(int, string) desttest.Fault { return kind }
}
func (s *fakeSystem) Calm()          { s.w.Fault = nil }
func (s *fakeSystem) Digest() string { return s.w.Dump() }

package slack

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"millrace/activate"
	"millrace/activate/desttest"
	"millrace/internal/httpx"
	"millrace/internal/secret"
	"millrace/internal/twin"
	"millrace/internal/twin/store"
)

type workspace struct {
	*twin.Twin
	t   *testing.T
	url string
}

func start(t *testing.T) *workspace {
	t.Helper()
	tw, err := twin.New(twin.Options{Size: "tiny"})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(tw.Handler())
	t.Cleanup(func() { srv.Close(); tw.Close() })
	return &workspace{tw, t, srv.URL}
}

func (w *workspace) Disturb(d desttest.Disturbance, always bool) {
	kind := map[desttest.Disturbance]string{desttest.Rate: twin.Status429, desttest.Down: twin.DropBefore, desttest.LostReply: twin.DropAfter, desttest.Truncated: twin.Truncate,
		desttest.Empty: twin.EmptySuccess, desttest.ErrorBody: twin.ErrorBody, desttest.Expired: twin.Expired}[d]
	f := twin.Fault{Vendor: "slack", Path: "/api/chat.", Kind: kind}
	if !always {
		f.Times = 1
	}
	if err := w.AddFault(f); err != nil {
		w.t.Fatal(err)
	}
}
func (w *workspace) Calm()          { w.ClearFaults() }
func (w *workspace) Digest() string { return w.Twin.Digest(false) }

// posted gives the messages of Millrace, in their order.
func (w *workspace) posted() (out []store.Message) {
	w.View(func(s *store.State) {
		for _, m := range s.Chat.Messages {
			if strings.Contains(m.Metadata, eventType) {
				out = append(out, *m)
			}
		}
	})
	return out
}

func (w *workspace) open(change func(*Options)) activate.Destination {
	w.t.Helper()
	o := &Options{Token: secret.New(twin.DefaultCredentials().SlackToken), Team: "T0MILLRACE", LookBack: 30, PerSecond: 1e6, BaseURL: w.url + "/api", Private: true}
	if change != nil {
		change(o)
	}
	now := time.Now
	if w.Twin != nil {
		now = w.Date
	}
	d, err := open(activate.OpenParams{Sync: "night", Options: o, Log: slog.New(slog.DiscardHandler), Now: now,
		Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }, Rand: func() float64 { return 0 }})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { d.Close() })
	return d
}

func raw(s string) json.RawMessage { return json.RawMessage(s) }

const buttons = `[{"text":"Open","url":"https://crm.example/1","style":"primary"}]`

func TestConformance(t *testing.T) {
	for _, op := range []activate.Op{activate.Event, activate.Upsert} {
		t.Run(string(op), func(t *testing.T) {
			target := activate.Target{Object: "#revenue", Key: "deal_id", Fields: []string{"buttons", "text"}, Ops: []activate.Op{op}}
			with := func(f func(*activate.Target)) activate.Target { x := target; f(&x); return x }
			desttest.Run(t, desttest.Harness{
				Open: func(t *testing.T) (activate.Destination, desttest.System) {
					w := start(t)
					return w.open(nil), w
				},
				Target: target,
				Row: func(i int) (string, map[string]json.RawMessage) {
					return fmt.Sprint("deal-", i), map[string]json.RawMessage{"text": raw(fmt.Sprintf(`"Won <%d> & more"`, i)), "buttons": raw(buttons)}
				},
				Bad: func() (string, map[string]json.RawMessage) {
					return "bad", map[string]json.RawMessage{"text": raw(`"x"`), "buttons": raw(`[{"text":"Yes","value":"approve"}]`)}
				},
				Misfits: []activate.Target{
					with(func(x *activate.Target) { x.Object = "#nowhere" }), with(func(x *activate.Target) { x.Object = "C0NOWHERE1" }),
					with(func(x *activate.Target) { x.Object = "#board" }), with(func(x *activate.Target) { x.Object = "C0OLD00001" }),
					with(func(x *activate.Target) { x.Fields = []string{"buttons"} }), with(func(x *activate.Target) { x.Fields = []string{"text", "colour"} }),
				},
				Secrets: []string{twin.DefaultCredentials().SlackToken},
			})
		})
	}
}

// A message is posted once and changed afterwards; fields that are not sent stay as they are.
func TestUpdate(t *testing.T) {
	w := start(t)
	d := w.open(nil)
	target := activate.Target{Object: "C0REVENUE1", Key: "id", Fields: []string{"blocks", "buttons", "text", "thread"}}
	send := func(remote string, values map[string]json.RawMessage) activate.Result {
		t.Helper()
		a, err := d.Send(t.Context(), activate.Batch{Target: target, Op: activate.Upsert, Rows: []activate.Row{{ID: "1", IdemKey: "i", Key: "k", RemoteID: remote, Values: values}}})
		if err != nil || len(a.Results) != 1 {
			t.Fatalf("%+v %v", a, err)
		}
		return a.Results[0]
	}
	r := send("", map[string]json.RawMessage{"text": raw(`"one <!channel>"`), "buttons": raw(buttons)})
	if r.Status != activate.Acked || !r.Created || !strings.HasPrefix(r.RemoteID, "C0REVENUE1:") {
		t.Fatalf("%+v", r)
	}
	if r2 := send(r.RemoteID, map[string]json.RawMessage{"text": raw(`"two"`)}); r2.Status != activate.Acked || r2.Created || r2.RemoteID != r.RemoteID {
		t.Fatalf("%+v", r2)
	}
	got := w.posted()
	if len(got) != 1 || got[0].Text != "two" || !strings.Contains(got[0].Blocks, `"text":"two"`) || !strings.Contains(got[0].Blocks, "https://crm.example/1") {
		t.Fatalf("%+v", got)
	}
	// The buttons' seal has survived an update that did not write them.
	recs, err := d.(activate.Reader).Read(t.Context(), target, []activate.Row{{ID: "1", Key: "k"}, {ID: "2", Key: "other"}, {ID: "3", RemoteID: "C0REVENUE1:1.000001"}})
	if err != nil || recs["1"].RemoteID != r.RemoteID || recs["2"].Exists || recs["3"].Exists {
		t.Fatalf("%+v %v", recs, err)
	}
	same := d.(activate.Reader).Same
	if !same(raw(buttons), recs["1"].Values["buttons"]) || !same(raw(`"two"`), recs["1"].Values["text"]) || same(raw(`"one"`), recs["1"].Values["text"]) {
		t.Errorf("%+v", recs["1"])
	}
	if x := send("C0REVENUE1:1.000001", map[string]json.RawMessage{"text": raw(`"x"`)}); x.Class != "missing" {
		t.Errorf("%+v", x)
	}
	// A reply in a thread is found again too.
	_, ts, _ := strings.Cut(r.RemoteID, ":")
	a, err := d.Send(t.Context(), activate.Batch{Target: target, Op: activate.Event, Rows: []activate.Row{{ID: "9", IdemKey: "i9", Key: "reply", Values: map[string]json.RawMessage{"text": raw(`"re <!here>"`), "thread": raw(`"` + ts + `"`)}}}})
	if err != nil || a.Results[0].Status != activate.Acked {
		t.Fatalf("%+v %v", a, err)
	}
	if got = w.posted(); got[1].Thread != ts || got[1].Text != "re &lt;!here>" {
		t.Errorf("%+v", got[1])
	}
	if recs, err = d.(activate.Reader).Read(t.Context(), target, []activate.Row{{ID: "9", Key: "reply"}}); err != nil || recs["9"].RemoteID != a.Results[0].RemoteID {
		t.Errorf("%+v %v", recs, err)
	}
}

// What a row may not be is refused before anything goes out, with the reason.
func TestRefusedRows(t *testing.T) {
	w := start(t)
	d := w.open(nil)
	for says, v := range map[string]map[string]json.RawMessage{
		"text is empty":       {"text": raw("null")},
		"40001 characters":    {"text": raw(`"` + strings.Repeat("x", 40_001) + `"`)},
		"beside buttons":      {"text": raw(`"` + strings.Repeat("x", 3001) + `"`), "buttons": raw(buttons)},
		"not a JSON array":    {"text": raw(`"x"`), "blocks": raw(`"{}"`)},
		"needs a server":      {"text": raw(`"x"`), "buttons": raw(`[{"text":"a","url":"https://a.example","value":"1"}]`)},
		"url of a page":       {"text": raw(`"x"`), "buttons": raw(`[{"text":"a","url":"javascript:alert(1)"}]`)},
		"style is primary":    {"text": raw(`"x"`), "buttons": raw(`[{"text":"a","url":"https://a.example","style":"red"}]`)},
		"not the ts":          {"text": raw(`"x"`), "thread": raw(`"https://slack.example/p1"`)},
		"more than 30 days":   {"text": raw(`"x"`), "thread": raw(`"1000000000.000001"`)},
		"unsupported type":    {"text": raw(`"x"`), "blocks": raw(`"[{\"type\":\"sparkle\"}]"`)},
		"Block Kit Builder":   {"text": raw(`"x"`), "blocks": raw(`[{"type":"section"}]`)},
		"51 blocks":           {"text": raw(`"x"`), "blocks": raw(`[` + strings.Repeat(`{"type":"divider"},`, 50) + `{"type":"divider"}]`)},
		"text of at most 75 ": {"text": raw(`"x"`), "buttons": raw(`[{"url":"https://a.example"}]`)},
	} {
		a, err := d.Send(t.Context(), activate.Batch{Target: activate.Target{Object: "#revenue", Key: "id"}, Op: activate.Event, Rows: []activate.Row{{ID: "1", IdemKey: "i", Values: v}}})
		if err != nil || a.Results[0].Status != activate.Rejected || !strings.Contains(a.Results[0].Message, says) {
			t.Errorf("%s: %+v %v", says, a, err)
		}
	}
	if got := w.posted(); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}

func TestErrorsOfSlack(t *testing.T) {
	for _, c := range []struct {
		body, says string
		class      httpx.Class
	}{
		{`{"ok":false,"error":"ratelimited"}`, "ratelimited", httpx.Rate},
		{`{"ok":false,"error":"invalid_auth"}`, "xoxb-", httpx.Auth},
		{`{"ok":false,"error":"missing_scope","needed":"chat:write"}`, "scope chat:write", httpx.Auth},
		{`{"ok":false,"error":"channel_not_found"}`, "/invite", httpx.Config},
		{`{"ok":false,"error":"not_in_channel"}`, "/invite", httpx.Config},
		{`{"ok":false,"error":"is_archived"}`, "archived", httpx.Config},
		{`{"ok":false,"error":"fatal_error"}`, "fatal_error", httpx.Unknown},
		{`{"ok":true}`, "does not name the message", ""},
		{`<html>`, "not Slack's", httpx.Unknown},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "auth.test") {
				io.WriteString(rw, `{"ok":true,"team_id":"T0MILLRACE","bot_id":"B1"}`)
				return
			}
			io.WriteString(rw, c.body)
		}))
		d := (&workspace{t: t, url: s.URL}).open(nil)
		_, err := d.Send(t.Context(), activate.Batch{Target: activate.Target{Object: "C0REVENUE1"}, Op: activate.Event, Rows: []activate.Row{{ID: "1", Values: map[string]json.RawMessage{"text": raw(`"x"`)}}}})
		s.Close()
		if err == nil || httpx.ClassOf(err) != c.class || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: class %q, %v", c.body, httpx.ClassOf(err), err)
		}
	}
}

func TestRefusedOptions(t *testing.T) {
	w := start(t)
	target := activate.Target{Object: "#revenue", Key: "id", Fields: []string{"text"}}
	for says, change := range map[string]func(*Options){
		"T0MILLRACE (Millstone)": func(o *Options) { o.Team = "T0ANOTHER1" },
		"invalid_auth":           func(o *Options) { o.Token = secret.New("xoxb-wrong") },
	} {
		if err := w.open(change).Check(t.Context(), target); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
	}
	for says, o := range map[string]Options{
		"config.team_id":             {Team: "acme", BaseURL: "https://slack.com/api", PerSecond: 1},
		"config.messages_per_second": {Team: "T0MILLRACE", BaseURL: "https://slack.com/api"},
		"config.base_url":            {Team: "T0MILLRACE", BaseURL: "slack", PerSecond: 1},
	} {
		if _, err := open(activate.OpenParams{Options: &o}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
	}
	if _, err := w.open(nil).Capabilities("two words"); err == nil {
		t.Error("a channel with a space")
	}
}

const file = `destination: slack
config: {token: x, team_id: T0MILLRACE}
object: "#revenue"
mode: %s
key: deal_id
consent: not_needed
mapping: {text: text}
guardrails: {first_run: allow, max_changed_pct: 100}
`

func night(t *testing.T, mode string) (*desttest.Night, *workspace) {
	w := start(t)
	n := desttest.NewNight(t, []activate.Connector{Connector()}, fmt.Sprintf(file, mode), []string{"deal_id", "text"}, func() activate.Destination { return w.open(nil) })
	n.Clock = w.Date()
	for i := range 3 {
		n.Rows = append(n.Rows, map[string]any{"deal_id": fmt.Sprint("d", i), "text": fmt.Sprint("deal ", i, " is won")})
	}
	return n, w
}

// Whatever happens at night, each message is there once.
func TestEngine(t *testing.T) {
	for _, mode := range []string{"event", "upsert"} {
		t.Run(mode, func(t *testing.T) {
			n, w := night(t, mode)
			for _, kind := range []string{twin.Status429, twin.Status500, twin.DropBefore, twin.DropAfter, twin.Truncate, twin.ErrorBody, twin.EmptySuccess} {
				if err := w.AddFault(twin.Fault{Vendor: "slack", Path: "/api/chat.", Kind: kind, Rate: 0.15}); err != nil {
					t.Fatal(err)
				}
			}
			desttest.FailingNights(t, n, 8, 4, w.ClearFaults)
			texts := map[string]int{}
			for _, m := range w.posted() {
				texts[m.Text]++
			}
			if len(texts) != 3 || texts["deal 0 is won"] != 1 || texts["deal 1 is won"] != 1 || texts["deal 2 is won"] != 1 {
				t.Errorf("%v", texts)
			}
			n.Rows[1]["text"] = "deal 1 has grown"
			n.Relation.Version = "2"
			if _, _, err := n.Whole(); err != nil {
				t.Fatal(err)
			}
			got := w.posted()
			grown := 0
			for _, m := range got {
				if m.Text == "deal 1 has grown" && m.Edited {
					grown++
				}
			}
			if want := map[string]int{"event": 0, "upsert": 1}[mode]; len(got) != 3 || grown != want {
				t.Errorf("%d messages, %d grown: %+v", len(got), grown, got)
			}
			steps := desttest.CrashEverywhere(t, func() (*desttest.Night, func() string) {
				n, w := night(t, mode)
				return n, func() string {
					var all []string
					for _, m := range w.posted() {
						all = append(all, m.Text)
					}
					return strings.Join(all, "\n")
				}
			})
			if steps < 5 {
				t.Errorf("%d steps", steps)
			}
		})
	}
}

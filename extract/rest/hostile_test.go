package rest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"millrace/extract/landing"
	"millrace/internal/httpx"
)

// thingsFile is a stream of cursor pages with typed columns.
const thingsFile = head + `
  response_actions:
    - {body_path: ok, equals: "false", action: fail, message_path: error, hint: "Ask the vendor"}
    - {body_path: wait, action: rate_limited}
    - {status: ["410"], action: ignore}
resources:
  things:
    scope: things.read
    primary_key: [id]
    data_selector: data
    endpoint: {path: /things}
    paginator: {type: cursor, cursor_path: next, cursor_param: after}
    columns: {id: BIGINT, name: VARCHAR, amount: "DECIMAL(18,4)", at: TIMESTAMP, ok: BOOLEAN, tags: JSON}
  linked:
    primary_key: [id]
    data_selector: data
    endpoint: {path: /things}
    paginator: {type: next_link, link_path: next}
    columns: {id: BIGINT}
`

func pageOf(next string, ids ...int) string {
	var out []string
	for _, i := range ids {
		out = append(out, fmt.Sprintf(`{"id":%d}`, i))
	}
	b := `{"data":[` + strings.Join(out, ",") + `]`
	if next != "" {
		b += `,"next":"` + next + `"`
	}
	return b + "}"
}

// Each kind of trouble gives a clear message, loses nothing that was read before it, and prints no secret.
func TestTrouble(t *testing.T) {
	echo := `{"message":"token ` + apiToken + ` is no good","correlationId":"corr-1"}`
	for name, c := range map[string]struct {
		serve  func(w http.ResponseWriter, r *http.Request, call int)
		stream string
		class  httpx.Class
		texts  []string
		rows   int
		calls  int
	}{
		"bad credentials": {func(w http.ResponseWriter, _ *http.Request, _ int) { w.WriteHeader(401); fmt.Fprint(w, echo) }, "",
			httpx.Auth, []string{"401", "token *** is no good", "corr-1", "Check token under config of source crm"}, 0, 1},
		"wrong scope": {func(w http.ResponseWriter, _ *http.Request, _ int) { w.WriteHeader(403); fmt.Fprint(w, echo) }, "",
			httpx.Auth, []string{"403", "may not read this", "things.read"}, 0, 1},
		"unknown property": {func(w http.ResponseWriter, _ *http.Request, _ int) {
			w.WriteHeader(400)
			fmt.Fprint(w, `{"status":"error","category":"VALIDATION_ERROR","message":"Property \"plann\" does not exist"}`)
		}, "", httpx.Permanent, []string{"VALIDATION_ERROR", `Property "plann" does not exist`}, 0, 1},
		"200 with an error body": {func(w http.ResponseWriter, _ *http.Request, _ int) {
			fmt.Fprint(w, `{"ok":false,"error":"account_suspended","data":[]}`)
		}, "", httpx.Permanent, []string{"account_suspended", "Ask the vendor"}, 0, 1},
		"200 without the list": {func(w http.ResponseWriter, _ *http.Request, _ int) { fmt.Fprint(w, `{"items":[],"total":0}`) }, "",
			"", []string{"no list of records", `"data"`, "items, total", "data_missing"}, 0, 1},
		"200 with a page of HTML": {func(w http.ResponseWriter, _ *http.Request, _ int) {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, "<html>Sign in</html>")
		}, "", httpx.Transient, []string{"not whole JSON", "text/html", "login page", "3 attempts"}, 0, 3},
		"body without an end": {func(w http.ResponseWriter, _ *http.Request, call int) {
			if call == 1 {
				fmt.Fprint(w, pageOf("2", 1, 2))
				return
			}
			w.Header().Set("Content-Length", "500")
			fmt.Fprint(w, `{"data":[{"id":3}`)
		}, "", httpx.Transient, []string{"breaks off", "3 attempts", "nothing was lost"}, 2, 4},
		"JSON without an end": {func(w http.ResponseWriter, _ *http.Request, _ int) { fmt.Fprint(w, `{"data":[{"id":3}`) }, "",
			httpx.Transient, []string{"not whole JSON"}, 0, 3},
		"429 for ever": {func(w http.ResponseWriter, _ *http.Request, _ int) { w.WriteHeader(429) }, "",
			httpx.Rate, []string{"429", "3 attempts", "limit is used up"}, 0, 3},
		"429 in a 200": {func(w http.ResponseWriter, _ *http.Request, _ int) { fmt.Fprint(w, `{"wait":true}`) }, "",
			httpx.Rate, []string{"3 attempts"}, 0, 3},
		"429 for a day": {func(w http.ResponseWriter, _ *http.Request, _ int) {
			w.Header().Set("Retry-After", "86400")
			w.WriteHeader(429)
		}, "",
			httpx.Rate, []string{"asked to wait 24h0m0s"}, 0, 1},
		"500 for ever": {func(w http.ResponseWriter, _ *http.Request, _ int) { w.WriteHeader(500); fmt.Fprint(w, echo) }, "",
			httpx.Transient, []string{"500", "3 attempts", "Run again later"}, 0, 3},
		"the same page again": {func(w http.ResponseWriter, _ *http.Request, _ int) { fmt.Fprint(w, pageOf("2", 1, 2)) }, "",
			"", []string{"same records as a page before"}, 2, 2},
		"the same cursor again": {func(w http.ResponseWriter, _ *http.Request, call int) { fmt.Fprint(w, pageOf("2", call)) }, "",
			"", []string{`points to the page "2", which was read already`}, 1, 2},
		"cursors in a circle": {func(w http.ResponseWriter, _ *http.Request, call int) {
			fmt.Fprint(w, pageOf(fmt.Sprint(call%3), call))
		}, "",
			"", []string{"which was read already"}, 4, 5},
		"empty pages for ever": {func(w http.ResponseWriter, _ *http.Request, call int) { fmt.Fprint(w, pageOf(fmt.Sprint(call))) }, "",
			"", []string{"1001 empty pages in a row"}, 0, 1001},
		"redirect to another host": {func(w http.ResponseWriter, r *http.Request, _ int) {
			http.Redirect(w, r, "http://thief.example.net/things?token="+apiToken, http.StatusFound)
		}, "", httpx.Config, []string{"redirect to another host (thief.example.net) refused", "client.hosts"}, 0, 1},
		"forged link": {func(w http.ResponseWriter, _ *http.Request, _ int) {
			fmt.Fprint(w, pageOf("https://thief.example.net/things?page=2", 1))
		}, "linked", httpx.Config, []string{"host thief.example.net is not one of this connector's hosts", "no credentials left"}, 1, 1},
		"link to a file": {func(w http.ResponseWriter, _ *http.Request, _ int) { fmt.Fprint(w, pageOf("file:///etc/passwd", 1)) }, "linked",
			httpx.Config, []string{"must begin with https"}, 1, 1},
		"huge page": {func(w http.ResponseWriter, _ *http.Request, _ int) {
			w.Write([]byte(`{"data":["` + strings.Repeat("x", 3<<20)))
		}, "", httpx.Permanent, []string{"larger than 2 MiB", "max_body"}, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			var calls atomic.Int32
			b := open(t, func(w http.ResponseWriter, r *http.Request) { c.serve(w, r, int(calls.Add(1))) },
				strings.Replace(thingsFile, "  attempts: 3", "  attempts: 3\n  max_body: 2MiB", 1), "")
			stream := c.stream
			if stream == "" {
				stream = "things"
			}
			g := read(b, stream, landing.Checkpoint{})
			wantError(t, g.err, c.class, c.texts...)
			if len(g.rows) != c.rows || int(calls.Load()) != c.calls {
				t.Errorf("%d rows in %d calls, want %d in %d", len(g.rows), calls.Load(), c.rows, c.calls)
			}
			if !g.last.IsZero() {
				t.Error("a read that failed gave a checkpoint for what it did not read")
			}
		})
	}
}

func TestTroubleThatPasses(t *testing.T) {
	for name, serve := range map[string]func(w http.ResponseWriter, call int) bool{
		"429 with Retry-After": func(w http.ResponseWriter, call int) bool {
			w.Header().Set("Retry-After", "3")
			w.WriteHeader(429)
			return true
		},
		"429 without":           func(w http.ResponseWriter, _ int) bool { w.WriteHeader(429); return true },
		"500":                   func(w http.ResponseWriter, _ int) bool { w.WriteHeader(500); return true },
		"cut in the middle":     func(w http.ResponseWriter, _ int) bool { fmt.Fprint(w, `{"data":[{"id":`); return true },
		"connection lost":       func(w http.ResponseWriter, _ int) bool { c, _, _ := w.(http.Hijacker).Hijack(); c.Close(); return true },
		"an error body for now": func(w http.ResponseWriter, _ int) bool { fmt.Fprint(w, `{"wait":1}`); return true },
	} {
		t.Run(name, func(t *testing.T) {
			var calls atomic.Int32
			b := open(t, func(w http.ResponseWriter, r *http.Request) {
				n := int(calls.Add(1))
				if n%2 == 1 {
					serve(w, n)
					return
				}
				next := ""
				if n < 6 {
					next = fmt.Sprint(n)
				}
				fmt.Fprint(w, pageOf(next, n))
			}, thingsFile, "")
			g := read(b, "things", landing.Checkpoint{})
			if g.err != nil || g.ids() != "2 4 6" {
				t.Errorf("%s %v", g.ids(), g.err)
			}
			if strings.HasPrefix(name, "429 with R") && b.slept < 9*time.Second {
				t.Errorf("slept %s, was asked for nine seconds", b.slept)
			}
		})
	}
	t.Run("gone is nothing", func(t *testing.T) {
		b := open(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(410) }, thingsFile, "")
		if g := read(b, "things", landing.Checkpoint{}); g.err != nil || len(g.rows) != 0 || g.last.IsZero() {
			t.Errorf("%+v", g)
		}
	})
	t.Run("empty pages before the end", func(t *testing.T) {
		n := 0
		b := open(t, func(w http.ResponseWriter, _ *http.Request) {
			switch n++; {
			case n < 20:
				fmt.Fprint(w, pageOf(fmt.Sprint("p", n)))
			default:
				fmt.Fprint(w, pageOf("", 7))
			}
		}, thingsFile, "")
		if g := read(b, "things", landing.Checkpoint{}); g.err != nil || g.ids() != "7" {
			t.Errorf("%s %v", g.ids(), g.err)
		}
	})
}

// A token that ends in the middle of a read is renewed and the read goes on where it was.
func TestTokenEndsMidRead(t *testing.T) {
	var issued atomic.Int32
	tokens := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil || r.Form.Get("client_secret") != "cl1ent-s3cret" {
			w.WriteHeader(401)
			return
		}
		fmt.Fprintf(w, `{"access_token":"acc3ss-%d","expires_in":1800}`, issued.Add(1))
	}))
	defer tokens.Close()
	calls := 0
	b := open(t, func(w http.ResponseWriter, r *http.Request) {
		calls++
		if want := map[bool]string{true: "Bearer acc3ss-1", false: "Bearer acc3ss-2"}[calls <= 2]; r.Header.Get("Authorization") != want {
			w.WriteHeader(401)
			fmt.Fprintf(w, `{"message":"%s has expired"}`, r.Header.Get("Authorization"))
			return
		}
		next := ""
		if calls < 5 {
			next = fmt.Sprint(calls)
		}
		fmt.Fprint(w, pageOf(next, calls))
	}, strings.Replace(thingsFile, `auth: [{type: bearer, token: "{config.token}"}]`, `auth: [{type: oauth2, token_url: "`+tokens.URL+`/token", client_id: me, client_secret: "{config.token}"}]`, 1),
		"")
	_ = b
	api := mustLoad(t, strings.Replace(thingsFile, `auth: [{type: bearer, token: "{config.token}"}]`, `auth: [{type: oauth2, token_url: "`+tokens.URL+`/token", client_id: me, client_secret: "{config.token}"}]`, 1), b.srv.URL)
	s, err := b.open(api, "allow_private: true\ntoken: cl1ent-s3cret", nil)
	if err != nil {
		t.Fatal(err)
	}
	g := read(s, "things", landing.Checkpoint{})
	if g.err != nil || g.ids() != "1 2 4 5" || issued.Load() != 2 {
		t.Errorf("%s, %d tokens, %v", g.ids(), issued.Load(), g.err)
	}
	s, err = b.open(api, "allow_private: true\ntoken: wrong-s3cret", nil)
	if err != nil {
		t.Fatal(err)
	}
	g = read(s, "things", landing.Checkpoint{})
	wantError(t, g.err, httpx.Auth, "fetching an access token", "401", "client secret")
	if strings.Contains(g.err.Error(), "wrong-s3cret") {
		t.Errorf("the client secret was printed: %v", g.err)
	}
}

// What an API adds or changes is kept: a new field under its own name, a changed type as it came, a record that is none as
// a bad row.
func TestDrift(t *testing.T) {
	b := open(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"data":[
			{"id":1,"name":"a","amount":"12.50","at":"2026-01-02T03:04:05+02:00","ok":"true","tags":["x"]},
			{"id":"2","name":7,"amount":12.123456789012345678,"at":1767315845000,"ok":false,"new":{"deep":1},"tags":null},
			{"id":{"v":3},"name":null,"amount":"much","at":"soon","ok":"maybe","extra":1.5e30},
			"not a record", null, [1]
		]}`)
	}, thingsFile, "")
	g := read(b, "things", landing.Checkpoint{})
	if g.err != nil || len(g.rows) != 3 || len(g.bad) != 3 {
		t.Fatalf("%d rows, %d bad, %v", len(g.rows), len(g.bad), g.err)
	}
	at := time.Date(2026, 1, 2, 1, 4, 5, 0, time.UTC)
	for i, want := range []string{
		fmt.Sprintf(`int64 1|string a|json.Number 12.50|time.Time %v|bool true|json.RawMessage ["x"]|<nil> <nil>|<nil> <nil>`, at),
		fmt.Sprintf(`int64 2|string 7|json.Number 12.123456789012345678|time.Time %v|bool false|<nil> <nil>|json.RawMessage {"deep":1}|<nil> <nil>`, time.UnixMilli(1767315845000).UTC()),
		`json.RawMessage {"v":3}|<nil> <nil>|string much|string soon|string maybe|<nil> <nil>|<nil> <nil>|json.Number 1.5e30`,
	} {
		var cells []string
		for _, k := range []string{"id", "name", "amount", "at", "ok", "tags", "new", "extra"} {
			v := g.rows[i][k]
			if raw, ok := v.(interface{ MarshalJSON() ([]byte, error) }); ok && strings.HasSuffix(fmt.Sprintf("%T", v), "RawMessage") {
				j, _ := raw.MarshalJSON()
				cells = append(cells, "json.RawMessage "+string(j))
				continue
			}
			cells = append(cells, fmt.Sprintf("%T %v", v, v))
		}
		if got := strings.Join(cells, "|"); got != want {
			t.Errorf("row %d\n got %s\nwant %s", i+1, got, want)
		}
	}
	for i, want := range []string{"record 4", "record 5", "record 6"} {
		if !strings.Contains(g.bad[i].RowID, want) || !strings.Contains(g.bad[i].Reason, "JSON object") || len(g.bad[i].Raw) == 0 {
			t.Errorf("%+v", g.bad[i])
		}
	}
}

// A huge page of rows becomes batches of bounded size; only the last carries the checkpoint.
func TestHugePageIsSplit(t *testing.T) {
	b := open(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"data":[{"id":0}`)
		for i := 1; i < 25_001; i++ {
			fmt.Fprintf(w, `,{"id":%d}`, i)
		}
		fmt.Fprint(w, `]}`)
	}, thingsFile, "")
	g := read(b, "things", landing.Checkpoint{})
	if g.err != nil || len(g.rows) != 25_001 || g.batches != 4 || len(g.points) != 1 {
		t.Errorf("%d rows in %d batches, %d points, %v", len(g.rows), g.batches, len(g.points), g.err)
	}
}

// One broken stream leaves the others as they are.
func TestStreamsAreIndependent(t *testing.T) {
	b := open(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/things" && r.URL.Query().Get("broken") == "" {
			fmt.Fprint(w, pageOf("", 1))
			return
		}
		w.WriteHeader(500)
	}, thingsFile+`  broken:
    endpoint: {path: /broken}
    paginator: {type: single_page}
    columns: {id: BIGINT}
`, "")
	if g := read(b, "broken", landing.Checkpoint{}); g.err == nil {
		t.Error("no error")
	}
	if g := read(b, "things", landing.Checkpoint{}); g.err != nil || g.ids() != "1" {
		t.Errorf("%s %v", g.ids(), g.err)
	}
}

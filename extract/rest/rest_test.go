package rest_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"millrace/extract"
	"millrace/extract/landing"
	"millrace/extract/rest"
	"millrace/internal/config"
	"millrace/internal/httpx"
)

const apiToken = "t0ken-5ecret-value"

// now is the logical time of every test read.
var now = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

// bed is a connector file opened against a test server. Sleeping takes no time.
type bed struct {
	extract.Source
	srv   *httptest.Server
	at    time.Time
	slept time.Duration
}

// open loads a connector file whose BASE is replaced by the server's address.
func open(t *testing.T, h http.HandlerFunc, file, options string) *bed {
	t.Helper()
	b := &bed{srv: httptest.NewServer(h), at: now}
	t.Cleanup(b.srv.Close)
	api, err := rest.Load("api.yml", []byte(strings.ReplaceAll(file, "BASE", b.srv.URL)), nil)
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	s, err := b.open(api, "allow_private: true\ntoken: "+apiToken+"\n"+options, nil)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	b.Source = s
	t.Cleanup(func() { s.Close() })
	return b
}

// deps sleep without waiting: the clock moves instead.
func deps(b *bed) rest.Deps {
	wall := now
	var mu sync.Mutex // streams are read side by side
	return rest.Deps{
		Now:   func() time.Time { return b.at },
		Clock: func() time.Time { mu.Lock(); defer mu.Unlock(); return wall },
		Sleep: func(ctx context.Context, d time.Duration) error {
			mu.Lock()
			defer mu.Unlock()
			b.slept += d
			wall = wall.Add(d)
			return ctx.Err()
		},
		Rand: func() float64 { return 0.5 },
	}
}

// allowPrivate lets decoded options reach a test server.
func allowPrivate(t *testing.T, options any) {
	t.Helper()
	reflect.ValueOf(options).Elem().FieldByName("Common").FieldByName("AllowPrivate").SetBool(true)
}

func (b *bed) open(api *rest.API, options string, streams []extract.StreamParams) (extract.Source, error) {
	c := api.Connector(deps(b))
	n, err := config.Parse("extract/crm.yml", []byte(options), config.ParseOptions{})
	if err != nil {
		return nil, err
	}
	o := c.Options()
	if err := n.Decode(o); err != nil {
		return nil, err
	}
	return c.Open(context.Background(), extract.OpenParams{Name: "crm", Options: o, Streams: streams})
}

// got is what a read brought.
type got struct {
	rows    []map[string]any
	bad     []extract.BadRow
	last    landing.Checkpoint
	points  []landing.Checkpoint
	batches int
	err     error
}

func read(s extract.Source, stream string, from landing.Checkpoint) got {
	return readSome(s, stream, from, 1<<30)
}

// readSome stops after so many batches, as a consumer that is killed does.
func readSome(s extract.Source, stream string, from landing.Checkpoint, batches int) (g got) {
	landed := map[string]string{} // the names that the lander gives
	specs, err := s.Streams(context.Background())
	if err != nil {
		g.err = err
		return g
	}
	for _, sp := range specs {
		for _, c := range sp.Schema.Columns {
			if sp.Name == stream && c.Original != "" {
				landed[c.Original] = c.Name
			}
		}
	}
	for b, err := range s.Read(context.Background(), stream, from) {
		if err != nil {
			g.err = err
			return g
		}
		for _, r := range b.Rows {
			m := map[string]any{}
			for i, c := range b.Columns {
				m[cmp.Or(landed[c], c)] = r[i]
			}
			g.rows = append(g.rows, m)
		}
		g.bad = append(g.bad, b.Bad...)
		if !b.Checkpoint.IsZero() {
			g.last = b.Checkpoint
			g.points = append(g.points, b.Checkpoint)
		}
		if g.batches++; g.batches >= batches {
			return g
		}
	}
	return g
}

func (g got) ids() string {
	var ids []string
	for _, r := range g.rows {
		ids = append(ids, fmt.Sprint(r["id"]))
	}
	return strings.Join(ids, " ")
}

// wantError checks that a read failed with a message that helps and prints no secret.
func wantError(t *testing.T, err error, class httpx.Class, texts ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	if class != "" && httpx.ClassOf(err) != class {
		t.Errorf("class %q, want %q", httpx.ClassOf(err), class)
	}
	for _, s := range texts {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("message lacks %q:\n%v", s, err)
		}
	}
	if strings.Contains(err.Error(), apiToken) {
		t.Errorf("the token was printed: %v", err)
	}
}

// head is a connector file up to its resources.
const head = `
connector: crm
summary: a test
parameters:
  token: {type: secret, description: the key}
  zone: {description: zone}
client:
  base_url: BASE
  auth: [{type: bearer, token: "{config.token}"}]
  attempts: 3
`

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v)
}

func TestPaginators(t *testing.T) {
	const total = 7
	page := func(from, n int) []map[string]any {
		out := []map[string]any{}
		for i := from; i < min(from+n, total); i++ {
			out = append(out, map[string]any{"id": i})
		}
		return out
	}
	num := func(s string) int { n := 0; fmt.Sscan(s, &n); return n }
	for name, c := range map[string]struct {
		paginator string
		endpoint  string
		serve     func(w http.ResponseWriter, r *http.Request, body map[string]any)
	}{
		"cursor": {`{type: cursor, cursor_path: next, cursor_param: after, limit: 3, limit_param: limit}`, `{path: /things}`, func(w http.ResponseWriter, r *http.Request, _ map[string]any) {
			at := num(r.URL.Query().Get("after"))
			out := map[string]any{"data": page(at, 3)}
			if at+3 < total {
				out["next"] = fmt.Sprint(at + 3)
			}
			answer(w, out)
		}},
		"cursor in the body": {`{type: cursor, in: json, cursor_path: next, cursor_param: paging.after, limit: 3, limit_param: paging.limit}`, `{path: /things, method: POST, json: {kind: all}}`, func(w http.ResponseWriter, r *http.Request, body map[string]any) {
			p := body["paging"].(map[string]any)
			at := 0
			if a, ok := p["after"].(string); ok {
				at = num(a)
			}
			if body["kind"] != "all" || p["limit"] != 3.0 {
				w.WriteHeader(400)
			}
			out := map[string]any{"data": page(at, 3)}
			if at+3 < total {
				out["next"] = at + 3
			}
			answer(w, out)
		}},
		"next_link": {`{type: next_link, link_path: links.next}`, `{path: /things, params: {q: x}}`, func(w http.ResponseWriter, r *http.Request, _ map[string]any) {
			at := num(r.URL.Query().Get("at"))
			out := map[string]any{"data": page(at, 3)}
			if at+3 < total {
				out["links"] = map[string]any{"next": fmt.Sprintf("/things?q=x&at=%d", at+3)}
			}
			answer(w, out)
		}},
		"header_link": {`{type: header_link}`, `{path: /things}`, func(w http.ResponseWriter, r *http.Request, _ map[string]any) {
			at := num(r.URL.Query().Get("at"))
			if at+3 < total {
				w.Header().Set("Link", fmt.Sprintf(`<http://%s/things?at=0>; rel="prev", <http://%s/things?at=%d>; rel="next"`, r.Host, r.Host, at+3))
			}
			answer(w, map[string]any{"data": page(at, 3)})
		}},
		"offset with total": {`{type: offset, offset_param: offset, limit: 3, limit_param: limit, total_path: total}`, `{path: /things}`, func(w http.ResponseWriter, r *http.Request, _ map[string]any) {
			answer(w, map[string]any{"data": page(num(r.URL.Query().Get("offset")), 3), "total": total})
		}},
		"offset until empty": {`{type: offset, offset_param: offset, limit: 3, limit_param: limit}`, `{path: /things}`, func(w http.ResponseWriter, r *http.Request, _ map[string]any) {
			answer(w, map[string]any{"data": page(num(r.URL.Query().Get("offset")), 2)}) // the vendor gives fewer than asked for
		}},
		"page_number": {`{type: page_number, page_param: page, first_page: 0, limit: 3, limit_param: per_page, short_page_ends: true}`, `{path: /things}`, func(w http.ResponseWriter, r *http.Request, _ map[string]any) {
			answer(w, map[string]any{"data": page(num(r.URL.Query().Get("page"))*3, 3)})
		}},
		"last_id": {`{type: last_id, has_more_path: has_more, id_path: id, cursor_param: starting_after, limit: 3, limit_param: limit}`, `{path: /things}`, func(w http.ResponseWriter, r *http.Request, _ map[string]any) {
			at := 0
			if a := r.URL.Query().Get("starting_after"); a != "" {
				at = num(a) + 1
			}
			answer(w, map[string]any{"data": page(at, 3), "has_more": at+3 < total})
		}},
		"single_page": {`{type: single_page}`, `{path: /things}`, func(w http.ResponseWriter, r *http.Request, _ map[string]any) {
			answer(w, map[string]any{"data": page(0, total)})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Authorization") != "Bearer "+apiToken {
					w.WriteHeader(401)
					return
				}
				var body map[string]any
				json.NewDecoder(r.Body).Decode(&body)
				c.serve(w, r, body)
			}, head+"resources:\n  things: {endpoint: "+c.endpoint+", paginator: "+c.paginator+", data_selector: data, primary_key: [id], columns: {id: BIGINT}}\n", "")
			g := read(b, "things", landing.Checkpoint{})
			if g.err != nil || g.ids() != "0 1 2 3 4 5 6" {
				t.Errorf("%s %v", g.ids(), g.err)
			}
			if len(g.points) != 1 || g.last.IsZero() {
				t.Errorf("a complete read has one safe point, at its end; got %d", len(g.points))
			}
		})
	}
}

func TestUnknownStream(t *testing.T) {
	b := open(t, nil, head+"resources:\n  things: {endpoint: {path: /x}, paginator: {type: single_page}, columns: {id: BIGINT}}\n", "")
	g := read(b, "thing", landing.Checkpoint{})
	wantError(t, g.err, "", `Did you mean "things"?`)
}

func TestNoCredentials(t *testing.T) {
	api, err := rest.Load("api.yml", []byte(strings.ReplaceAll(head, "BASE", "https://api.example.com")+"resources:\n  things: {endpoint: {path: /x}, paginator: {type: single_page}, columns: {id: BIGINT}}\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &bed{}
	_, err = b.open(api, "zone: UTC", nil)
	wantError(t, err, "", "config.token", "no credentials for source crm", ".env")
	_, err = b.open(api, "tokn: x", nil)
	wantError(t, err, "", `extract/crm.yml:1:1: tokn: unknown key. Did you mean "token"?`)
}

func mustLoad(t *testing.T, file, base string) *rest.API {
	t.Helper()
	api, err := rest.Load("api.yml", []byte(strings.ReplaceAll(file, "BASE", base)), nil)
	if err != nil {
		t.Fatal(err)
	}
	return api
}

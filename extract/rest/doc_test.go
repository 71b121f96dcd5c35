package rest_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"millrace/extract"
	"millrace/extract/landing"
	"millrace/internal/config"
)

// TestTheDocumentedConnector loads the files of docs/adding-a-source.md as they stand there and reads a server that answers
// as they say.
func TestTheDocumentedConnector(t *testing.T) {
	page, err := os.ReadFile("../../docs/adding-a-source.md")
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, part := range strings.Split(string(page), "```yaml\n")[1:] {
		block, _, _ := strings.Cut(part, "```")
		blocks = append(blocks, block)
	}
	if len(blocks) != 2 {
		t.Fatalf("%d YAML blocks, want the connector and the source", len(blocks))
	}
	b := open(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Api-Key") != "k3y-of-the-account" {
			w.WriteHeader(401)
			return
		}
		w.Header().Set("X-RateLimit-Remaining", "250")
		q := r.URL.Query()
		switch {
		case r.URL.Path == "/v1/account":
			fmt.Fprint(w, `{"name":"Acme","plan":"team"}`)
		case r.URL.Path == "/v1/eu/companies" && q.Get("cursor") == "" && q.Get("page_size") == "100":
			fmt.Fprint(w, `{"data":[{"id":"c1","name":"One","website":{"domain":"one.example"},"employees":12}],"meta":{"next":"p2"}}`)
		case r.URL.Path == "/v1/eu/companies" && q.Get("cursor") == "p2":
			fmt.Fprint(w, `{"data":[{"id":"c2","name":"Two","website":{"domain":"two.example"},"employees":null}]}`)
		case r.URL.Path == "/v1/eu/signals" && q.Get("updated_since") >= "2026-03-02":
			fmt.Fprint(w, `{"data":[{"id":"s1","company_id":"c1","topic":"etl","score":0.75,"updated_at":"2026-03-09T10:00:00Z"}]}`)
		case r.URL.Path == "/v1/eu/signals" && q.Get("updated_since") != "":
			fmt.Fprint(w, `{"data":[]}`)
		case strings.HasPrefix(r.URL.Path, "/v1/companies/"):
			fmt.Fprintf(w, `{"data":[{"id":"p-%s","full_name":"Ada"}]}`, strings.Split(r.URL.Path, "/")[3])
		default:
			w.WriteHeader(404)
		}
	}, head+"resources: {x: {endpoint: {path: /}, paginator: {type: single_page}, columns: {id: BIGINT}}}\n", "")
	api := mustLoad(t, strings.Replace(blocks[0], "https://api.intent.example", "BASE", 1), b.srv.URL)

	n, err := config.Parse("extract/intent.yml", []byte(blocks[1]), config.ParseOptions{Env: func(string) (string, bool) { return "k3y-of-the-account", true }})
	if err != nil {
		t.Fatal(err)
	}
	c := api.Connector(deps(b))
	o := c.Options()
	if err := n.Get("config").Decode(o); err != nil {
		t.Fatal(err)
	}
	var streams []extract.StreamParams
	for _, name := range n.Get("streams").Keys() {
		so := c.StreamOptions()
		if err := n.Get("streams").Get(name).Decode(so); err != nil {
			t.Fatal(err)
		}
		streams = append(streams, extract.StreamParams{Spec: extract.StreamSpec{Name: name}, Options: so})
	}
	allowPrivate(t, o)
	s, err := c.Open(context.Background(), extract.OpenParams{Name: "intent", Options: o, Streams: streams})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for stream, want := range map[string]string{"companies": "c1 c2", "signals": "s1", "contacts": "p-c1 p-c2"} {
		g := read(s, stream, landing.Checkpoint{})
		if g.err != nil || g.ids() != want {
			t.Errorf("%s: %s, want %s, %v", stream, g.ids(), want, g.err)
		}
	}
	for _, f := range s.(extract.Checker).Check(context.Background()) {
		if !f.OK {
			t.Errorf("%s: %s. %s", f.Name, f.Info, f.Hint)
		}
	}
}

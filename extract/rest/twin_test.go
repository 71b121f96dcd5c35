package rest_test

import (
	"context"
	"net/http/httptest"
	"testing"
	"time"

	"millrace/extract"
	"millrace/extract/connectors"
	"millrace/extract/landing"
	"millrace/extract/rest"
	"millrace/internal/config"
	"millrace/internal/twin"
)

// openTwin opens a built-in connector against the twin.
func openTwin(t *testing.T, name, address, options string, at time.Time) extract.Source {
	t.Helper()
	src, err := connectors.Files.ReadFile(name + ".yml")
	if err != nil {
		t.Fatal(err)
	}
	api, err := rest.Load(name+".yml", src, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := api.Connector(rest.Deps{Now: func() time.Time { return at }})
	o := c.Options()
	n, err := config.Parse("extract/"+name+".yml", []byte("base_url: "+address+"\nallow_private: true\n"+options), config.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Decode(o); err != nil {
		t.Fatal(err)
	}
	s, err := c.Open(context.Background(), extract.OpenParams{Name: name, Options: o})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestHubSpotTwin(t *testing.T) {
	tw, err := twin.New(twin.Options{Size: "tiny"})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(tw.Handler())
	defer srv.Close()
	s := openTwin(t, "hubspot", srv.URL, "access_token: "+twin.DefaultCredentials().HubSpotToken, tw.Date())
	specs, err := s.Streams(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, sp := range specs {
		g := read(s, sp.Name, landing.Checkpoint{})
		if g.err != nil {
			t.Errorf("%s: %v", sp.Name, g.err)
		}
		cols := map[string]int{}
		for _, r := range g.rows {
			for k, v := range r {
				if v != nil {
					cols[k]++
				}
			}
		}
		t.Log(sp.Name, len(g.rows), cols, string(g.last.State), len(g.bad))
	}
}

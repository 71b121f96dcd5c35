package rest_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"millrace/extract"
	"millrace/extract/connectors"
	"millrace/extract/landing"
	"millrace/extract/rest"
	"millrace/internal/config"
	"millrace/internal/httpx"
	"millrace/internal/twin"
)

// vendors are the built-in connectors with the options that point them at the twin, and the streams that it does not serve.
func vendors() map[string]struct {
	options string
	without []string
} {
	c := twin.DefaultCredentials()
	google := "client_id: " + c.GoogleClientID + "\nclient_secret: " + c.GoogleClientSecret + "\nrefresh_token: " + c.GoogleRefreshToken + "\ntoken_url: TWIN/token\n"
	return map[string]struct {
		options string
		without []string
	}{
		"hubspot":    {"access_token: " + c.HubSpotToken, []string{"meetings", "calls", "tasks"}},
		"stripe":     {"api_key: " + c.StripeKey, nil},
		"google_ads": {google + "developer_token: " + c.GoogleDeveloperToken + "\ncustomer_id: \"481-516-2342\"", []string{"click_view"}},
		"ga4":        {google + "property_id: \"" + c.GA4Property + "\"", []string{"key_events_daily"}},
	}
}

// openTwin opens a built-in connector against the twin. Sleeping takes no time.
func openTwin(t *testing.T, name, address, options string, at *time.Time) extract.Source {
	t.Helper()
	src, err := connectors.Files.ReadFile(name + ".yml")
	if err != nil {
		t.Fatal(err)
	}
	api, err := rest.Load(name+".yml", src, nil)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	wall := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	c := api.Connector(rest.Deps{
		Now:   func() time.Time { return *at },
		Clock: func() time.Time { mu.Lock(); defer mu.Unlock(); return wall },
		Sleep: func(ctx context.Context, d time.Duration) error {
			mu.Lock()
			defer mu.Unlock()
			wall = wall.Add(d)
			return ctx.Err()
		},
	})
	o := c.Options()
	n, err := config.Parse("extract/"+name+".yml", []byte("base_url: "+address+"\nallow_private: true\n"+strings.ReplaceAll(options, "TWIN", address)), config.ParseOptions{})
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

func startTwin(t *testing.T, o twin.Options) (*twin.Twin, string) {
	t.Helper()
	if o.Size == "" {
		o.Size = "tiny"
	}
	tw, err := twin.New(o)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(tw.Handler())
	t.Cleanup(srv.Close)
	return tw, srv.URL
}

// byKey is what merging by primary key leaves of rows.
func byKey(t *testing.T, spec extract.StreamSpec, into map[string]map[string]any, rows []map[string]any) {
	t.Helper()
	for _, r := range rows {
		var key []string
		for _, k := range spec.Schema.PrimaryKey {
			if r[k] == nil {
				t.Errorf("%s: a row without its key %s: %v", spec.Name, k, r)
			}
			key = append(key, fmt.Sprint(r[k]))
		}
		into[strings.Join(key, "|")] = r
	}
}

// Every stream that the twin serves reads whole, with its key, without a bad row; the next day's incremental read merged
// over it is what a complete read gives then.
func TestTwin(t *testing.T) {
	for name, v := range vendors() {
		t.Run(name, func(t *testing.T) {
			tw, address := startTwin(t, twin.Options{})
			at := tw.Date()
			s := openTwin(t, name, address, v.options, &at)
			specs, err := s.Streams(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			merged := map[string]map[string]map[string]any{}
			last := map[string]landing.Checkpoint{}
			for _, sp := range specs {
				if slices.Contains(v.without, sp.Name) {
					continue
				}
				g := read(s, sp.Name, landing.Checkpoint{})
				if g.err != nil || len(g.bad) > 0 || len(g.rows) == 0 && sp.Name != "refunds" && !strings.HasPrefix(sp.Name, "archived_") {
					t.Errorf("%s: %d rows, %d bad, %v", sp.Name, len(g.rows), len(g.bad), g.err)
					continue
				}
				merged[sp.Name] = map[string]map[string]any{}
				byKey(t, sp, merged[sp.Name], g.rows)
				if len(merged[sp.Name]) != len(g.rows) {
					t.Errorf("%s: %d rows, %d keys", sp.Name, len(g.rows), len(merged[sp.Name]))
				}
				last[sp.Name] = g.last
			}
			for range 3 {
				at = at.AddDate(0, 0, 1)
				if err := tw.AdvanceTo(at); err != nil {
					t.Fatal(err)
				}
				for _, sp := range specs {
					if merged[sp.Name] == nil {
						continue
					}
					if sp.Disposition == landing.Replace {
						merged[sp.Name] = map[string]map[string]any{}
					}
					g := read(s, sp.Name, last[sp.Name])
					if g.err != nil {
						t.Errorf("%s on %s: %v", sp.Name, at.Format(time.DateOnly), g.err)
					}
					byKey(t, sp, merged[sp.Name], g.rows)
					last[sp.Name] = g.last
				}
			}
			for _, sp := range specs {
				if merged[sp.Name] == nil {
					continue
				}
				whole := map[string]map[string]any{}
				g := read(s, sp.Name, landing.Checkpoint{})
				byKey(t, sp, whole, g.rows)
				for k, want := range whole {
					if sp.Name == "events" {
						delete(want, "data") // what an event holds is for the twin's own tests
						delete(merged[sp.Name][k], "data")
					}
					if got := merged[sp.Name][k]; !reflect.DeepEqual(present(got), present(want)) {
						t.Errorf("%s %s: merged day by day\n%v\nread whole\n%v", sp.Name, k, present(got), present(want))
						break
					}
				}
				if len(merged[sp.Name]) != len(whole) {
					t.Errorf("%s: %d rows merged day by day, %d read whole", sp.Name, len(merged[sp.Name]), len(whole))
				}
			}
		})
	}
}

// present leaves out what has no value: a column that only some pages have is nil in their other rows.
func present(r map[string]any) map[string]string {
	out := map[string]string{}
	for k, v := range r {
		if raw, ok := v.(interface{ MarshalJSON() ([]byte, error) }); ok {
			if b, err := raw.MarshalJSON(); err == nil {
				v = string(b)
			}
		}
		if v != nil {
			out[k] = fmt.Sprint(v)
		}
	}
	return out
}

// A fifth of all calls fails, in every way that the twin knows: what is read is the same.
func TestTwinMisbehaves(t *testing.T) {
	var faults []twin.Fault
	for _, k := range []string{twin.Status429, twin.Status500, twin.Status503, twin.DropBefore, twin.DropAfter, twin.Truncate, twin.ErrorBody} {
		faults = append(faults, twin.Fault{Kind: k, Rate: 0.03})
	}
	for name, v := range vendors() {
		t.Run(name, func(t *testing.T) {
			calm, good := startTwin(t, twin.Options{})
			at := calm.Date()
			want := openTwin(t, name, good, v.options, &at)
			_, bad := startTwin(t, twin.Options{Faults: faults})
			got := openTwin(t, name, bad, v.options, &at)
			specs, err := want.Streams(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			for _, sp := range specs {
				if slices.Contains(v.without, sp.Name) {
					continue
				}
				a, b := read(want, sp.Name, landing.Checkpoint{}), read(got, sp.Name, landing.Checkpoint{})
				if b.err != nil {
					t.Errorf("%s: %v", sp.Name, b.err)
					continue
				}
				x, y := map[string]map[string]any{}, map[string]map[string]any{}
				byKey(t, sp, x, a.rows)
				byKey(t, sp, y, b.rows)
				if len(x) != len(y) {
					t.Errorf("%s: %d rows, want %d", sp.Name, len(y), len(x))
				}
			}
		})
	}
}

// Credentials that the vendor does not take are named, and not printed.
func TestTwinCredentials(t *testing.T) {
	tw, address := startTwin(t, twin.Options{})
	at := tw.Date()
	for name, c := range map[string]struct {
		connector, options, stream string
		texts                      []string
	}{
		"wrong token":   {"hubspot", "access_token: nobody-kn0ws-this", "contacts", []string{"401", "Check access_token under config of source hubspot"}},
		"expired token": {"hubspot", "access_token: pat-twin-hubspot-expired", "contacts", []string{"401", "expired"}},
		"wrong key":     {"stripe", "api_key: sk_nobody_kn0ws", "customers", []string{"401", "Check api_key"}},
		"other account": {"google_ads", strings.Replace(vendors()["google_ads"].options, "481-516-2342", "111-111-1111", 1), "campaigns", []string{"403", "login_customer_id"}},
		"other property": {"ga4", strings.Replace(vendors()["ga4"].options, twin.DefaultCredentials().GA4Property, "1", 1), "sessions_daily",
			[]string{"403", "role Viewer"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := read(openTwin(t, c.connector, address, c.options, &at), c.stream, landing.Checkpoint{})
			wantError(t, g.err, httpx.Auth, c.texts...)
			for _, s := range []string{"nobody-kn0ws-this", "sk_nobody_kn0ws", "pat-twin-hubspot"} {
				if strings.Contains(g.err.Error(), s) {
					t.Errorf("printed: %v", g.err)
				}
			}
		})
	}
}

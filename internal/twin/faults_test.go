package twin_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"millrace/internal/twin"
)

// ask is one call that may fail at any point.
func (r *rig) ask(method, path, body string) (int, []byte, error) {
	req, err := http.NewRequest(method, r.url+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+twin.DefaultCredentials().HubSpotToken)
	req.Header.Set("Content-Type", "application/json")
	c := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := c.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, b, err
}

func TestFaults(t *testing.T) {
	const list = "/crm/v3/objects/contacts?limit=5"
	create := func(n int) string { return fmt.Sprintf(`{"properties":{"email":"f%d@north.example"}}`, n) }
	for kind, c := range map[string]struct {
		rule  twin.Fault
		check func(t *testing.T, r *rig)
	}{
		twin.Status429: {twin.Fault{}, func(t *testing.T, r *rig) {
			if code, b, err := r.ask("GET", list, ""); err != nil || code != 429 || !strings.Contains(string(b), "TEN_SECONDLY_ROLLING") {
				t.Errorf("%d %s %v", code, b, err)
			}
		}},
		twin.Status500: {twin.Fault{}, func(t *testing.T, r *rig) {
			if code, b, err := r.ask("POST", "/crm/v3/objects/contacts", create(1)); err != nil || code != 500 || len(r.tw.Writes()) != 0 {
				t.Errorf("%d %s %v", code, b, err)
			}
		}},
		twin.Status503: {twin.Fault{}, func(t *testing.T, r *rig) {
			if code, b, err := r.ask("GET", list, ""); err != nil || code != 503 || json.Valid(b) {
				t.Errorf("%d %s %v", code, b, err)
			}
		}},
		twin.DropBefore: {twin.Fault{}, func(t *testing.T, r *rig) {
			if _, _, err := r.ask("POST", "/crm/v3/objects/contacts", create(1)); err == nil || len(r.tw.Writes()) != 0 {
				t.Errorf("%v, %d writes", err, len(r.tw.Writes()))
			}
		}},
		twin.DropAfter: {twin.Fault{}, func(t *testing.T, r *rig) {
			if _, _, err := r.ask("POST", "/crm/v3/objects/contacts", create(1)); err == nil || len(r.tw.Writes()) != 1 {
				t.Errorf("%v, %d writes", err, len(r.tw.Writes()))
			}
		}},
		twin.Truncate: {twin.Fault{}, func(t *testing.T, r *rig) {
			if code, b, err := r.ask("GET", list, ""); err == nil || code != 200 || len(b) == 0 || json.Valid(b) {
				t.Errorf("%d, %d bytes, %v", code, len(b), err)
			}
		}},
		twin.Slow: {twin.Fault{Delay: 120 * time.Millisecond}, func(t *testing.T, r *rig) {
			start := time.Now()
			if code, _, err := r.ask("GET", list, ""); err != nil || code != 200 || time.Since(start) < 120*time.Millisecond {
				t.Errorf("%d %v after %s", code, err, time.Since(start))
			}
		}},
		twin.ErrorBody: {twin.Fault{}, func(t *testing.T, r *rig) {
			if code, b, err := r.ask("GET", list, ""); err != nil || code != 200 || !strings.Contains(string(b), `"status":"error"`) {
				t.Errorf("%d %s %v", code, b, err)
			}
		}},
		twin.EmptySuccess: {twin.Fault{}, func(t *testing.T, r *rig) {
			code, b, err := r.ask("POST", "/crm/v3/objects/contacts/batch/upsert", `{"inputs":[{"id":"x@north.example","idProperty":"email","properties":{}}]}`)
			if err != nil || code != 200 || !strings.Contains(string(b), `"results":[]`) || len(r.tw.Writes()) != 0 {
				t.Errorf("%d %s %v", code, b, err)
			}
		}},
		twin.Expired: {twin.Fault{}, func(t *testing.T, r *rig) {
			if code, b, err := r.ask("GET", list, ""); err != nil || code != 401 || !strings.Contains(string(b), "EXPIRED_AUTHENTICATION") {
				t.Errorf("%d %s %v", code, b, err)
			}
		}},
		twin.NewField: {twin.Fault{}, func(t *testing.T, r *rig) {
			if code, b, err := r.ask("GET", list, ""); err != nil || code != 200 || strings.Count(string(b), "twin_new_field") != 5 {
				t.Errorf("%d %s %v", code, b, err)
			}
		}},
		twin.ChangedType: {twin.Fault{Field: "lastname"}, func(t *testing.T, r *rig) {
			if code, b, err := r.ask("GET", list, ""); err != nil || code != 200 || strings.Count(string(b), `"lastname":{`) != 5 {
				t.Errorf("%d %s %v", code, b, err)
			}
		}},
		twin.Duplicate: {twin.Fault{}, func(t *testing.T, r *rig) {
			if code, b, err := r.ask("GET", list, ""); err != nil || code != 200 || strings.Count(string(b), `"id":"1000001"`) != 2 {
				t.Errorf("%d %s %v", code, b, err)
			}
		}},
		twin.ForgedNext: {twin.Fault{Host: "http://elsewhere.example"}, func(t *testing.T, r *rig) {
			if code, b, err := r.ask("GET", list, ""); err != nil || code != 200 || !strings.Contains(string(b), `"link":"http://elsewhere.example/crm/v3/objects/contacts`) {
				t.Errorf("%d %s %v", code, b, err)
			}
		}},
		twin.Redirect: {twin.Fault{Host: "http://elsewhere.example"}, func(t *testing.T, r *rig) {
			resp, err := (&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Get(r.url + list)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != 307 || resp.Header.Get("Location") != "http://elsewhere.example"+list {
				t.Errorf("%d to %s", resp.StatusCode, resp.Header.Get("Location"))
			}
		}},
	} {
		t.Run(kind, func(t *testing.T) {
			r := tiny(t, twin.Options{})
			c.rule.Kind, c.rule.Times = kind, 1
			if err := r.tw.AddFault(c.rule); err != nil {
				t.Fatal(err)
			}
			c.check(t, &rig{t, r.tw, r.url})
			// It hits once; the next call is as always.
			if code, _, err := r.ask("GET", list, ""); err != nil || code != 200 {
				t.Errorf("after it: %d %v", code, err)
			}
		})
	}
}

func TestFaultRateIsSeededAndScoped(t *testing.T) {
	pattern := func(seed uint64) string {
		tw, err := twin.New(twin.Options{Size: "tiny", Seed: seed, Faults: []twin.Fault{{Kind: twin.Status500, Rate: 0.2, Vendor: "hubspot", Path: "/crm/v3/owners"}}})
		if err != nil {
			t.Fatal(err)
		}
		srv := httptest.NewServer(tw.Handler())
		defer srv.Close()
		r := &rig{t, tw, srv.URL}
		var out strings.Builder
		for range 200 {
			code, _, err := r.ask("GET", "/crm/v3/owners", "")
			if err != nil {
				t.Fatal(err)
			}
			out.WriteByte("x."[code/500^1])
			if code, _, err := r.ask("GET", "/crm/v3/pipelines/deals", ""); err != nil || code != 200 {
				t.Fatalf("a path outside the rule: %d %v", code, err)
			}
		}
		return out.String()
	}
	a := pattern(1)
	if a != pattern(1) || a == pattern(2) {
		t.Error("the pattern is not the seed's")
	}
	if n := strings.Count(a, "x"); n < 20 || n > 64 {
		t.Errorf("%d of 200 calls failed at a rate of 0.2", n)
	}
}

func TestFaultsAreChecked(t *testing.T) {
	r := tiny(t, twin.Options{})
	for want, rule := range map[string]twin.Fault{"status_429": {Kind: "status_42"}, "between 0 and 1": {Kind: twin.Status500, Rate: 20}, "needs the host": {Kind: twin.Redirect}} {
		if err := r.tw.AddFault(rule); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", rule, err)
		}
	}
	if code, v, _ := r.do("POST", "/_twin/faults", `{"kind":"nonsense"}`); code != 400 || v["error"] == nil {
		t.Errorf("%d %v", code, v)
	}
}

package meta

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"millrace/activate"
	"millrace/internal/twin/spectest"
)

// apis are the calls of a node in the published specification, with their parameters: "POST users", "POST" for the node itself.
func apis(t *testing.T, node string) (calls map[string]map[string]bool, fields map[string]bool) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(spectest.Dir(t, "meta-ads", "specs"), node+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		APIs []struct {
			Method, Endpoint, Name string
			Params                 []struct{ Name string }
		}
		Fields []struct{ Name string }
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	calls, fields = map[string]map[string]bool{}, map[string]bool{}
	for _, a := range doc.APIs {
		params := map[string]bool{}
		for _, p := range a.Params {
			params[p.Name] = true
		}
		calls[strings.TrimSpace(a.Method+" "+a.Endpoint)] = params
	}
	for _, f := range doc.Fields {
		fields[f.Name] = true
	}
	return calls, fields
}

// What is sent and asked for is in the published specifications.
func TestSpecRequests(t *testing.T) {
	var seen string
	body := func() map[string]any {
		t.Helper()
		parts := strings.SplitN(seen, " ", 3)
		var v map[string]any
		if err := json.Unmarshal([]byte(parts[2]), &v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	known := func(node, call string, names map[string]any) {
		t.Helper()
		calls, _ := apis(t, node)
		params, ok := calls[call]
		if !ok {
			t.Fatalf("%s has no call %s", node, call)
		}
		for n := range names {
			if !params[n] {
				t.Errorf("%s %s takes no %s", node, call, n)
			}
		}
	}
	readable := func(node string, names string) {
		t.Helper()
		_, fields := apis(t, node)
		for n := range strings.SplitSeq(names, ",") {
			if !fields[n] {
				t.Errorf("%s has no field %s", node, n)
			}
		}
	}
	a := canned[*audience](t, 200, `{"num_received":2}`, nil, &seen)
	b := people()
	for op, call := range map[activate.Op]string{activate.Add: "POST users", activate.Remove: "DELETE users"} {
		b.Op = op
		if _, err := a.Send(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		known("CustomAudience", call, body())
	}
	known("CustomAudience", "GET sessions", map[string]any{"session_id": 1})
	readable("CustomAudience", "id,name,operation_status")
	readable("CustomAudienceSession", "session_id,num_received,num_matched,num_invalid_entries,progress,stage,end_time")

	e := canned[*events](t, 200, `{"events_received":1}`, nil, &seen)
	e.opt.TestCode = "TEST1"
	if _, err := e.Send(t.Context(), activate.Batch{Target: eventTarget(), Op: activate.Event, Rows: []activate.Row{{ID: "o", IdemKey: "k", Key: "d", Values: map[string]json.RawMessage{
		"event_name": raw(`"Lead"`), "event_time": raw(`"2026-03-01T10:00:00Z"`), "email": raw(`"a@example.com"`)}}}}); err != nil {
		t.Fatal(err)
	}
	known("AdsPixel", "POST events", body())
	readable("AdsPixel", "id,name")
	readable("AdAccount", "name,account_status,tos_accepted,currency")
	for _, node := range []string{"Campaign", "AdSet"} {
		known(node, http.MethodPost, map[string]any{"status": 1, "daily_budget": 1, "lifetime_budget": 1})
		readable(node, "id,status,daily_budget,lifetime_budget,account_id")
	}
	known("AdAccount", "GET campaigns", map[string]any{})
	known("AdAccount", "GET adsets", map[string]any{})
}

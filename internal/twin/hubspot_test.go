package twin_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"millrace/internal/twin"
)

// rig is a twin behind a real server.
type rig struct {
	t   testing.TB
	tw  *twin.Twin
	url string
}

// still is a clock that stands, for limits that must not depend on how fast the machine is.
func still() time.Time { return time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC) }

func serve(t testing.TB, tw *twin.Twin) *rig {
	t.Helper()
	srv := httptest.NewServer(tw.Handler())
	t.Cleanup(func() { srv.Close(); tw.Close() })
	return &rig{t, tw, srv.URL}
}

func tiny(t testing.TB, o twin.Options) *rig {
	t.Helper()
	if o.Size == "" {
		o.Size = "tiny"
	}
	tw, err := twin.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, tw)
}

// do calls with the vendor's default credential and decodes the answer.
func (r *rig) do(method, path string, body any, header ...string) (int, map[string]any, http.Header) {
	r.t.Helper()
	code, raw, h := r.raw(method, path, body, header...)
	var out map[string]any
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &out); err != nil {
			r.t.Fatalf("%s %s: %d, not a JSON object: %v\n%s", method, path, code, err, raw)
		}
	}
	return code, out, h
}

func (r *rig) raw(method, path string, body any, header ...string) (int, []byte, http.Header) {
	r.t.Helper()
	var in io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		in = strings.NewReader(b)
	default:
		j, err := json.Marshal(b)
		if err != nil {
			r.t.Fatal(err)
		}
		in = bytes.NewReader(j)
	}
	req, err := http.NewRequest(method, r.url+path, in)
	if err != nil {
		r.t.Fatal(err)
	}
	if strings.HasPrefix(path, "/crm") {
		req.Header.Set("Authorization", "Bearer "+twin.DefaultCredentials().HubSpotToken)
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatalf("%s %s: %v", method, path, err)
	}
	return resp.StatusCode, raw, resp.Header
}

func rows(v map[string]any, key string) []map[string]any {
	var out []map[string]any
	list, _ := v[key].([]any)
	for _, x := range list {
		out = append(out, x.(map[string]any))
	}
	return out
}

func after(v map[string]any) string {
	p, _ := v["paging"].(map[string]any)
	n, _ := p["next"].(map[string]any)
	s, _ := n["after"].(string)
	return s
}

// all reads every page of a list.
func (r *rig) all(path string) []map[string]any {
	var out []map[string]any
	for cursor := ""; ; {
		p := path
		if cursor != "" {
			p += "&after=" + cursor
		}
		code, v, _ := r.do("GET", p, nil)
		if code != 200 {
			r.t.Fatalf("GET %s: %d %v", p, code, v)
		}
		out = append(out, rows(v, "results")...)
		if cursor = after(v); cursor == "" {
			return out
		}
	}
}

func TestHubSpotPagesAreCompleteWhileOthersReadAndWrite(t *testing.T) {
	r := tiny(t, twin.Options{})
	want := r.tw.Status().Objects["hubspot.contacts"]
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			code, v, _ := r.do("POST", "/crm/v3/objects/contacts", map[string]any{"properties": map[string]any{"email": fmt.Sprintf("new%d@north.example", i)}})
			if code != 201 {
				t.Errorf("create: %d %v", code, v)
			}
		})
		wg.Go(func() {
			seen := map[string]bool{}
			for _, row := range r.all("/crm/v3/objects/contacts?limit=7&properties=email,lead_route&associations=companies") {
				id := row["id"].(string)
				if seen[id] {
					t.Errorf("contact %s came twice", id)
				}
				seen[id] = true
			}
			if int64(len(seen)) < want || int64(len(seen)) > want+4 {
				t.Errorf("read %d contacts, the portal had %d and got 4 more", len(seen), want)
			}
		})
	}
	wg.Wait()
}

func TestHubSpotSearchPagesBySortedCursor(t *testing.T) {
	r := tiny(t, twin.Options{})
	total, got, last := 0, 0, ""
	for cursor := "0"; cursor != ""; {
		code, v, _ := r.do("POST", "/crm/v3/objects/contacts/search", map[string]any{
			"filterGroups": []any{map[string]any{"filters": []any{map[string]any{"propertyName": "lastmodifieddate", "operator": "GTE", "value": "1767225600000"}}}},
			"sorts":        []any{map[string]any{"propertyName": "lastmodifieddate", "direction": "ASCENDING"}}, "properties": []string{"email"}, "limit": 13, "after": cursor,
		})
		if code != 200 {
			t.Fatalf("search: %d %v", code, v)
		}
		total = int(v["total"].(float64))
		for _, row := range rows(v, "results") {
			at := row["updatedAt"].(string)
			if at < last || at < "2026-01-01" {
				t.Fatalf("row of %s after %s", at, last)
			}
			last = at
			got++
		}
		cursor = after(v)
	}
	if got != total || got == 0 {
		t.Fatalf("read %d of %d", got, total)
	}
}

func TestHubSpotBatchUpsert(t *testing.T) {
	r := tiny(t, twin.Options{})
	contact := r.all("/crm/v3/objects/contacts?limit=100&properties=email")[0]
	email := contact["properties"].(map[string]any)["email"].(string)
	if code, v, _ := r.do("POST", "/crm/v3/properties/contacts", map[string]any{
		"name": "millrace_score", "label": "Score", "type": "number", "fieldType": "number", "groupName": "contactinformation",
	}); code != 201 {
		t.Fatalf("define: %d %v", code, v)
	}
	upsert := func(rows ...map[string]any) (int, map[string]any) {
		code, v, _ := r.do("POST", "/crm/v3/objects/contacts/batch/upsert", map[string]any{"inputs": rows})
		return code, v
	}
	in := func(id, trace string, score any) map[string]any {
		return map[string]any{"id": id, "idProperty": "email", "objectWriteTraceId": trace, "properties": map[string]any{"millrace_score": score}}
	}
	code, v := upsert(in(email, "a", 71), in("fresh@north.example", "b", "55.5"))
	if code != 200 || len(rows(v, "results")) != 2 || rows(v, "results")[0]["new"] != false || rows(v, "results")[1]["new"] != true {
		t.Fatalf("upsert: %d %v", code, v)
	}
	// The same again changes nothing but counts as a write.
	code, v = upsert(in(email, "a", 71))
	if w := r.tw.Writes(); code != 200 || len(w[len(w)-1].Changed) != 0 || w[len(w)-1].Key != contact["id"] {
		t.Fatalf("repeat: %d %v, ledger %+v", code, v, w[len(w)-1])
	}
	// One bad row with trace ids: 207, the others are written.
	code, v = upsert(in(email, "a", 72), in("other@north.example", "b", "many"))
	errs := rows(v, "errors")
	if code != 207 || len(rows(v, "results")) != 1 || len(errs) != 1 || v["numErrors"] != 1.0 {
		t.Fatalf("mixed: %d %v", code, v)
	}
	if ctx := errs[0]["context"].(map[string]any); fmt.Sprint(ctx["objectWriteTraceId"]) != "[b]" || fmt.Sprint(ctx["id"]) != "[other@north.example]" {
		t.Errorf("context %v", ctx)
	}
	// Without trace ids the rows cannot be told apart: nothing is written.
	before := len(r.tw.Writes())
	code, v = upsert(in(email, "", 73), in("other@north.example", "", "many"))
	if code != 400 || v["category"] != "VALIDATION_ERROR" || len(r.tw.Writes()) != before {
		t.Errorf("untraced: %d %v", code, v)
	}
	for name, c := range map[string]struct {
		rows []map[string]any
		want string
	}{
		"unknown property": {[]map[string]any{{"id": email, "idProperty": "email", "objectWriteTraceId": "a", "properties": map[string]any{"plann": "x"}}}, "PROPERTY_DOESNT_EXIST"},
		"twice in a batch": {[]map[string]any{in(email, "a", 1), in(strings.ToUpper(email), "b", 2)}, "Duplicate IDs"},
		"no id property":   {[]map[string]any{{"id": email, "properties": map[string]any{}}}, "idProperty is required"},
	} {
		code, v := upsert(c.rows...)
		if raw, _ := json.Marshal(v); code != 400 || !strings.Contains(string(raw), c.want) {
			t.Errorf("%s: %d %s", name, code, raw)
		}
	}
	many := make([]map[string]any, 101)
	for i := range many {
		many[i] = in(fmt.Sprintf("m%d@north.example", i), "", 1)
	}
	if code, v := upsert(many...); code != 400 {
		t.Errorf("101 inputs: %d %v", code, v)
	}
}

func TestHubSpotRefusals(t *testing.T) {
	r := tiny(t, twin.Options{})
	token := twin.DefaultCredentials().HubSpotToken
	for name, c := range map[string]struct {
		method, path string
		body         any
		auth         string
		code         int
		category     string
	}{
		"no such token": {"GET", "/crm/v3/objects/contacts", nil, "Bearer x", 401, "INVALID_AUTHENTICATION"},
		"expired":       {"GET", "/crm/v3/objects/contacts", nil, "Bearer " + token + "-expired", 401, "EXPIRED_AUTHENTICATION"},
		"read only":     {"POST", "/crm/v3/objects/contacts", map[string]any{}, "Bearer " + token + "-readonly", 403, "MISSING_SCOPES"},
		"no such type":  {"GET", "/crm/v3/objects/widgets", nil, "", 400, "VALIDATION_ERROR"},
		"no such row":   {"GET", "/crm/v3/objects/contacts/1", nil, "", 404, "OBJECT_NOT_FOUND"},
		"limit":         {"GET", "/crm/v3/objects/contacts?limit=101", nil, "", 400, "VALIDATION_ERROR"},
		"not JSON":      {"POST", "/crm/v3/objects/contacts", "{", "", 400, "VALIDATION_ERROR"},
		"read-only":     {"POST", "/crm/v3/objects/contacts", map[string]any{"properties": map[string]any{"email": "a@b.example", "createdate": "2026-01-01"}}, "", 400, "VALIDATION_ERROR"},
		"bad e-mail":    {"POST", "/crm/v3/objects/contacts", map[string]any{"properties": map[string]any{"email": "nobody"}}, "", 400, "VALIDATION_ERROR"},
		"beyond search": {"POST", "/crm/v3/objects/contacts/search", map[string]any{"limit": 200, "after": "9900"}, "", 400, "VALIDATION_ERROR"},
	} {
		t.Run(name, func(t *testing.T) {
			h := []string{}
			if c.auth != "" {
				h = []string{"Authorization", c.auth}
			}
			code, v, _ := r.do(c.method, c.path, c.body, h...)
			if code != c.code || v["category"] != c.category || v["status"] != "error" || v["correlationId"] == "" || v["message"] == "" {
				t.Errorf("%d %v", code, v)
			}
		})
	}
}

func TestHubSpotLimits(t *testing.T) {
	r := tiny(t, twin.Options{Limits: true, Now: still})
	for i := range 191 {
		code, v, h := r.do("GET", "/crm/v3/owners?limit=1", nil)
		if i < 190 {
			if code != 200 || h.Get("X-HubSpot-RateLimit-Remaining") != fmt.Sprint(189-i) {
				t.Fatalf("call %d: %d, %q left", i, code, h.Get("X-HubSpot-RateLimit-Remaining"))
			}
			continue
		}
		if code != 429 || v["policyName"] != "TEN_SECONDLY_ROLLING" || h.Get("Retry-After") == "" {
			t.Errorf("call %d: %d %v", i, code, v)
		}
	}
}

func TestHubSpotFormSubmissionsNewestFirst(t *testing.T) {
	r := tiny(t, twin.Options{})
	auth := []string{"Authorization", "Bearer " + twin.DefaultCredentials().HubSpotToken}
	_, forms, _ := r.do("GET", "/marketing/v3/forms", nil, auth...)
	seen := map[string]bool{}
	for _, f := range rows(forms, "results") {
		last, cursor := 1e18, ""
		for {
			code, v, _ := r.do("GET", "/form-integrations/v1/submissions/forms/"+f["id"].(string)+"?limit=7&after="+cursor, nil, auth...)
			if code != 200 {
				t.Fatalf("%d %v", code, v)
			}
			for _, s := range rows(v, "results") {
				if at := s["submittedAt"].(float64); at > last {
					t.Fatalf("form %s: %v after %v", f["name"], at, last)
				} else {
					last = at
				}
				seen[s["conversionId"].(string)] = true
			}
			if cursor = after(v); cursor == "" {
				break
			}
		}
	}
	if int64(len(seen)) != r.tw.Status().Objects["hubspot.form_submissions"] {
		t.Errorf("read %d submissions of %d", len(seen), r.tw.Status().Objects["hubspot.form_submissions"])
	}
}

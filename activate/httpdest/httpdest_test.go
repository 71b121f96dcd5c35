package httpdest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"millrace/activate"
	"millrace/activate/desttest"
	"millrace/internal/config"
)

// world is a simulated system: records by key, and the ugly answers that the suite asks for.
type world struct {
	mu     sync.Mutex
	held   map[string]map[string]any // by address: id and values
	next   int
	fault  desttest.Disturbance
	always bool
	calls  []string
	serve  func(w *world, method, path string, body map[string]any) (status int, answer any)
	wrong  any // a success with an error inside
}

func (s *world) Disturb(d desttest.Disturbance, always bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault, s.always = d, always
}
func (s *world) Calm() { s.Disturb("", false) }
func (s *world) Digest() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var lines []string
	for k, v := range s.held {
		b, _ := json.Marshal(v)
		lines = append(lines, k+string(b))
	}
	sort.Strings(lines)
	return strings.Join(lines, "\n")
}

func (s *world) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	raw, _ := io.ReadAll(r.Body)
	var body map[string]any
	_ = json.Unmarshal(raw, &body)
	s.calls = append(s.calls, r.Method+" "+r.URL.Path+" "+r.Header.Get("Idempotency-Key")+" "+string(raw))
	reads := r.Method == http.MethodGet || strings.HasSuffix(r.URL.Path, "/lookup")
	fault := s.fault
	if reads {
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
		fmt.Fprint(w, `{"error":{"reason":"this key has ended"}}`)
		return
	case desttest.Down:
		panic(http.ErrAbortHandler)
	case desttest.Empty:
		fmt.Fprint(w, `{}`)
		return
	case desttest.ErrorBody:
		_ = json.NewEncoder(w).Encode(s.wrong)
		return
	}
	status, answer := s.serve(s, r.Method, r.URL.Path, body)
	b, _ := json.Marshal(answer)
	switch fault {
	case desttest.LostReply:
		panic(http.ErrAbortHandler)
	case desttest.Truncated:
		b = b[:len(b)/2]
	}
	w.WriteHeader(status)
	if answer != nil {
		_, _ = w.Write(b)
	}
}

func (s *world) write(key string, values map[string]any) (map[string]any, bool) {
	old, there := s.held[key]
	if !there {
		s.next++
		old = map[string]any{"id": fmt.Sprint("p", s.next), "email": key}
		s.held[key] = old
	}
	for k, v := range values {
		old[k] = v
	}
	return old, !there
}

func (s *world) drop(id string) {
	for k, v := range s.held {
		if v["id"] == id {
			delete(s.held, k)
		}
	}
}

// people speaks as the page's example: a list in one call, results by key.
func people(s *world, method, path string, body map[string]any) (int, any) {
	switch {
	case path == "/v1/me":
		return 200, map[string]any{"ok": true}
	case path == "/v1/people/lookup":
		out := []any{}
		list, _ := body["emails"].([]any)
		for _, k := range list {
			if r := s.held[fmt.Sprint(k)]; r != nil {
				out = append(out, r)
			}
		}
		return 200, map[string]any{"people": out}
	case method == http.MethodDelete:
		s.drop(strings.TrimPrefix(path, "/v1/people/"))
		return 204, nil
	}
	list, _ := body["people"].([]any)
	results := []any{}
	for _, x := range list {
		p := x.(map[string]any)
		key := fmt.Sprint(p["email"])
		switch {
		case strings.HasPrefix(key, "whole"): // some mistakes spoil the whole call
			return 422, map[string]any{"errors": []any{map[string]any{"pointer": fmt.Sprintf("/people/%d/email", slices.IndexFunc(list, func(y any) bool { return y.(map[string]any)["email"] == key })), "reason": "forbidden domain"}}}
		case strings.HasPrefix(key, "bad"):
			results = append(results, map[string]any{"email": key, "error": map[string]any{"code": "invalid", "reason": "no such mailbox"}})
			continue
		case body["mode"] == "update" && s.held[key] == nil:
			results = append(results, map[string]any{"email": key, "error": map[string]any{"code": "not_found", "reason": "nobody"}})
			continue
		}
		values := map[string]any{}
		for _, f := range []string{"score", "attributes"} {
			if v, ok := p[f]; ok {
				values[f] = v
			}
		}
		r, made := s.write(key, values)
		results = append(results, map[string]any{"email": strings.ToUpper(key), "id": r["id"], "new": made})
	}
	slices.Reverse(results) // nobody promises an order
	return 200, map[string]any{"results": results}
}

// desk takes one row a call and says what is wrong inside a 200.
func desk(s *world, method, path string, body map[string]any) (int, any) {
	key := strings.TrimPrefix(path, "/contacts/")
	switch {
	case method == http.MethodGet:
		if r := s.held[key]; r != nil {
			return 200, map[string]any{"contact": r}
		}
		return 404, map[string]any{"error": "nobody"}
	case method == http.MethodDelete:
		s.drop(key)
		return 204, nil
	case strings.HasPrefix(key, "bad"):
		return 200, map[string]any{"ok": false, "error": "no such mailbox"}
	case method == http.MethodPatch && s.held[key] == nil:
		return 404, map[string]any{"error": "nobody"}
	case method == http.MethodPost && s.held[fmt.Sprint(body["email"])] != nil:
		return 409, map[string]any{"error": "there is one"}
	case method == http.MethodPost:
		key = fmt.Sprint(body["email"])
	}
	values := map[string]any{}
	if v, ok := body["score"]; ok {
		values["score"] = v
	}
	r, _ := s.write(key, values)
	return 200, map[string]any{"ok": true, "contact": r}
}

const deskFile = `
destination: desk
summary: one contact a call
parameters:
  key: {type: secret, required: true, description: the key}
client:
  base_url: https://desk.example.com
  auth: {type: header, name: X-Key, token: "{config.key}"}
  calls_per_second: 1000
errors:
  - {path: error, contains: try later, class: transient}
objects:
  contact:
    key: email
    fields: {score: number}
    max_batch: 10
    repeat: true
    undo: exact
    operations:
      insert:
        path: /contacts
        body: {email: "{key}", $values: true}
        statuses: {409: exists}
        answer: [{ok: ok, error: error, remote_id: contact.id}]
      upsert:
        method: PUT
        path: /contacts/{key}
        headers: {Idempotency-Key: "{idem}"}
        body: {$values: true}
        answer: [{ok: ok, error: error, remote_id: contact.id}]
      update:
        method: PATCH
        path: /contacts/{key}
        body: {$values: true}
        statuses: {404: missing}
        answer: [{ok: ok, error: error, remote_id: contact.id}]
      archive: {method: DELETE, path: "/contacts/{remote_id}", statuses: {204: acked, 404: acked}}
    read: {path: "/contacts/{key}", records: contact, remote_id: id}
`

func page(t *testing.T) []byte {
	t.Helper()
	b, err := os.ReadFile("../../docs/adding-a-destination.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(b), "\n## 7.")
	if !ok {
		t.Fatal("the page has lost its section 7")
	}
	_, rest, _ = strings.Cut(rest, "```yaml\n")
	block, _, _ := strings.Cut(rest, "```")
	return []byte(block)
}

func opened(t *testing.T, src []byte, cfg, prefix string, s *world) activate.Destination {
	t.Helper()
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	a, err := Load("x.yml", src, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := a.Connector()
	o := c.Options()
	n, err := config.Parse("sync.yml", fmt.Appendf(nil, "%s\nbase_url: %s%s\nallow_private: true\n", cfg, srv.URL, prefix), config.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Decode(o); err != nil {
		t.Fatal(err)
	}
	d, err := c.Open(activate.OpenParams{Sync: "s", Options: o, Now: time.Now, Sleep: func(context.Context, time.Duration) error { return nil }, Rand: func() float64 { return 0 }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func row(i int) (string, map[string]json.RawMessage) {
	return fmt.Sprintf("p%d@example.com", i), map[string]json.RawMessage{"score": json.RawMessage(fmt.Sprint(i + 1))}
}

// Results by key in one list call: the file that the page shows.
func TestListOfRows(t *testing.T) {
	src := page(t)
	desttest.Run(t, desttest.Harness{
		Open: func(t *testing.T) (activate.Destination, desttest.System) {
			s := &world{held: map[string]map[string]any{}, serve: people, wrong: map[string]any{"error": map[string]any{"code": "slow_down"}}}
			return opened(t, src, "token: key-of-people", "/v1", s), s
		},
		Target: activate.Target{Object: "person", Key: "email", Fields: []string{"score", "stage"}, Ops: []activate.Op{activate.Upsert}},
		Row: func(i int) (string, map[string]json.RawMessage) {
			k, v := row(i)
			v["stage"] = json.RawMessage(`"lead"`)
			return k, v
		},
		Bad: func() (string, map[string]json.RawMessage) { return "bad@example.com", nil },
		Misfits: []activate.Target{
			{Object: "person", Key: "email", Fields: []string{"scroe"}, Ops: []activate.Op{activate.Upsert}},
			{Object: "persons", Key: "email", Fields: []string{"score"}}, {Object: "person", Key: "id", Fields: []string{"score"}},
			{Object: "person", Key: "email", Fields: []string{"score"}, Ops: []activate.Op{activate.Event}},
		},
		Secrets: []string{"key-of-people"},
	})
}

// One row a call, and errors inside a 200.
func TestOneRowACall(t *testing.T) {
	desttest.Run(t, desttest.Harness{
		Open: func(t *testing.T) (activate.Destination, desttest.System) {
			s := &world{held: map[string]map[string]any{}, serve: desk, wrong: map[string]any{"ok": false, "error": "try later"}}
			return opened(t, []byte(deskFile), "key: key-of-desk", "", s), s
		},
		Target:  activate.Target{Object: "contact", Key: "email", Fields: []string{"score"}, Ops: []activate.Op{activate.Insert, activate.Upsert}},
		Row:     row,
		Bad:     func() (string, map[string]json.RawMessage) { return "bad@example.com", nil },
		Misfits: []activate.Target{{Object: "contact", Key: "email", Fields: []string{"stage"}}},
		Secrets: []string{"key-of-desk"},
	})
}

// A call that is refused as a whole names the row; an index that points nowhere names nobody.
func TestRefusedCallNamesTheRow(t *testing.T) {
	s := &world{held: map[string]map[string]any{}, serve: people}
	d := opened(t, page(t), "token: k", "/v1", s)
	b := activate.Batch{Target: activate.Target{Object: "person", Key: "email"}, Op: activate.Upsert, Rows: []activate.Row{{ID: "a", IdemKey: "1", Key: "x@example.com"}, {ID: "b", IdemKey: "2", Key: "whole@example.com"}}}
	_, err := d.Send(t.Context(), b)
	named, ok := err.(*activate.RefusedRows)
	if !ok || len(named.Rows) != 1 || named.Rows["b"] != "forbidden domain" {
		t.Fatalf("%v", err)
	}
	if last := s.calls[len(s.calls)-1]; !strings.Contains(last, `"mode":"merge"`) || strings.Contains(last, "batch  {") {
		t.Errorf("a constant or the idempotency key is missing: %s", last)
	}
}

// What an answer does not say is not believed, however it looks.
func TestReading(t *testing.T) {
	rows := []activate.Row{{ID: "a", Key: "a"}, {ID: "b", Key: "b"}}
	for _, c := range []struct {
		name, body, want string
		op               OpDef
	}{
		{"by order", `{"r":[{"id":1},{"id":2}]}`, "a acked 1, b acked 2", OpDef{Answer: []AnswerDef{{Path: "r", Match: "order", RemoteID: "id"}}}},
		{"by order, one is missing", `{"r":[{"id":1}]}`, "", OpDef{Answer: []AnswerDef{{Path: "r", Match: "order", RemoteID: "id"}}}},
		{"without the id", `{"r":[{"id":1},{}]}`, "a acked 1", OpDef{Answer: []AnswerDef{{Path: "r", Match: "order", RemoteID: "id"}}}},
		{"by trace", `[{"ref":"b","ok":"yes"},{"ref":"c","ok":"yes"}]`, "b acked ", OpDef{Answer: []AnswerDef{{Match: "id", At: "ref", Ok: "ok", OkValues: []string{"yes"}}}}},
		{"three lists", `{"new":[{"k":"a","id":7}],"bad":[{"k":"b","why":"no"}]}`, "a acked 7 new, b rejected  no", OpDef{Answer: []AnswerDef{
			{Path: "new", Match: "key", At: "k", Is: "created", RemoteID: "id"}, {Path: "bad", Match: "key", At: "k", Is: "rejected", Message: "why"}}}},
		{"failures only", `{"n":2,"bad":[{"i":1,"why":"no"}]}`, "b rejected  no, a acked ", OpDef{Unnamed: "acked", Proof: "n", Answer: []AnswerDef{{Path: "bad", Match: "index", At: "i", Is: "rejected", Message: "why"}}}},
		{"failures only, an empty success", `{}`, "", OpDef{Unnamed: "acked", Proof: "n", Answer: []AnswerDef{{Path: "bad", Match: "index", At: "i", Is: "rejected"}}}},
		{"classes", `[{"ok":false,"c":"dup"},{"ok":false,"c":"busy"}]`, "a rejected  there is such a record already, b retry ", OpDef{Answer: []AnswerDef{{Match: "order", Ok: "ok", Class: "c", Exists: []string{"dup"}, Retry: []string{"busy"}}}}},
	} {
		v, err := decode([]byte(c.body))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, r := range read(c.op, v, rows, func(s string) string { return s }) {
			text := fmt.Sprintf("%s %s %s", r.ID, r.Status, r.RemoteID)
			if r.Created {
				text += " new"
			}
			if r.Message != "" {
				text += " " + r.Message
			}
			got = append(got, text)
		}
		if strings.Join(got, ", ") != c.want {
			t.Errorf("%s: got %q, want %q", c.name, strings.Join(got, ", "), c.want)
		}
	}
}

func TestBadFilesAreNamed(t *testing.T) {
	for _, c := range []struct{ name, old, new, want string }{
		{"unknown key", "    max_batch: 10\n", "    max_bach: 10\n", `x.yml:16:5: objects.contact.max_bach: unknown key. Did you mean "max_batch"?`},
		{"operation", "      upsert:\n", "      upsrt:\n", `objects.contact.operations.upsrt: is not an operation. Did you mean "upsert"?`},
		{"type", "score: number", "score: numbr", `objects.contact.fields.score: is not a type of field: "numbr". Did you mean "number"?`},
		{"parameter", `"{config.key}"`, `"{config.kee}"`, `there is no parameter "kee"`},
		{"secret in a body", `{email: "{key}", $values`, `{email: "{config.key}", $values`, "a secret would stand in an address or a body"},
		{"placeholder", "path: /contacts/{key}\n        headers", "path: /contacts/{kye}\n        headers", `{kye} means nothing here`},
		{"row in a call of many", "body: {email: \"{key}\", $values: true}\n        statuses: {409: exists}", "body: {a: \"{key}\", b: {$rows: {$values: true}}}", "{key} is of one row, and here the call has many"},
		{"no proof", "ok: ok, error: error, remote_id: contact.id", "error: error", "nothing here says that a row was taken"},
		{"status", "{409: exists}", "{4o9: exists}", "is not a status"},
		{"outcome", "{409: exists}", "{409: exist}", "exists"},
		{"undo", "    read: {path: \"/contacts/{key}\", records: contact, remote_id: id}\n", "", "exact undo writes back what was read before"},
		{"rule for everything", "{path: error, contains: try later, class: transient}", "{class: transient}", "would hold for every answer"},
		{"word", "body: {email: \"{key}\", $values: true}", "body: {email: \"{key}\", $vales: true}", `Did you mean "$values"?`},
		{"auth", "type: header, name: X-Key,", "type: header,", "header authentication needs name"},
		{"name of a parameter", "  key: {type: secret", "  base_url: {type: secret", "is not a name for a parameter"},
	} {
		src := strings.Replace(deskFile, c.old, c.new, 1)
		if src == deskFile {
			t.Fatalf("%s: the file has no %q", c.name, c.old)
		}
		_, err := Load("x.yml", []byte(src), nil)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "x.yml:") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestProjectFiles(t *testing.T) {
	dir := t.TempDir()
	if list, err := Project(dir, nil); err != nil || len(list) != 0 {
		t.Fatal(list, err)
	}
	folder := filepath.Join(dir, filepath.FromSlash(ProjectDir))
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, src := range map[string]string{"a.yml": deskFile, "b.yml": deskFile, "c.yml": "destination: x\n", "notes.md": "none of ours"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(src), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	list, err := Project(dir, nil)
	if err == nil || len(list) != 1 || !strings.Contains(err.Error(), "is declared in activate/connectors/a.yml too") || !strings.Contains(err.Error(), "activate/connectors/c.yml:") {
		t.Errorf("%d %v", len(list), err)
	}
}

func TestBuiltinFilesAreSound(t *testing.T) {
	list, err := Builtin()
	if err != nil || len(list) == 0 {
		t.Fatal(list, err)
	}
}

// The built-in Mailchimp file against its documented answers: members by the MD5 of their address, merge fields nested,
// the status only for new members.
func TestMailchimp(t *testing.T) {
	src, err := os.ReadFile("connectors/mailchimp.yml")
	if err != nil {
		t.Fatal(err)
	}
	const hash = "55502f40dc8b7c769880b10874abc9d0" // MD5 of test@example.com
	there := map[string]any{}
	s := &world{serve: func(_ *world, method, path string, body map[string]any) (int, any) {
		if path == "/3.0/ping" {
			return 200, map[string]any{"health_status": "Everything's Chimpy!"}
		}
		if path != "/3.0/lists/abc/members/"+hash || (method != http.MethodPut && len(there) == 0) {
			return 404, map[string]any{"title": "Resource Not Found", "detail": "not here"}
		}
		if method == http.MethodPut {
			there = map[string]any{"id": hash, "email_address": body["email_address"], "merge_fields": body["merge_fields"]}
		}
		return 200, there
	}}
	d := opened(t, src, "api_key: k-us19", "/3.0", s)
	target := activate.Target{Object: "abc", Key: "email_address", Fields: []string{"merge_fields.FNAME"}, Ops: []activate.Op{activate.Upsert}}
	if err := d.Check(t.Context(), target); err != nil {
		t.Fatal(err)
	}
	rows := []activate.Row{{ID: "r", IdemKey: "i", Key: "test@example.com", Values: map[string]json.RawMessage{"merge_fields.FNAME": json.RawMessage(`"Ada"`)}}}
	a, err := d.Send(t.Context(), activate.Batch{Target: target, Op: activate.Update, Rows: rows})
	if err != nil || a.Results[0].Status != activate.Rejected || a.Results[0].Class != "missing" {
		t.Errorf("update of nobody: %+v %v", a, err)
	}
	a, err = d.Send(t.Context(), activate.Batch{Target: target, Op: activate.Upsert, Rows: rows})
	if err != nil || a.Results[0].Status != activate.Acked || a.Results[0].RemoteID != hash {
		t.Errorf("%+v %v", a, err)
	}
	if last := s.calls[len(s.calls)-1]; !strings.HasSuffix(last, `{"email_address":"test@example.com","merge_fields":{"FNAME":"Ada"},"status_if_new":"transactional"}`) {
		t.Error(last)
	}
	recs, err := d.(activate.Reader).Read(t.Context(), target, rows)
	if err != nil || !recs["r"].Exists || string(recs["r"].Values["merge_fields.FNAME"]) != `"Ada"` {
		t.Errorf("%+v %v", recs, err)
	}
}

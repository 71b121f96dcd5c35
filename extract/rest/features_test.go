package rest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sort"
	"strings"
	"testing"

	"millrace/extract"
	"millrace/extract/landing"
	"millrace/extract/rest"
	"millrace/internal/fault"
	"millrace/internal/httpx"
)

const familyFile = head + `
resources:
  forms:
    primary_key: [id]
    data_selector: data
    endpoint: {path: /forms}
    paginator: {type: cursor, cursor_path: next, cursor_param: after}
    columns: {id: VARCHAR}
  answers:
    primary_key: [form_id, id]
    data_selector: data
    endpoint: {path: "/forms/{resources.forms.id}/answers"}
    paginator: {type: single_page}
    include_from_parent: [id, meta.kind]
    columns: {id: BIGINT, form_id: {type: VARCHAR, path: _forms_id}, kind: {type: VARCHAR, path: _forms_meta_kind}}
  history:
    primary_key: [form_id, property, at]
    data_selector: results
    batch_parents: 2
    endpoint: {method: POST, path: /batch, json: {inputs: {$each: resources.forms, $item: {id: "{resources.forms.id}"}}, properties: [stage]}}
    paginator: {type: single_page}
    explode: {path: history, more_path: paging}
    columns: {form_id: {type: VARCHAR, path: _parent.id}, property: {type: VARCHAR, path: _key}, at: {type: BIGINT, path: at}, value: VARCHAR, n: {type: BIGINT, path: _index}}
  halves:
    primary_key: [id]
    data_selector: data
    partitions: [{archived: "false"}, {archived: "true"}]
    endpoint: {path: /halves, params: {archived: "{partition.archived}"}}
    paginator: {type: single_page}
    columns: {id: VARCHAR}
`

func TestFamilies(t *testing.T) {
	var batches []string
	b := open(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/forms" && r.URL.Query().Get("after") == "":
			fmt.Fprint(w, `{"data":[{"id":"a/1","meta":{"kind":"x"}},{"id":"b"}],"next":"2"}`)
		case r.URL.Path == "/forms":
			fmt.Fprint(w, `{"data":[{"id":"c"}]}`)
		case r.URL.Path == "/batch":
			var in struct{ Inputs []struct{ ID string } }
			if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
				t.Error(err)
			}
			var out, ids []string
			for _, i := range in.Inputs {
				ids = append(ids, i.ID)
				more := ""
				if i.ID == "c" {
					more = `,"paging":{"next":1}`
				}
				out = append(out, fmt.Sprintf(`{"id":%q,"history":{"stage":[{"at":2,"value":"won"},{"at":1,"value":"new"}],"amount":[]}%s}`, i.ID, more))
			}
			batches = append(batches, strings.Join(ids, "+"))
			fmt.Fprintf(w, `{"results":[%s]}`, strings.Join(out, ","))
		case r.URL.Path == "/halves":
			fmt.Fprintf(w, `{"data":[{"id":"archived=%s"}]}`, r.URL.Query().Get("archived"))
		case strings.HasSuffix(r.URL.Path, "/answers"):
			if r.URL.EscapedPath() == "/forms/a%2F1/answers" {
				fmt.Fprint(w, `{"data":[{"id":1},{"id":2}]}`)
				return
			}
			fmt.Fprint(w, `{"data":[{"id":3}]}`)
		}
	}, familyFile, "")
	lines := func(stream string) string {
		g := read(b, stream, landing.Checkpoint{})
		if g.err != nil {
			t.Errorf("%s: %v", stream, g.err)
		}
		var out []string
		for _, r := range g.rows {
			var cells []string
			for k, v := range r {
				if v != nil {
					cells = append(cells, fmt.Sprint(k, "=", v))
				}
			}
			sort.Strings(cells)
			out = append(out, strings.Join(cells, " "))
		}
		for _, x := range g.bad {
			out = append(out, "bad: "+x.Reason)
		}
		return strings.Join(out, "\n")
	}
	if got, want := lines("answers"), "form_id=a/1 id=1 kind=x\nform_id=a/1 id=2 kind=x\nform_id=b id=3\nform_id=c id=3"; got != want {
		t.Errorf("answers:\n%s", got)
	}
	want := "at=2 form_id=a/1 n=0 property=stage value=won\nat=1 form_id=a/1 n=1 property=stage value=new\nat=2 form_id=b n=0 property=stage value=won\nat=1 form_id=b n=1 property=stage value=new\n" +
		"at=2 form_id=c n=0 property=stage value=won\nat=1 form_id=c n=1 property=stage value=new\nbad: the list history of this record is cut off by the vendor: only its beginning was read"
	if got := lines("history"); got != want || strings.Join(batches, " ") != "a/1+b c" {
		t.Errorf("history in batches %v:\n%s", batches, got)
	}
	if got := lines("halves"); got != "id=archived=false\nid=archived=true" {
		t.Errorf("halves:\n%s", got)
	}
}

// A long property list goes out in parts, and the parts of a record come together again by its key.
func TestPropertyChunking(t *testing.T) {
	file := head + `
resources:
  people:
    primary_key: [id]
    data_selector: results
    endpoint: {path: /people, params: {properties: "{properties | csv}"}}
    paginator: {type: cursor, cursor_path: next, cursor_param: after}
    properties: {under: properties, also: [zeta]}
    property_chunking: {max_chars: 50, merge_key: id}
    columns:
      id: VARCHAR
`
	for i := range 12 {
		file += fmt.Sprintf("      c%02d: {type: VARCHAR, path: properties.property_%02d}\n", i, i)
	}
	var lists []string
	unstable := 0
	b := open(t, func(w http.ResponseWriter, r *http.Request) {
		list := r.URL.Query().Get("properties")
		if len(list) > 50 {
			t.Errorf("a list of %d characters was asked for", len(list))
		}
		lists = append(lists, list)
		ids := []int{1, 2}
		next := `,"next":"2"`
		if r.URL.Query().Get("after") == "2" {
			ids, next = []int{3}, ""
		}
		if unstable > 0 && strings.Contains(list, "property_11") {
			unstable--
			ids = []int{9}
		}
		var recs []string
		for _, id := range ids {
			props := map[string]string{}
			for _, p := range strings.Split(list, ",") {
				props[p] = fmt.Sprintf("%s of %d", p, id)
			}
			j, _ := json.Marshal(props)
			recs = append(recs, fmt.Sprintf(`{"id":"%d","properties":%s}`, id, j))
		}
		fmt.Fprintf(w, `{"results":[%s]%s}`, strings.Join(recs, ","), next)
	}, file, "")
	unstable = 1 // a record moved between the calls of one page: the page is asked for again
	g := read(b, "people", landing.Checkpoint{})
	if g.err != nil || g.ids() != "1 2 3" {
		t.Fatalf("%s %v", g.ids(), g.err)
	}
	for _, r := range g.rows {
		for i := range 12 {
			if want := fmt.Sprintf("property_%02d of %v", i, r["id"]); r[fmt.Sprintf("c%02d", i)] != want {
				t.Errorf("%v, want %q", r, want)
			}
		}
		if r["zeta"] != fmt.Sprintf("zeta of %v", r["id"]) {
			t.Errorf("the property without a column was lost: %v", r)
		}
	}
	unstable = 1000
	wantError(t, read(b, "people", landing.Checkpoint{}).err, "", "a page changed between the calls", "Run again")
}

// The project asks for a property of its own, by options and by a column.
func TestProjectProperties(t *testing.T) {
	asked := ""
	b := open(t, func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.Query().Get("properties")
		fmt.Fprint(w, `{"results":[{"id":"1","properties":{"email":"a@b.example","mrr":"12.50","extra":"x"}}]}`)
	}, head+"resources: {people: {endpoint: {path: /}, paginator: {type: single_page}, columns: {id: VARCHAR}}}\n", "")
	file := head + `
resources:
  people:
    primary_key: [id]
    data_selector: results
    endpoint: {path: /people, params: {properties: "{properties | csv}"}}
    paginator: {type: single_page}
    properties: {under: properties}
    columns: {id: VARCHAR, email: {type: VARCHAR, path: properties.email}}
`
	s, err := b.open(mustLoad(t, file, b.srv.URL), "allow_private: true\ntoken: abcdef", []extract.StreamParams{{
		Spec:    extract.StreamSpec{Name: "people", Schema: landing.Schema{Columns: []landing.Column{{Name: "mrr", Type: "DECIMAL(18,4)", Declared: true}}}},
		Options: &rest.StreamOptions{Properties: []string{"extra"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	g := read(s, "people", landing.Checkpoint{})
	if asked != "email,extra,mrr" || g.rows[0]["mrr"] != "12.50" || g.rows[0]["extra"] != "x" {
		t.Errorf("asked for %q, got %v", asked, g.rows)
	}
	specs, err := s.Streams(context.Background())
	if err != nil || len(specs) != 1 || len(specs[0].Schema.Columns) != 3 {
		t.Errorf("%+v %v", specs, err)
	}
	_, err = b.open(mustLoad(t, file, b.srv.URL), "allow_private: true\ntoken: abcdef", []extract.StreamParams{{Spec: extract.StreamSpec{Name: "peoples"}}})
	wantError(t, err, "", "streams.peoples", `Did you mean "people"?`)
}

const jobFile = head + `
resources:
  report:
    primary_key: [id]
    data_selector: rows
    setup:
      - {method: POST, path: /jobs, json: {kind: full}, save: {id: job.id}}
      - {path: "/jobs/{setup.id}", until: {path: state, in: [done], fail: [failed], every: 5s, timeout: 1m}, save: {file: result}}
    endpoint: {path: "{setup.file}"}
    paginator: {type: single_page}
    teardown:
      - {method: POST, path: "/jobs/{setup.id}/close"}
    columns: {id: BIGINT}
`

// A signed link of another host is followed without credentials when the file lists the host, and not at all otherwise.
func TestSignedDownload(t *testing.T) {
	files := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("credentials went to the download host")
		}
		fmt.Fprint(w, `{"rows":[{"id":1}]}`)
	}))
	defer files.Close()
	serve := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/jobs" {
			fmt.Fprint(w, `{"job":{"id":77}}`)
			return
		}
		fmt.Fprintf(w, `{"state":"done","result":"%s/x?sig=abc"}`, files.URL)
	}
	b := open(t, serve, jobFile, "")
	wantError(t, read(b, "report", landing.Checkpoint{}).err, httpx.Config, "is not one of this connector's hosts", "sig=***")
	b = open(t, serve, strings.Replace(jobFile, "  attempts: 3", "  attempts: 3\n  open_hosts: [\""+files.Listener.Addr().String()+"\"]", 1), "")
	if g := read(b, "report", landing.Checkpoint{}); g.err != nil || g.ids() != "1" {
		t.Errorf("%s %v", g.ids(), g.err)
	}
}

func TestReportJobs(t *testing.T) {
	for name, c := range map[string]struct {
		final string
		polls int
		texts []string
	}{
		"done":     {"done", 3, nil},
		"failed":   {"failed", 2, []string{"setup step 2", "the report job failed at the vendor"}},
		"too slow": {"running", 1 << 30, []string{"was not done after 1m0s"}},
	} {
		t.Run(name, func(t *testing.T) {
			polls, closed := 0, 0
			var b *bed
			b = open(t, func(w http.ResponseWriter, r *http.Request) {
				switch r.URL.Path {
				case "/jobs":
					fmt.Fprint(w, `{"job":{"id":77}}`)
				case "/jobs/77":
					state := "running"
					if polls++; polls >= c.polls {
						state = c.final
					}
					fmt.Fprintf(w, `{"state":%q,"result":"%s/files/77"}`, state, b.srv.URL)
				case "/files/77":
					fmt.Fprint(w, `{"rows":[{"id":1},{"id":2}]}`)
				case "/jobs/77/close":
					closed++
					fmt.Fprint(w, `{}`)
				}
			}, jobFile, "")
			g := read(b, "report", landing.Checkpoint{})
			if c.texts == nil && (g.err != nil || g.ids() != "1 2" || polls != 3) {
				t.Errorf("%s after %d polls, %v", g.ids(), polls, g.err)
			}
			if c.texts != nil {
				wantError(t, g.err, "", c.texts...)
			}
			if closed != 1 {
				t.Errorf("the job was closed %d times", closed)
			}
		})
	}
}

const streamedFile = head + `
resources:
  rows:
    primary_key: [id]
    streamed: true
    data_selector: results
    data_missing: empty
    endpoint: {method: POST, path: /stream, json: {query: all}}
    paginator: {type: single_page}
    incremental: {cursor_path: day, type: date, initial_value: "2026-03-01"}
    columns: {id: BIGINT, day: DATE}
`

func TestStreamedAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		bodies []string // one per call, the last repeated
		ids    string
		class  httpx.Class
		texts  []string
	}{
		"two parts":       {[]string{` [ {"results":[{"id":1},{"id":2}],"x":"a]\"}"} , {"results":[{"id":3}]} ] `}, "1 2 3", "", nil},
		"none":            {[]string{`[]`}, "", "", nil},
		"no results":      {[]string{`[{"fieldMask":"id"}]`}, "", "", nil},
		"cut, then whole": {[]string{`[{"results":[{"id":1}]},{"results":[{"i`, `[{"results":[{"id":1}]},{"results":[{"id":2}]}]`}, "1 1 2", "", nil},
		"cut for ever":    {[]string{`[{"results":[{"id":1}]},{"results":[{"i`}, "1 1 1", httpx.Transient, []string{"not a whole JSON array"}},
		"not a list":      {[]string{`{"error":"x"}`}, "", httpx.Transient, []string{"begins with '{'"}},
		"not JSON":        {[]string{`[{"results":[}]]`}, "", httpx.Transient, nil},
	} {
		t.Run(name, func(t *testing.T) {
			n := 0
			b := open(t, func(w http.ResponseWriter, r *http.Request) {
				fmt.Fprint(w, c.bodies[min(n, len(c.bodies)-1)])
				n++
			}, streamedFile, "")
			g := read(b, "rows", landing.Checkpoint{})
			if g.ids() != c.ids {
				t.Errorf("read %q, want %q", g.ids(), c.ids)
			}
			if c.class == "" && g.err != nil {
				t.Error(g.err)
			}
			if c.class != "" {
				wantError(t, g.err, c.class, c.texts...)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	status := 200
	b := open(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Left", "3")
		if r.URL.Path == "/me" && status == 200 {
			fmt.Fprint(w, `{"account":"acme"}`)
			return
		}
		if status != 200 {
			w.WriteHeader(status)
			return
		}
		if r.URL.Path == "/secrets" {
			w.WriteHeader(403)
			return
		}
		fmt.Fprint(w, pageOf("more", 1, 2))
	}, strings.Replace(thingsFile, "resources:", `  api_budget: [{name: day, limit: 1000, per: 24h, remaining_header: X-Left}]
check: [{name: account, path: /me, show: {account: account}, hint: Look}]
resources:
  secrets: {scope: secrets.read, endpoint: {path: /secrets}, paginator: {type: single_page}, columns: {id: BIGINT}}`, 1), "")
	lines := func() string {
		var out []string
		for _, f := range b.Source.(extract.Checker).Check(context.Background()) {
			out = append(out, fmt.Sprintf("%v %s: %s | %s", f.OK, f.Name, f.Info, f.Hint))
		}
		return strings.Join(out, "\n")
	}
	got := lines()
	for _, want := range []string{"true account: account acme", "false stream secrets readable: ", "permission secrets.read", "true 2 streams readable: things, linked", "false rate limits: day: 1000 calls in 24h, 3 left | Less than a twentieth"} {
		if !strings.Contains(got, want) {
			t.Errorf("lacks %q:\n%s", want, got)
		}
	}
	status = 401
	if got := lines(); strings.Count(got, "\n") != 0 || !strings.Contains(got, "false account") || !strings.Contains(got, "Check token under config") {
		t.Errorf("bad credentials are told once:\n%s", got)
	}
}

// What is wrong with a file is said with file, line, key and the nearest right name, all at once.
func TestLoadErrors(t *testing.T) {
	good := strings.ReplaceAll(head, "BASE", "https://api.example.com")
	res := func(s string) string { return good + "resources:\n  things:\n" + s }
	const ok = "    paginator: {type: single_page}\n    columns: {id: BIGINT}\n"
	for name, c := range map[string]struct {
		file  string
		texts []string
	}{
		"unknown key":          {res("    endpont: {path: /x}\n" + ok), []string{"api.yml:13:5: resources.things.endpont: unknown key", `Did you mean "endpoint"?`}},
		"no path":              {res("    endpoint: {params: {a: b}}\n" + ok), []string{"resources.things.endpoint.path: is required and missing"}},
		"no paginator":         {res("    endpoint: {path: /x}\n    columns: {id: BIGINT}\n"), []string{"resources.things.paginator", "type: single_page"}},
		"half a paginator":     {res("    endpoint: {path: /x}\n    paginator: {type: cursor, cursor_path: next}\n    columns: {id: BIGINT}\n"), []string{"cursor_param", "is needed for a paginator of type cursor"}},
		"unknown placeholder":  {res("    endpoint: {path: \"/x/{confg.token}\"}\n" + ok), []string{"{confg.token}: unknown placeholder", `Did you mean "config"?`}},
		"unknown parameter":    {res("    endpoint: {path: \"/x/{config.acount}\"}\n" + ok), []string{`there is no parameter "acount"`}},
		"secret in an address": {res("    endpoint: {path: /x, params: {key: \"{config.token}\"}}\n" + ok), []string{"resources.things.endpoint.params.key", "a secret may not stand in an address"}},
		"unknown filter":       {res("    endpoint: {path: \"/x/{now | unixx}\"}\n" + ok), []string{`unknown filter "unixx"`, `"unix"`}},
		"not incremental":      {res("    endpoint: {path: \"/x/{incremental.start}\"}\n" + ok), []string{"the resource is not incremental"}},
		"unknown parent":       {res("    endpoint: {path: \"/x/{resources.thing.id}\"}\n" + ok), []string{`names resource "thing", which is not in this file`, `Did you mean "things"?`}},
		"its own parent":       {res("    endpoint: {path: \"/x/{resources.things.id}\"}\n" + ok), []string{"parents of each other"}},
		"type of a column":     {res("    endpoint: {path: /x}\n    paginator: {type: single_page}\n    columns: {id: INTEGR}\n"), []string{"resources.things.columns.id", "has no known type", "BIGINT"}},
		"key without column":   {res("    endpoint: {path: /x}\n    primary_key: [idd]\n" + ok), []string{`names "idd", which is not a column`, `Did you mean "id"?`}},
		"merge without key":    {res("    endpoint: {path: /x}\n    write_disposition: merge\n" + ok), []string{"merge needs to know which rows are the same"}},
		"append that repeats":  {res("    endpoint: {path: /x}\n    incremental: {cursor_path: at, initial_value: \"2026-01-01\", lag: 1h}\n" + ok), []string{"appending would double them"}},
		"start of the first":   {res("    endpoint: {path: /x}\n    primary_key: [id]\n    incremental: {cursor_path: at, initial_value: soon}\n" + ok), []string{"initial_value: is not a date or a time: \"soon\"", "-90d"}},
		"name with a path":     {good + "resources:\n  ../x:\n    endpoint: {path: /x}\n" + ok, []string{"is not a stream name"}},
		"base_url":             {strings.ReplaceAll(head, "BASE", "api.example.com") + "resources: {}\n", []string{"client.base_url: is not an address", "https://"}},
		"an action for all":    {res("    endpoint: {path: /x}\n    response_actions: [{action: ignore}]\n" + ok), []string{"would match every answer"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := rest.Load("api.yml", []byte(c.file), nil)
			wantError(t, err, "", append(c.texts, "api.yml:")...)
			if fault.ExitCode(err) != fault.ExitUsage {
				t.Errorf("exit code %d", fault.ExitCode(err))
			}
		})
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(strings.ReplaceAll(thingsFile, "BASE", "https://api.example.com"))
	f.Add(strings.ReplaceAll(jobFile, "BASE", "https://api.example.com"))
	f.Fuzz(func(t *testing.T, s string) {
		if a, err := rest.Load("api.yml", []byte(s), nil); err == nil {
			a.Streams()
		}
	})
}

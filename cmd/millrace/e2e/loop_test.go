package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestLoop is the whole loop (read, build, decide, send, report, the next day) over simulated vendors, as a person runs
// it: the built binary, projects that `millrace demo` made, and the vendors as a process of their own.
func TestLoop(t *testing.T) {
	l := newLoop(t)
	t.Run("NoChange", l.noChange)
	t.Run("Identity", l.identity)
	t.Run("Privacy", l.privacy)
	// What follows waits for the vendors much of the time.
	t.Run("KillNine", l.killNine)
	t.Run("Faults", l.faults)
	t.Run("HostileVendors", l.hostile)
}

// loop holds what the tests start from. The folders are copied, never worked in.
type loop struct {
	left  string // the project as `millrace demo --size tiny` leaves it
	fresh string // the same project before its first day: nothing read, nothing sent; the CRM has the properties
	calm  string // the fresh project after an undisturbed first day
	demo  demoOutput
	day   *undisturbed
}

// demoOutput is what these tests read of `millrace demo --json`.
type demoOutput struct {
	Project string `json:"project"`
	Days    []struct {
		Date string `json:"date"`
		Sync map[string]struct {
			Planned, Acked, Rejected, Unknown int
		} `json:"sync"`
		Decisions map[string]int `json:"decisions"`
		Errors    []string       `json:"errors"`
	} `json:"days"`
	Seconds float64 `json:"seconds"`
}

func newLoop(t *testing.T) *loop {
	t.Helper()
	base := t.TempDir()
	l := &loop{left: filepath.Join(base, "left"), fresh: filepath.Join(base, "fresh"), calm: filepath.Join(base, "calm")}
	r := must(t, base, nil, "demo", "--dir", "left", "--size", "tiny", "--json")
	if err := json.Unmarshal([]byte(r.stdout), &l.demo); err != nil || len(l.demo.Days) != 2 {
		t.Fatalf("demo --json: %v, %d days\n%s", err, len(l.demo.Days), r.stdout)
	}
	if err := os.CopyFS(l.fresh, os.DirFS(l.left)); err != nil {
		t.Fatal(err)
	}
	for _, made := range []string{".millrace", "out", "data"} {
		if err := os.RemoveAll(filepath.Join(l.fresh, made)); err != nil {
			t.Fatal(err)
		}
	}
	v := serveVendors(t, l.fresh)
	for name, kind := range map[string]string{"millrace_score": "number", "millrace_score_reason": "string", "millrace_person_id": "string", "millrace_next_step": "string"} {
		v.call("POST", "/crm/v3/properties/contacts", map[string]string{"name": name, "label": name, "type": kind,
			"fieldType": map[string]string{"number": "number", "string": "text"}[kind], "groupName": "contactinformation"}, nil)
	}
	v.stop()
	l.day = calmDay(t, l.fresh, l.calm)
	return l
}

// vendors are the simulated vendors, in a process of their own.
type vendors struct {
	t    testing.TB
	url  string
	stop func()
}

// serveVendors starts the vendors on the project's own state and points the project at their address.
func serveVendors(t testing.TB, dir string, args ...string) *vendors {
	t.Helper()
	c := command(dir, nil, append([]string{"twin", "--json", "--dir", ".millrace/twin", "--files", "data/twin", "--addr", "127.0.0.1:0", "--size", "tiny", "--seed", "1"}, args...)...)
	var errs bytes.Buffer
	c.Stderr = &errs
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	stopped := false
	v := &vendors{t: t, stop: func() {
		if !stopped {
			stopped = true
			_ = c.Process.Kill() // the state file is synced before each answer; nothing is lost
			_ = c.Wait()
		}
	}}
	t.Cleanup(v.stop)
	var at struct{ URL string }
	if err := json.NewDecoder(out).Decode(&at); err != nil {
		v.stop()
		t.Fatalf("millrace twin: %v\n%s", err, errs.String())
	}
	go func() { _, _ = io.Copy(io.Discard, out) }()
	v.url = at.URL
	edit(t, filepath.Join(dir, "millrace.yml"), loopback, strings.TrimPrefix(v.url, "http://"))
	edit(t, filepath.Join(dir, ".env"), loopback, strings.TrimPrefix(v.url, "http://"))
	return v
}

var loopback = regexp.MustCompile(`127\.0\.0\.1:\d+`)

// keepOnFailure leaves the folders of a failed test in MILLRACE_E2E_KEEP, if that is set, for a person to look into.
func keepOnFailure(t *testing.T, dirs ...string) {
	t.Cleanup(func() {
		to := os.Getenv("MILLRACE_E2E_KEEP")
		if to == "" || !t.Failed() {
			return
		}
		for _, dir := range dirs {
			if err := os.CopyFS(filepath.Join(to, strings.ReplaceAll(t.Name(), "/", "-"), filepath.Base(dir)), os.DirFS(dir)); err != nil {
				t.Log(err)
			}
		}
	})
}

// edit replaces in a file; what is to be replaced must be there.
func edit(t testing.TB, path string, old *regexp.Regexp, with string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !old.Match(text) {
		t.Fatalf("%s holds no %s", path, old)
	}
	if err := os.WriteFile(path, old.ReplaceAllLiteral(text, []byte(with)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// call asks the vendors as their clients would; any status but 2xx ends the test.
func (v *vendors) call(method, path string, body, into any) {
	v.t.Helper()
	v.callAs("pat-twin-hubspot", method, path, body, into)
}

func (v *vendors) callAs(token, method, path string, body, into any) {
	v.t.Helper()
	raw, err := json.Marshal(body)
	if err != nil {
		v.t.Fatal(err)
	}
	req, err := http.NewRequest(method, v.url+path, bytes.NewReader(raw))
	if err != nil {
		v.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		v.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 300 {
		v.t.Fatalf("%s %s: %s %v\n%s", method, path, resp.Status, err, text)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal(text, into); err != nil {
		v.t.Fatalf("%s %s: %v\n%s", method, path, err, text)
	}
}

// digest is a hash of what the vendors hold, without times and histories.
func (v *vendors) digest() string {
	v.t.Helper()
	var out struct{ Digest string }
	v.call("GET", "/_twin/digest", nil, &out)
	return out.Digest
}

// objects are the vendors' counts, such as slack.messages.
func (v *vendors) objects() map[string]int64 {
	v.t.Helper()
	var out struct{ Objects map[string]int64 }
	v.call("GET", "/_twin/state", nil, &out)
	return out.Objects
}

// vendorWrite is one entry of the vendors' ledger of effective writes.
type vendorWrite struct {
	Seq                     int64
	Vendor, Object, Key, Op string
	Fields                  map[string]string
	Changed                 []string
}

func (v *vendors) writes() []vendorWrite {
	v.t.Helper()
	var out struct{ Writes []vendorWrite }
	v.call("GET", "/_twin/writes", nil, &out)
	return out.Writes
}

// faults tells the vendors to misbehave, instead of how they misbehaved before.
func (v *vendors) faults(list ...map[string]any) {
	v.t.Helper()
	v.call("DELETE", "/_twin/faults", nil, nil)
	if len(list) > 0 {
		v.call("POST", "/_twin/faults", list, nil)
	}
}

// contacts are the CRM's contacts by address, with the properties that Millrace writes.
func (v *vendors) contacts() map[string]map[string]string {
	v.t.Helper()
	out := map[string]map[string]string{}
	for after := ""; ; {
		var page struct {
			Results []struct {
				ID         string
				Properties map[string]*string
			}
			Paging struct{ Next struct{ After string } }
		}
		v.call("GET", "/crm/v3/objects/contacts?limit=100&properties=email,millrace_score,millrace_score_reason,millrace_person_id,millrace_next_step&after="+after, nil, &page)
		for _, r := range page.Results {
			p := map[string]string{}
			for k, val := range r.Properties {
				if val != nil {
					p[k] = *val
				}
			}
			if p["email"] != "" {
				if out[p["email"]] != nil {
					v.t.Errorf("the CRM holds two contacts of %s", p["email"])
				}
				out[p["email"]] = p
			}
		}
		if after = page.Paging.Next.After; after == "" {
			return out
		}
	}
}

// posts are the messages of the revenue channel and their threads, without times, and without the build that each names.
func (v *vendors) posts() []string {
	v.t.Helper()
	const token, channel = "xoxb-twin-slack", "C0REVENUE1"
	type message struct {
		TS, Text string
		Blocks   json.RawMessage
	}
	var out []string
	told := func(kind string, m message) {
		out = append(out, buildID.ReplaceAllString(kind+" "+m.Text+" "+string(m.Blocks), "BUILD"))
	}
	var list, thread struct{ Messages []message }
	v.callAs(token, "GET", "/api/conversations.history?limit=200&channel="+channel, nil, &list)
	for _, m := range list.Messages {
		told("message", m)
		v.callAs(token, "GET", "/api/conversations.replies?limit=200&channel="+channel+"&ts="+m.TS, nil, &thread)
		for _, r := range thread.Messages {
			if r.TS != m.TS {
				told("reply", r)
			}
		}
	}
	return out
}

var buildID = regexp.MustCompile(`\d{8}-\d{6}-\d{3}`)

// prod is the environment in which the loop's commands work: they may send.
var prod = []string{"MILLRACE_TARGET=prod"}

// loopRows reads rows of the published build of prod.
func loopRows(t testing.TB, dir, sql string) []map[string]any {
	t.Helper()
	r := must(t, dir, prod, "query", "--json", sql)
	dec := json.NewDecoder(strings.NewReader(r.stdout))
	dec.UseNumber()
	var rows []map[string]any
	if err := dec.Decode(&rows); err != nil {
		t.Fatalf("query %s: %v\n%s", sql, err, r.stdout)
	}
	return rows
}

// text is a value as the CRM holds it: nothing is the empty string.
func text(v any) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

// nothingLostNorDoubled compares what the warehouse says was sent with what the vendors hold.
func nothingLostNorDoubled(t testing.TB, dir string, v *vendors) {
	t.Helper()
	contacts, wrong := v.contacts(), 0
	want := loopRows(t, dir, "select crm_email, score, score_reason, person_id, next_step from activation.crm_contact_updates")
	if len(want) < 100 {
		t.Fatalf("%d contacts to send: the market is not the one these tests are written for", len(want))
	}
	for _, w := range want {
		c := contacts[text(w["crm_email"])]
		for property, column := range map[string]string{"millrace_score": "score", "millrace_score_reason": "score_reason", "millrace_person_id": "person_id", "millrace_next_step": "next_step"} {
			if c[property] != text(w[column]) && wrong < 5 {
				wrong++
				t.Errorf("%s: the CRM holds %s %q, the warehouse sent %q", text(w["crm_email"]), property, c[property], text(w[column]))
			}
		}
	}
	if made := int64(len(contacts)); made > v.objects()["hubspot.contacts"] {
		t.Errorf("%d contacts by address, %d in all", made, v.objects()["hubspot.contacts"])
	}
	for _, x := range v.writes() {
		if x.Vendor == "hubspot" && x.Op == "create" && strings.Contains(x.Object, "contact") {
			t.Errorf("the sync made a contact, %s; it should only have met known ones", x.Key)
		}
	}
	// Rows of an earlier plan may have been superseded by a later one; those of the newest all have arrived.
	for _, s := range loopRows(t, dir, `select sync, plan_id, state, unknown, waiting,
		row_number() over (partition by sync order by created_at desc, finished_at desc) as place from ops.syncs where verdict not in ('blocked', 'empty') and state <> 'void'`) {
		if text(s["unknown"]) != "0" || text(s["waiting"]) != "0" && text(s["place"]) == "1" || text(s["state"]) != "applied" {
			t.Errorf("plan %s of %s is %s with %s rows unknown and %s waiting", s["plan_id"], s["sync"], s["state"], s["unknown"], s["waiting"])
		}
	}
}

// notContent are relations of which a disturbed project has other rows than an undisturbed one, and should. They list the
// calls that were made, of which a killed run makes some twice, and the plans, of which a run that was killed before it
// sent anything leaves one that is void. A row says how it was learned that it had arrived, if the answer was lost. What all
// that came to is in sentAndPlanned.
var notContent = []string{"ops.attempts", "ops.attempt_rows", "ops.jobs", "ops.rows", "ops.plans", "ops.syncs", "ops.approvals", "ops.breakers", "ops.system_actions"}

// sentAndPlanned are the plans that were not void and the rows that they sent, with what became of each, as text.
func sentAndPlanned(t testing.TB, dir string) []string {
	t.Helper()
	var out []string
	for _, sql := range []string{
		`select sync, destination, object, kind, verdict, state, planned, acked, rejected, unknown, waiting, created_at
			from ops.syncs where state <> 'void' order by all`,
		`select sync, subject, operation, state, class, fields, decision_id, remote_id, made_record from ops.rows order by all`,
	} {
		for _, r := range loopRows(t, dir, sql) {
			out = append(out, fmt.Sprint(r))
		}
	}
	return out
}

// relationDigests is the digest of each relation of the published build of prod.
func relationDigests(t testing.TB, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	s := bufio.NewScanner(strings.NewReader(must(t, dir, prod, "digest", "--relations").stdout))
	for s.Scan() {
		if f := strings.Fields(s.Text()); len(f) == 3 && strings.Contains(f[0], ".") && !slices.Contains(notContent, f[0]) {
			out[f[0]] = f[2]
		}
	}
	if len(out) < 100 {
		t.Fatalf("digest --relations names %d relations", len(out))
	}
	return out
}

// at9 is the morning of a day, as --now takes it.
func at9(day time.Time) string { return day.Add(9 * time.Hour).Format(time.RFC3339) }

var firstDay = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

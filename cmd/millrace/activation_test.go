package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"millrace/internal/twin"
	"millrace/internal/twin/store"
)

// lab is a project in a folder whose destinations are a twin, driven through the command line in this process.
type lab struct {
	t    *testing.T
	dir  string
	tw   *twin.Twin
	base string
	now  time.Time
}

func newLab(t *testing.T) *lab {
	t.Helper()
	tw, err := twin.New(twin.Options{Size: "tiny"})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(tw.Handler())
	t.Cleanup(func() { srv.Close(); tw.Close() })
	l := &lab{t: t, dir: t.TempDir(), tw: tw, base: srv.URL, now: time.Date(2026, 3, 2, 6, 0, 0, 0, time.UTC)}
	l.properties()
	l.write("millrace.yml", "version: 1\nname: lab\n")
	l.leads(12, 0)
	l.write("sql/scores/lead_score.sql", "/* ---\ndescription: one score a person\nunique_key: person_id\n--- */\nselect person_id, score, email from seeds.leads\n")
	l.write("sql/core/consents.sql", "/* ---\ndescription: what people agreed to\n--- */\nselect person_id, 'advertising' as purpose, consent as status, consent = 'granted' as is_allowed from seeds.leads\n")
	l.write("sql/core/assignments.sql", "/* ---\ndescription: what people did\n--- */\nselect person_id, human_action from seeds.leads\n")
	l.write("sql/segments/hot.sql", "/* ---\ndescription: leads with their next step\nunique_key: person_id\ncolumns: {email: {pii: email}}\n--- */\n"+
		"select scores.person_id, scores.email, scores.score, decisions.choice as next_step, decisions.decision_id\nfrom scores.lead_score as scores\nleft join decisions.current as decisions on decisions.subject = scores.person_id\n")
	l.write("models/lead_routing.yml", "version: 1\nscore: scores.lead_score\nrule: score > 80 -> sales, else nurture\nowner: ann\nmode: live\ncompare: {relation: core.assignments}\n")
	l.write("activate/scores.yml", `version: 1
owner: ann
live: true
relation: segments.hot
destination: hubspot
config: {token: pat-twin-hubspot, base_url: "${TWIN}", allow_private: true}
object: contacts
key: email
decision: decision_id
mapping: {lead_score: score, next_step: {column: next_step, null: clear}}
`)
	c := twin.DefaultCredentials()
	l.write("activate/audience.yml", fmt.Sprintf(`version: 1
owner: ann
live: true
relation: segments.hot
destination: google_data_manager
config: {customer_id: %q, client_id: %s, client_secret: %s, refresh_token: %q, ad_user_data: granted, ad_personalization: granted, customer_match_terms_accepted: true, base_url: "${TWIN}", token_url: "${TWIN}/token", allow_private: true}
object: %q
mode: audience
key: person_id
mapping: {email: email}
subject: person_id
purpose: advertising
channel: ads
guardrails: {first_run: allow, max_removed_pct: 100}
`, c.GoogleAdsCustomer, c.GoogleClientID, c.GoogleClientSecret, c.GoogleRefreshToken, c.AudienceList))
	return l
}

func (l *lab) write(path, text string) {
	l.t.Helper()
	full := filepath.Join(l.dir, path)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		l.t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
		l.t.Fatal(err)
	}
}

// properties makes the portal's own properties that the sync writes.
func (l *lab) properties() {
	l.t.Helper()
	for _, p := range []string{"lead_score", "next_step"} {
		kind := map[string]string{"lead_score": "number", "next_step": "string"}[p]
		body := fmt.Sprintf(`{"name":%q,"label":%q,"type":%q,"fieldType":%q,"groupName":"contactinformation"}`, p, p, kind, map[string]string{"number": "number", "string": "text"}[kind])
		l.call("POST", "/crm/v3/properties/contacts", body)
	}
}

// leads writes the seed: n people, scores moved by shift.
func (l *lab) leads(n, shift int) {
	var b strings.Builder
	b.WriteString("person_id,email,score,consent,human_action\n")
	for i := range n {
		score := 60 + 3*i + shift
		consent, human := "granted", "nurture"
		if i == 1 {
			consent = "denied"
		}
		if score > 85 {
			human = "sales"
		}
		fmt.Fprintf(&b, "p%02d,Lead%02d@Lab.example,%d,%s,%s\n", i, i, score, consent, human)
	}
	l.write("sql/seeds/leads.csv", b.String())
}

func (l *lab) call(method, path, body string) {
	l.t.Helper()
	req, err := http.NewRequest(method, l.base+path, strings.NewReader(body))
	if err != nil {
		l.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer pat-twin-hubspot")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		l.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		l.t.Fatalf("%s %s: %s", method, path, resp.Status)
	}
}

// mr runs one command and gives its exit code and both streams.
func (l *lab) mr(args ...string) (int, string, string) {
	l.t.Helper()
	var out, errs bytes.Buffer
	args = append([]string{"-C", l.dir}, args...)
	a := newApp(args, []string{"TWIN=" + l.base, "USER=ann", "NO_COLOR=1", "MILLRACE_TARGET=prod"}, strings.NewReader(""), &out, &errs, func() time.Time { return l.now })
	code := a.run(context.Background())
	l.now = l.now.Add(time.Second)
	return code, out.String(), errs.String()
}

func (l *lab) must(args ...string) string {
	l.t.Helper()
	code, out, errs := l.mr(args...)
	if code != 0 {
		l.t.Fatalf("millrace %s: exit %d\n%s\n%s", strings.Join(args, " "), code, out, errs)
	}
	return out
}

func (l *lab) json(into any, args ...string) int {
	l.t.Helper()
	code, out, errs := l.mr(append(args, "--json")...)
	if err := json.Unmarshal([]byte(out), into); err != nil {
		l.t.Fatalf("millrace %s --json: exit %d: %v\n%s\n%s", strings.Join(args, " "), code, err, out, errs)
	}
	return code
}

func (l *lab) fails(code int, want string, args ...string) {
	l.t.Helper()
	got, out, errs := l.mr(args...)
	if got != code || !strings.Contains(out+errs, want) {
		l.t.Errorf("millrace %s: exit %d, want %d with %q\n%s\n%s", strings.Join(args, " "), got, code, want, out, errs)
	}
}

// contact gives what the simulated portal holds.
func (l *lab) contact(i int, property string) (v string) {
	l.tw.View(func(s *store.State) {
		t := s.CRM.Table("contacts")
		if r := t.ByUnique("email", fmt.Sprintf("lead%02d@lab.example", i)); r != nil && !r.Archived {
			v, _ = t.Value(r, property)
		}
	})
	return v
}

func (l *lab) members() (n int) {
	l.tw.View(func(s *store.State) { n = len(s.Audiences.List(twin.DefaultCredentials().AudienceList).Members) })
	return n
}

type planView struct {
	ID      string         `json:"plan_id"`
	State   string         `json:"state"`
	Verdict string         `json:"verdict"`
	Changes int            `json:"changes"`
	Ops     map[string]int `json:"ops"`
	Drops   map[string]int `json:"drops"`
}

func (l *lab) plan(sync string) planView {
	l.t.Helper()
	var out struct {
		Plans []planView `json:"plans"`
	}
	l.json(&out, "plan", sync)
	if len(out.Plans) != 1 {
		_, _, errs := l.mr("plan", sync)
		l.t.Fatalf("%+v\n%s", out, errs)
	}
	return out.Plans[0]
}

// A morning: decide, preview, plan, approve, apply, stop, undo, through the command line against the twin.
func TestDecideAndActVerbs(t *testing.T) {
	l := newLab(t)
	l.must("build")
	l.fails(2, `Did you mean "lead_routing"`, "decide", "lead_ruting")
	out := l.must("decide")
	if !strings.Contains(out, "lead_routing") || !strings.Contains(out, "7 nurture, 5 sales") {
		t.Errorf("decide:\n%s", out)
	}
	out = l.must("decide", "lead_routing", "--preview", "70")
	if !strings.Contains(out, "3 of 12 subjects change side") || !strings.Contains(out, "score > 70 -> sales, else nurture") {
		t.Errorf("preview:\n%s", out)
	}
	l.fails(0, "3 of 12 subjects change side", "decide", "lead_routing", "--preview=score > 70 -> sales, else nurture")
	l.fails(2, "no `->`", "decide", "lead_routing", "--preview=score > 70")
	out = l.must("decide", "lead_routing", "--agreement")
	if !strings.Contains(out, "10 of 12 compared decisions agree") || !strings.Contains(out, "It is live, but would not be let live now: 12 of the 100") {
		t.Errorf("agreement:\n%s", out)
	}
	l.must("build") // decisions become SQL

	p := l.plan("scores")
	if p.State != "waiting" || p.Changes != 12 || l.contact(5, "lead_score") != "" {
		t.Fatalf("%+v", p)
	}
	l.fails(4, p.ID, "plan", "scores", "--fail-on-pending")
	l.fails(4, "waits for a person", "apply", p.ID)
	// Another target has a state and a build of its own, and never sends.
	l.must("build", "--target", "dev")
	l.must("decide", "--target", "dev")
	l.must("build", "--target", "dev")
	var dev struct {
		Plans []planView `json:"plans"`
	}
	l.json(&dev, "plan", "scores", "--target", "dev")
	l.must("approve", dev.Plans[0].ID, "--target", "dev")
	l.fails(2, "target dev never sends", "apply", dev.Plans[0].ID, "--target", "dev")
	l.must("approve", p.ID, "--by", "bob", "--reason", "checked")
	l.fails(2, "approved already", "approve", p.ID)
	out = l.must("apply", p.ID)
	if !strings.Contains(out, "12 acknowledged") || l.contact(5, "lead_score") != "75" || l.contact(11, "next_step") != "sales" {
		t.Errorf("apply:\n%s", out)
	}
	out = l.must("plan", "--show", p.ID)
	if !strings.Contains(out, "approved by bob (person)") || strings.Contains(out, "Lead05") || strings.Contains(out, "lead05") {
		t.Errorf("show:\n%s", out)
	}
	if q := l.plan("scores"); q.Verdict != "empty" {
		t.Errorf("%+v", q)
	}

	// The audience: one said no.
	if q := l.plan("audience"); q.State != "approved" || q.Ops["add"] != 11 || q.Drops["consent_denied"] != 1 {
		t.Errorf("%+v", q)
	}
	l.must("apply", "audience")
	if l.members() != 11 {
		t.Errorf("%d members", l.members())
	}

	// Stopped: nothing goes out, nothing is lost.
	l.leads(12, 1)
	l.must("build")
	l.fails(2, "Did you mean", "stop", "hubsport")
	l.must("stop", "all", "--reason", "drill")
	q := l.plan("scores")
	l.must("approve", q.ID)
	l.fails(1, "drill", "apply", q.ID)
	if l.contact(5, "lead_score") != "75" {
		t.Error("a stopped sync was sent")
	}
	l.fails(0, "hubspot was not stopped", "start", "hubspot")
	l.must("start", "all")
	l.must("apply")
	if l.contact(5, "lead_score") != "76" {
		t.Errorf("score is %s", l.contact(5, "lead_score"))
	}

	// Somebody edits one contact; the rest is taken back.
	l.tw.View(func(*store.State) {})
	l.call("PATCH", "/crm/v3/objects/contacts/lead03@lab.example?idProperty=email", `{"properties":{"lead_score":"1"}}`)
	out = l.must("undo", q.ID)
	if !strings.Contains(out, "1 records were changed by somebody since") || !strings.Contains(out, "Waits for a person") || l.contact(5, "lead_score") != "76" {
		t.Errorf("undo:\n%s", out)
	}
	out = l.must("undo", q.ID, "--yes", "--reason", "wrong column")
	if l.contact(5, "lead_score") != "75" || l.contact(3, "lead_score") != "1" {
		t.Errorf("undone: %s, edited: %s\n%s", l.contact(5, "lead_score"), l.contact(3, "lead_score"), out)
	}
	if q := l.plan("scores"); q.Verdict != "empty" {
		t.Errorf("the mistake is planned again: %+v", q)
	}

	// What the system did is SQL.
	l.must("build")
	var n []struct {
		Rows  int `json:"n"`
		Taken int `json:"undone"`
	}
	l.json(&n, "query", "select count(*) as n, count(*) filter (state = 'undone') as undone from ops.rows where sync = 'scores' and undoes is null")
	if len(n) != 1 || n[0].Rows != 24 || n[0].Taken != 11 {
		t.Errorf("%+v", n)
	}
	out = l.must("query", "--format", "csv", "select decision_id is not null as logged, count(*) as n from ops.rows join decisions.log using (decision_id) group by all")
	if !strings.Contains(out, "true") {
		t.Errorf("decisions of rows:\n%s", out)
	}

	// A mapping mistake is stopped by name.
	l.write("sql/segments/hot.sql", strings.Replace("/* ---\ndescription: leads\nunique_key: person_id\n--- */\nselect person_id, email, score, if(score > 80, null, 'nurture') as next_step, null as decision_id from scores.lead_score\n", "null as decision_id", "cast(null as varchar) as decision_id", 1))
	l.must("build")
	bad := l.plan("scores")
	if bad.State != "blocked" {
		t.Errorf("%+v", bad)
	}
	l.fails(2, "next_step would become empty", "approve", bad.ID)
	out = l.must("plan", "--list")
	if !strings.Contains(out, bad.ID) || !strings.Contains(out, "undo") {
		t.Errorf("list:\n%s", out)
	}
}

func TestActivationMessages(t *testing.T) {
	l := newLab(t)
	l.fails(1, "nothing is published yet", "plan")
	l.must("build")
	for name, c := range map[string]struct{ file, text, want string }{
		"unknown column": {"activate/scores.yml", "lead_score: score", `Did you mean "score"`},
	} {
		src, err := os.ReadFile(filepath.Join(l.dir, c.file))
		if err != nil {
			t.Fatal(err)
		}
		l.write(c.file, strings.Replace(string(src), c.text, "lead_score: scorr", 1))
		got, out, errs := l.mr("plan", "scores")
		if got == 0 || !strings.Contains(out+errs, c.want) || !strings.Contains(out+errs, "activate/scores.yml:") {
			t.Errorf("%s: %d\n%s%s", name, got, out, errs)
		}
		l.write(c.file, string(src))
	}
	src, _ := os.ReadFile(filepath.Join(l.dir, "activate/scores.yml"))
	for text, want := range map[[2]string]string{
		{"lead_score: score", "lead_scoer: score"}:                   `Did you mean "lead_score"`,
		{"pat-twin-hubspot", "pat-wrong"}:                            "make a new one in HubSpot",
		{"key: email", "key: {field: company, column: email}"}:       "does not keep this property unique",
		{"destination: hubspot", "destination: hubsport"}:            `Did you mean "hubspot"`,
		{"decision: decision_id\n", "decisoin: decision_id\n"}:       `Did you mean "decision"`,
		{"live: true\n", "live: true\nguardrails: {min_rows: 99}\n"}: "12 rows, at least 99 are expected",
	} {
		l.write("activate/scores.yml", strings.Replace(string(src), text[0], text[1], 1))
		_, out, errs := l.mr("plan", "scores")
		if !strings.Contains(out+errs, want) || strings.Contains(out+errs, "pat-twin-hubspot") {
			t.Errorf("%s: want %q\n%s%s", text[1], want, out, errs)
		}
	}
	l.write("activate/scores.yml", string(src))
	l.fails(2, "there is no such plan", "apply", "p_nobody")
	l.fails(2, "there is no such sync", "plan", "nobody")
}

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"millrace/activate"
	"millrace/internal/twin"
)

// TestQualityHolds goes through the life of a breach: one is found, what descends from its relation is held and nothing
// else, it is told once, a person may let a plan through, and what is mended is released and told.
func TestQualityHolds(t *testing.T) {
	l := newLab(t)
	l.write("millrace.yml", "version: 1\nname: lab\nalerts:\n  on_failure: [sh, -c, \"cat >> told\"]\n")
	l.write("sql/scores/lead_score.sql", "/* ---\ndescription: one score a person\nunique_key: person_id\n--- */\nselect person_id, score, email from staging.leads\n")
	l.write("sql/staging/leads.sql", "/* ---\ndescription: leads\n--- */\nselect * from seeds.leads\n")
	l.write("sql/segments/news.sql", "/* ---\ndescription: who reads the news, from another source\nunique_key: person_id\ncolumns: {email: {pii: email}}\n--- */\nselect person_id, email from seeds.leads\n")
	l.edit("activate/audience.yml", "relation: segments.hot", "relation: segments.news")
	l.write("sql/quality/repairs.sql", "/* ---\ndescription: what to repair\n--- */\nselect 'crm' as source, 'leads' as stream, person_id as _row_id, 'email' as column_name, 'email_missing' as repair_rule,\n  'enter it' as consequence, 'missing ids' as check_name, 'crm.leads' as object, 'unusable' as effect, null::varchar as twin_id\nfrom staging.leads\nwhere email is null or email = ''\n")
	l.write("sql/quality/checks.sql", `/* ---
description: checks
--- */
select 'missing ids' as check_name, 'crm.leads' as object, 'completeness' as category, avg((coalesce(email, '') = '')::integer) as value,
  0.03 as warn_above, 0.05 as fail_above, 0.05 as hold_above, sum((coalesce(email, '') = '')::integer)::bigint as broken, count(*) as checked_rows,
  case when value > 0.05 then 'fail' else 'pass' end as status, case when value > 0.05 then 'hold' else 'none' end as effect,
  'staging.leads' as relation, 'crm' as source, 'missing ids: ' || sum((coalesce(email, '') = '')::integer)::bigint || ' of ' || count(*) || ' records of crm.leads' as detail, 'fill them in' as remedy
from staging.leads
`)
	var sum runSummary
	l.json(&sum, "run")
	if sum.Quality == nil || len(sum.Quality.Held) != 0 || len(sum.Errors) != 0 {
		t.Fatalf("a clean run: %+v, errors %v", sum.Quality, sum.Errors)
	}
	told := func() int {
		text, _ := os.ReadFile(filepath.Join(l.dir, "told"))
		return strings.Count(string(text), `"run_id"`)
	}
	clean, err := os.ReadFile(filepath.Join(l.dir, "sql/seeds/leads.csv"))
	if err != nil {
		t.Fatal(err)
	}
	// One of twelve loses its address, and every score moves.
	l.leads(12, 5)
	l.edit("sql/seeds/leads.csv", "Lead04@Lab.example", "")
	code, out, errs := l.mr("run")
	if code != 1 {
		t.Errorf("exit %d with data held", code)
	}
	for _, want := range []string{"quality  HOLD", "missing ids: 1 of 12 records of crm.leads; holds sync scores, policy lead_routing", "records: leads p04", "decide   HOLD"} {
		if !strings.Contains(out, want) {
			t.Errorf("the run does not say %q:\n%s", want, out)
		}
	}
	if !strings.Contains(errs, "sync scores, policy lead_routing") || !strings.Contains(errs, "millrace quality") {
		t.Errorf("the error names neither what is held nor what to do: %s", errs)
	}
	if n := told(); n != 1 {
		t.Errorf("the alert was told %d times after the first breach", n)
	}
	// The same night again: still held, still exit 1, nobody is woken twice.
	sum = runSummary{}
	if code := l.json(&sum, "run"); code != 1 || len(sum.Quality.Held) != 1 || sum.Quality.News {
		t.Errorf("second night: exit %d, %+v", code, sum.Quality)
	}
	if n := told(); n != 1 {
		t.Errorf("the alert was told %d times for one breach", n)
	}
	byName := map[string]syncSummary{}
	for _, s := range sum.Sync {
		byName[s.Sync] = s
	}
	if s := byName["scores"]; s.Verdict != "hold" || s.Acked > 0 || !strings.Contains(s.Waiting, "missing ids") {
		t.Errorf("the sync that descends from the breach: %+v", s)
	}
	if s := byName["audience"]; strings.Contains(s.Waiting, "missing ids") {
		t.Errorf("the sync that does not descend from it is held: %+v", s)
	}
	if sum.Decide[0].Waiting == "" || sum.Decide[0].New > 0 {
		t.Errorf("the policy decided on broken data: %+v", sum.Decide[0])
	}
	var planned struct {
		Plans []activate.Plan `json:"plans"`
	}
	l.json(&planned, "plan", "scores")
	if len(planned.Plans) != 1 || planned.Plans[0].Verdict != "hold" || !slices.ContainsFunc(planned.Plans[0].Breakers, func(b activate.Breaker) bool {
		return b.Name == "data_quality" && b.Verdict == "hold" && strings.Contains(b.Message, "fill them in")
	}) {
		t.Errorf("the plan does not say what holds it: %+v", planned.Plans)
	}
	var q qualityResult
	if code := l.json(&q, "quality"); code != 1 || len(q.Held) != 1 || !slices.Equal(q.Held[0].Records, []string{"leads p04"}) {
		t.Errorf("millrace quality: exit %d, %+v", code, q.Held)
	}
	if _, out, _ := l.mr("quality", "--repairs", "missing ids"); !strings.Contains(out, "p04") {
		t.Errorf("the repairs do not name the record:\n%s", out)
	}
	l.fails(2, "no such check", "quality", "--repairs", "missing is")
	// Mended: released, told once more, sent.
	if err := os.WriteFile(filepath.Join(l.dir, "sql/seeds/leads.csv"), clean, 0o644); err != nil {
		t.Fatal(err)
	}
	sum = runSummary{}
	if code := l.json(&sum, "run"); code != 0 || !slices.Equal(sum.Quality.Released, []string{"missing ids of crm.leads"}) {
		t.Errorf("after mending: exit %d, %+v, %v", code, sum.Quality, sum.Errors)
	}
	if n := told(); n != 2 {
		t.Errorf("the release was told %d times", n-1)
	}
	for _, s := range sum.Sync {
		if strings.Contains(s.Waiting, "data quality") {
			t.Errorf("still held: %+v", s)
		}
	}
}

// TestQualityOfCorruptedSources corrupts the sources of the built-in project in three ways: an import that blanks 8 % of
// the contacts, an export that is delivered twice, a week with five times the events. Each is found, holds, and is released
// when it is mended.
func TestQualityOfCorruptedSources(t *testing.T) {
	if os.Getenv("MILLRACE_SOAK") == "" {
		t.Skip("three runs of the whole project: set MILLRACE_SOAK=1")
	}
	tw, err := twin.New(twin.Options{Size: "tiny"})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(tw.Handler())
	t.Cleanup(func() { srv.Close(); tw.Close() })
	files := t.TempDir()
	if err := tw.WriteFiles(files); err != nil {
		t.Fatal(err)
	}
	l := &lab{t: t, dir: filepath.Join(t.TempDir(), "shop"), tw: tw, base: srv.URL, now: tw.Date().Add(9 * time.Hour)}
	for name, kind := range map[string][2]string{"millrace_score": {"number", "number"}, "millrace_score_reason": {"string", "textarea"},
		"millrace_person_id": {"string", "text"}, "millrace_next_step": {"string", "text"}} {
		l.call("POST", "/crm/v3/properties/contacts", fmt.Sprintf(`{"name":%q,"label":%[1]q,"type":%q,"fieldType":%q,"groupName":"contactinformation"}`, name, kind[0], kind[1]))
	}
	l.must("init", "--with", "hubspot,segment", l.dir)
	var env strings.Builder
	for k, v := range setEnv(srv.URL, files) {
		fmt.Fprintf(&env, "%s=%s\n", k, v)
	}
	l.write(".env", env.String())
	l.edit("extract/hubspot.yml", "config:\n", "config:\n  rate_limits: {ten_seconds: 100000, search: 10000}\n")
	l.edit("activate/hubspot_scores.yml", "\nlive: false", "\nlive: true")
	l.edit("activate/hubspot_scores.yml", "guardrails:\n", "guardrails:\n  first_run: allow\n")

	held := func(want ...string) {
		t.Helper()
		var sum runSummary
		code := l.json(&sum, "run")
		var got []string
		for _, b := range sum.Quality.Held {
			got = append(got, b.key())
			if !slices.Contains(b.Holds, "sync hubspot_scores") || b.Remedy == "" {
				t.Errorf("%s: %+v", b.key(), b)
			}
		}
		for _, w := range want {
			if !slices.Contains(got, w) {
				t.Errorf("%q does not hold; held are %q", w, got)
			}
		}
		if len(want) == 0 && len(got) > 0 {
			t.Errorf("held: %q", got)
		}
		if len(sum.Build.Stale) > 0 || len(sum.Errors) > min(len(want), 1) {
			t.Errorf("stale %q, errors %q", sum.Build.Stale, sum.Errors)
		}
		if exit := min(len(want), 1); code != exit {
			t.Errorf("exit %d, want %d: %v", code, exit, sum.Errors)
		}
		for _, s := range sum.Sync {
			if len(want) > 0 && (s.Acked > 0 || !strings.Contains(s.Waiting, "data quality")) {
				t.Errorf("sent although held: %+v", s)
			}
		}
	}
	held()

	tomorrow := func() {
		if err := tw.AdvanceTo(tw.Date().Add(24 * time.Hour)); err != nil {
			t.Fatal(err)
		}
		l.now = tw.Date().Add(9 * time.Hour)
	}
	tomorrow()
	contacts := l.contacts()
	n := (8*len(contacts) + 99) / 100
	var blank, mend []string
	for i := range n {
		c := contacts[i*len(contacts)/n]
		blank = append(blank, fmt.Sprintf(`{"id":%q,"properties":{"email":"","phone":"","mobilephone":"","product_user_id":""}}`, c.ID))
		props, err := json.Marshal(c.Properties)
		if err != nil {
			t.Fatal(err)
		}
		mend = append(mend, fmt.Sprintf(`{"id":%q,"properties":%s}`, c.ID, props))
	}
	l.call("POST", "/crm/v3/objects/contacts/batch/update", `{"inputs":[`+strings.Join(blank, ",")+`]}`)
	again, burst := corruptEvents(t, filepath.Join(files, "product_events"), tw.Date())
	held("missing ids of hubspot.contact", "duplicate events of segment: page", "unexplained week of events segment: page")
	if _, out, _ := l.mr("quality", "--repairs", "missing ids"); strings.Count(out, "email_missing") > 0 || strings.Count(out, "contacts") < n {
		t.Errorf("the repairs list less than the %d contacts:\n%s", n, out)
	}

	if code, out, _ := l.mr("quality"); code != 1 || !strings.Contains(out, "HOLD  missing ids: ") {
		t.Errorf("millrace quality: exit %d\n%s", code, out)
	} else {
		t.Log("\n" + out)
	}

	// Mended where they broke: the contacts in the CRM, the files in their folder; what was delivered twice is read anew.
	tomorrow()
	l.call("POST", "/crm/v3/objects/contacts/batch/update", `{"inputs":[`+strings.Join(mend, ",")+`]}`)
	for _, f := range []string{again, burst} {
		if err := os.Remove(f); err != nil {
			t.Fatal(err)
		}
	}
	l.must("extract", "-s", "segment.events", "--full-refresh")
	held()
}

// hubspotContact is one contact as the twin gives it.
type hubspotContact struct {
	ID         string             `json:"id"`
	Properties map[string]*string `json:"properties"`
}

// contacts are all contacts with the properties that identify them.
func (l *lab) contacts() (out []hubspotContact) {
	l.t.Helper()
	after := ""
	for {
		req, err := http.NewRequest("GET", l.base+"/crm/v3/objects/contacts?limit=100&properties=email,phone,mobilephone,product_user_id"+after, nil)
		if err != nil {
			l.t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer pat-twin-hubspot")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			l.t.Fatal(err)
		}
		var page struct {
			Results []hubspotContact `json:"results"`
			Paging  struct {
				Next struct {
					After string `json:"after"`
				} `json:"next"`
			} `json:"paging"`
		}
		err = json.NewDecoder(resp.Body).Decode(&page)
		resp.Body.Close()
		if err != nil || len(page.Results) == 0 {
			l.t.Fatalf("contacts: %s %v", resp.Status, err)
		}
		for _, c := range page.Results {
			for name := range c.Properties {
				if !slices.Contains([]string{"email", "phone", "mobilephone", "product_user_id"}, name) {
					delete(c.Properties, name)
				}
			}
			out = append(out, c)
		}
		if page.Paging.Next.After == "" {
			return out
		}
		after = "&after=" + page.Paging.Next.After
	}
}

// corruptEvents delivers two months of events a second time, in one file, and the last whole week five times under new ids,
// in another.
func corruptEvents(t *testing.T, dir string, today time.Time) (again, burst string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.ndjson"))
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	var twice, five strings.Builder
	monday := today.AddDate(0, 0, -int(today.Weekday()+6)%7).AddDate(0, 0, -7)
	for _, name := range names {
		day, err := time.Parse("2006-01-02", strings.TrimSuffix(filepath.Base(name), ".ndjson"))
		if err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, 1<<20)
		for i := 0; lines.Scan(); i++ {
			if day.After(today.AddDate(0, -2, 0)) {
				twice.WriteString(lines.Text() + "\n")
			}
			if day.Before(monday) || !day.Before(monday.AddDate(0, 0, 7)) {
				continue
			}
			for k := range 5 {
				var e map[string]any
				if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
					t.Fatal(err)
				}
				e["messageId"] = fmt.Sprintf("burst-%s-%d-%d", day.Format("0102"), i, k)
				text, err := json.Marshal(e)
				if err != nil {
					t.Fatal(err)
				}
				five.Write(append(text, '\n'))
			}
		}
		f.Close()
	}
	again, burst = filepath.Join(dir, "again.ndjson"), filepath.Join(dir, "burst.ndjson")
	for file, text := range map[string]string{again: twice.String(), burst: five.String()} {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return again, burst
}

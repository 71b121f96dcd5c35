package main

import (
	"fmt"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"millrace/activate"
	"millrace/internal/config"
	"millrace/internal/twin"
	"millrace/models"
)

// setEnv answers every variable of the sets, for a twin at base.
func setEnv(base, files string) map[string]string {
	c := twin.DefaultCredentials()
	return map[string]string{
		"HUBSPOT_TOKEN": c.HubSpotToken, "HUBSPOT_BASE_URL": base, "HUBSPOT_ALLOW_PRIVATE": "true",
		"STRIPE_API_KEY": c.StripeKey, "STRIPE_BASE_URL": base, "STRIPE_ALLOW_PRIVATE": "true",
		"GOOGLE_CLIENT_ID": c.GoogleClientID, "GOOGLE_CLIENT_SECRET": c.GoogleClientSecret, "GOOGLE_REFRESH_TOKEN": c.GoogleRefreshToken,
		"GOOGLE_TOKEN_URL": base + "/token", "GOOGLE_ALLOW_PRIVATE": "true",
		"GOOGLE_ADS_CUSTOMER_ID": c.GoogleAdsCustomer, "GOOGLE_ADS_DEVELOPER_TOKEN": c.GoogleDeveloperToken, "GOOGLE_ADS_BASE_URL": base,
		"GOOGLE_AUDIENCE_LIST": c.AudienceList, "GOOGLE_CUSTOMER_MATCH_TERMS": "true", "GOOGLE_DATA_MANAGER_BASE_URL": base,
		"GA4_PROPERTY_ID": c.GA4Property, "GA4_BASE_URL": base,
		"SEGMENT_DATA": filepath.Join(files, "product_events"),
		"SLACK_TOKEN":  c.SlackToken, "SLACK_BASE_URL": base + "/api", "SLACK_ALLOW_PRIVATE": "true",
	}
}

// TestSetFilesAreStrict decodes each file of each set by what reads it, so that no key is one that nobody knows, and
// wants every variable without a default in the set's .env.example.
func TestSetFilesAreStrict(t *testing.T) {
	sets, err := builtinSets()
	if err != nil {
		t.Fatal(err)
	}
	values := setEnv("http://127.0.0.1:1", "files")
	env := func(name string) (string, bool) { v, ok := values[name]; return v, ok }
	for _, root := range append([]string{"builtin/base"}, prefixed("builtin/with/", sets)...) {
		for _, room := range []string{"models", "activate", "reports", "extract"} {
			entries, err := builtinFS.ReadDir(root + "/" + room)
			if err != nil {
				continue // a set has the rooms that it needs
			}
			for _, e := range entries {
				file := path.Join(root, room, e.Name())
				text, err := builtinFS.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				switch room {
				case "models":
					p, err := models.ParsePolicy(fileName(file), file, text, env)
					if err != nil {
						t.Errorf("%s: %v", file, err)
					} else if p.Live() {
						t.Errorf("%s: a new project's policy must begin beside people", file)
					}
				case "activate":
					s, err := activate.ParseSync(fileName(file), file, text, env, destinations())
					if err != nil {
						t.Errorf("%s: %v", file, err)
					} else if s.File.Live {
						t.Errorf("%s: a new project must not be able to send", file)
					}
				case "reports":
					if _, err := reportCatalog().Parse(file, text, config.ParseOptions{Env: env}); err != nil {
						t.Errorf("%s: %v", file, err)
					}
				}
				if err := listsVariables(root, string(text)); err != nil {
					t.Errorf("%s: %v", file, err)
				}
			}
		}
	}
}

func prefixed(prefix string, names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = prefix + n
	}
	return out
}

var variable = regexp.MustCompile(`\$\{([A-Z0-9_]+)\}`)

// listsVariables looks for each variable that has no default in the .env.example of the set.
func listsVariables(root, text string) error {
	for _, m := range variable.FindAllStringSubmatch(text, -1) {
		example, err := builtinFS.ReadFile(root + "/" + envExample)
		if err != nil {
			return err
		}
		if !strings.Contains("\n"+string(example), "\n"+m[1]+"=") {
			return fmt.Errorf("%s is not in %s/%s", m[1], root, envExample)
		}
	}
	return nil
}

// TestLeadRoutingIsThreeLines holds the policy of a new project to the three lines that the documents promise.
func TestLeadRoutingIsThreeLines(t *testing.T) {
	text, err := builtinFS.ReadFile("builtin/base/models/lead_routing.yml")
	if err != nil {
		t.Fatal(err)
	}
	if want := "version: 1\nscore: scores.lead_score\nrule: score > 80 -> sales, else nurture\n"; string(text) != want {
		t.Errorf("lead_routing.yml is\n%s", text)
	}
}

// TestRicherPolicyOfTheDocs reads the example of docs/lead-routing.md as the command would.
func TestRicherPolicyOfTheDocs(t *testing.T) {
	doc, err := os.ReadFile("../../docs/lead-routing.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(doc, -1)
	if len(blocks) < 2 {
		t.Fatalf("%d examples", len(blocks))
	}
	for i, b := range blocks {
		if _, err := models.ParsePolicy("lead_routing", "docs/lead-routing.md", b[1], func(string) (string, bool) { return "", false }); err != nil {
			t.Errorf("example %d: %v", i+1, err)
		}
	}
}

// edit replaces the first place of a text that must be there.
func (l *lab) edit(path, old, with string) {
	l.t.Helper()
	text, err := os.ReadFile(filepath.Join(l.dir, path))
	if err != nil {
		l.t.Fatal(err)
	}
	if !strings.Contains(string(text), old) {
		l.t.Fatalf("%s has no %q", path, old)
	}
	l.write(path, strings.Replace(string(text), old, with, 1))
}

// TestInitSets writes a project with every set, points it at the twin by variables, and runs two days: on the first
// nothing may leave, on the second all of it does, and a run after that has nothing to send.
func TestInitSets(t *testing.T) {
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
	sets, err := toolSets() // TestFivetranFixture runs the others
	if err != nil {
		t.Fatal(err)
	}
	l.must("init", "--with", strings.Join(sets, ","), l.dir)
	var env strings.Builder
	for k, v := range setEnv(srv.URL, files) {
		fmt.Fprintf(&env, "%s=%s\n", k, v)
	}
	l.write(".env", env.String())
	for file, limits := range map[string]string{"hubspot": "{ten_seconds: 100000, search: 10000}", "google_ads": "{second: 1000}", "stripe": "{second: 1000}"} {
		l.edit("extract/"+file+".yml", "config:\n", "config:\n  rate_limits: "+limits+"\n") // nobody waits in a test
	}
	l.edit("reports/revenue.yml", "  - slack:\n", "  - slack:\n      pause: 1ms\n")

	var day runSummary
	l.json(&day, "run")
	if len(day.Errors) > 0 || day.Build == nil || day.Build.Error > 0 {
		t.Fatalf("first run: %+v", day)
	}
	for _, w := range tw.Writes()[4:] { // after the four properties
		if w.Vendor != "slack" {
			t.Errorf("a new project wrote to %s: %+v", w.Vendor, w)
		}
	}
	if len(day.Decide) != 1 || day.Decide[0].Subjects == 0 || len(day.Sync) != 2 || day.Sync[0].Planned == 0 || day.Sync[1].Planned == 0 {
		t.Errorf("decided %+v, synced %+v", day.Decide, day.Sync)
	}
	kinds := map[string]bool{}
	for _, r := range day.Reports {
		kinds[r.Channel] = r.Error == ""
	}
	for _, c := range []string{"excel", "html", "markdown", "slack"} {
		if !kinds[c] {
			t.Errorf("report by %s: %+v", c, day.Reports)
		}
	}
	if out := l.must("query", "--json", "select count(*) as n, count(crm_email) as e, count(next_step) as s from activation.crm_contact_updates"); !strings.Contains(out, `"s": 0`) && !strings.Contains(out, `"s":0`) {
		t.Errorf("a policy that runs beside people gave next steps: %s", out)
	}

	// The same project under dev: files, and not a word to anybody.
	before := len(tw.Writes())
	var dev runSummary
	l.json(&dev, "run", "--target", "dev")
	if n := len(tw.Writes()); n != before {
		t.Errorf("dev wrote to a vendor: %+v", tw.Writes()[before:][0].Vendor)
	}
	for _, r := range dev.Reports {
		if want := map[bool]string{true: "not_sent", false: "delivered"}[strings.HasPrefix(r.Channel, "slack")]; r.Status != want {
			t.Errorf("under dev the report by %s is %s, want %s", r.Channel, r.Status, want)
		}
	}

	// In earnest: live, the first plan let through by the file, the policy with an owner.
	for _, f := range []string{"activate/hubspot_scores.yml", "activate/google_ad_prospects.yml"} {
		l.edit(f, "\nlive: false", "\nlive: true")
		l.edit(f, "guardrails:\n", "guardrails:\n  first_run: allow\n")
	}
	l.write("models/lead_routing.yml", "version: 1\nowner: ann\nmode: live\nscore: scores.lead_score\nrule: score > 80 -> sales, else nurture\n")
	if err := tw.AdvanceTo(tw.Date().Add(24 * time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := tw.WriteFiles(files); err != nil {
		t.Fatal(err)
	}
	l.now = tw.Date().Add(9 * time.Hour)
	var next, idle runSummary
	l.json(&next, "run")
	for _, s := range next.Sync {
		if s.Planned == 0 || s.Acked != s.Planned || s.Rejected+s.Unknown > 0 || s.Waiting != "" {
			t.Errorf("live: %+v", s)
		}
	}
	if out := l.must("query", "--format", "csv", "select kind, state, sum(acknowledged) > 0 as sent from ops.system_actions where action_date = (select max(action_date) from ops.system_actions) group by all order by all"); !strings.Contains(out, "decision,live,") || !strings.Contains(out, "sync,applied,true") {
		t.Errorf("what was decided and sent is not in ops.system_actions:\n%s", out)
	}
	l.json(&idle, "run")
	for _, s := range idle.Sync {
		if s.Planned > 0 {
			t.Errorf("nothing changed, and yet: %+v", s)
		}
	}
}

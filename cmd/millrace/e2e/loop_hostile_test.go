package e2e

import (
	"bytes"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
)

// secrets are the credentials that must not leave .env.
var secrets = []string{"pat-twin-hubspot", "pat-mistyped-hubspot", "sk_test_twin", "twin-google-secret", "1//twin-refresh", "xoxb-twin-slack", "twin-developer-token"}

// noSecrets looks for credentials in what a command printed and in everything that the target keeps.
func noSecrets(t testing.TB, dir string, r result) {
	t.Helper()
	look := func(where string, text []byte) {
		for _, s := range secrets {
			if bytes.Contains(text, []byte(s)) {
				t.Errorf("%s holds the credential %s…", where, s[:6])
			}
		}
	}
	look("standard output", []byte(r.stdout))
	look("standard error", []byte(r.stderr))
	root := filepath.Join(dir, ".millrace", "prod")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		look(path, text)
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// hostile: credentials that do not work, and vendors that answer nonsense. Each is said in words that name the stream and
// what to do, with exit 1; the other sources are read; no credential is printed or kept; another host gets nothing.
func (l *loop) hostile(t *testing.T) {
	t.Run("Reading", l.hostileReading)
	t.Run("Sending", l.hostileSending)
}

func (l *loop) hostileReading(t *testing.T) {
	t.Parallel()
	var elsewhere atomic.Int64 // requests to a host that no connector lists
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		elsewhere.Add(1)
		w.WriteHeader(http.StatusOK)
	}))
	defer other.Close()
	dir, v := l.project(t, l.fresh)
	env, err := os.ReadFile(filepath.Join(dir, ".env"))
	if err != nil {
		t.Fatal(err)
	}
	all := streamsOf(t, must(t, dir, nil, "extract", "--target", "prod"), "OK")

	for _, c := range []struct {
		name  string
		env   map[string]string
		fault map[string]any
		fails string   // prefix of the streams that fail; "": none does
		says  []string // in the words about each of them
	}{
		{name: "mistyped token", env: map[string]string{"HUBSPOT_TOKEN": "pat-mistyped-hubspot"}, fails: "hubspot.",
			says: []string{"401", "INVALID_AUTHENTICATION", "access_token", "config of source hubspot"}},
		{name: "expired token", env: map[string]string{"HUBSPOT_TOKEN": "pat-twin-hubspot-expired"}, fails: "hubspot.",
			says: []string{"401", "expired", "access_token", "config of source hubspot"}},
		{name: "expired key", env: map[string]string{"STRIPE_API_KEY": "sk_test_twin-expired"}, fails: "stripe.", says: []string{"401", "config of source stripe"}},
		{name: "revoked refresh token", env: map[string]string{"GOOGLE_REFRESH_TOKEN": "1//twin-refresh-revoked"}, fails: "g",
			says: []string{"invalid_grant", "authorise the application again"}},
		{name: "body ends in the middle", fault: map[string]any{"kind": "truncate", "path": "/v1/charges"}, fails: "stripe.charges",
			says: []string{"attempts"}},
		{name: "200 with an error", fault: map[string]any{"kind": "error_body", "path": "/v1/prices"}, fails: "stripe.prices",
			says: []string{"200 OK", "error", "nothing was lost"}},
		{name: "redirect to another host", fault: map[string]any{"kind": "redirect", "vendor": "hubspot", "host": other.URL}, fails: "hubspot.",
			says: []string{"redirect to another host", "refused", "no credentials were sent"}},
		{name: "forged paging link", fault: map[string]any{"kind": "forged_next", "vendor": "hubspot", "host": other.URL}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := os.RemoveAll(filepath.Join(dir, ".millrace", "prod")); err != nil {
				t.Fatal(err)
			}
			v.faults()
			if c.fault != nil {
				v.faults(c.fault)
			}
			setEnv(t, dir, env, c.env)
			r := run(t, dir, nil, "extract", "--target", "prod")
			noSecrets(t, dir, r)
			failed, read := streamsOf(t, r, "FAIL"), streamsOf(t, r, "OK")
			var mustFail []string
			for _, s := range all {
				if c.fails != "" && strings.HasPrefix(s, c.fails) {
					mustFail = append(mustFail, s)
				}
			}
			if !slices.Equal(failed, mustFail) || len(read)+len(failed) != len(all) {
				t.Errorf("failed %v, want %v; read %d of %d", failed, mustFail, len(read), len(all))
			}
			if want := min(1, len(mustFail)); r.code != want || want == 0 && c.fails != "" {
				t.Errorf("exit %d, want %d\n%s", r.code, want, r.stderr)
			}
			for _, line := range strings.Split(r.stdout, "\n") {
				if !strings.HasPrefix(line, "extract  FAIL") {
					continue
				}
				for _, want := range c.says {
					if !strings.Contains(line, want) {
						t.Errorf("no %q in %s", want, line)
					}
				}
			}
			if n := elsewhere.Load(); n > 0 {
				t.Errorf("another host got %d requests", n)
			}
		})
	}
}

// hostileSending: the same for what is sent. Four runs, each with another trouble, and a last one that makes all good.
func (l *loop) hostileSending(t *testing.T) {
	t.Parallel()
	dir, v := l.project(t, l.fresh)
	env, err := os.ReadFile(filepath.Join(dir, ".env"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "activate", "hubspot_scores.yml")
	sync, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	contactsWritten := func() (n int) {
		for _, w := range v.writes() {
			if w.Vendor == "hubspot" && strings.Contains(w.Object, "contact") && w.Fields["millrace_person_id"] != "" {
				n++
			}
		}
		return n
	}
	step := func(name string, says ...string) {
		t.Helper()
		r := run(t, dir, nil, "run", "--target", "prod", "--json")
		noSecrets(t, dir, r)
		out := parseRun(t, r)
		said := strings.Join(out.Errors, "\n")
		if r.code != 1 {
			t.Errorf("%s: exit %d, want 1\n%s", name, r.code, r.stderr)
		}
		for _, want := range says {
			if !strings.Contains(said, want) {
				t.Errorf("%s: no %q in\n%s", name, want, said)
			}
		}
		if n := contactsWritten(); n > 0 {
			t.Errorf("%s: %d contacts were written", name, n)
		}
		for _, s := range loopRows(t, dir, "select sync, acked from ops.syncs where sync = 'hubspot_scores'") {
			if text(s["acked"]) != "0" {
				t.Errorf("%s: %s rows are marked as sent", name, s["acked"])
			}
		}
	}

	setEnv(t, dir, env, map[string]string{"HUBSPOT_TOKEN": "pat-twin-hubspot-readonly", "SLACK_TOKEN": "xoxb-twin-slack-expired"})
	step("wrong scope", "hubspot_scores", "MISSING_SCOPES", "crm.objects.contacts.write", "slack", "token_expired")
	if n := v.objects()["google_audience.7700001"]; n == 0 {
		t.Error("wrong scope: the other destination got nothing")
	}
	setEnv(t, dir, env, nil)

	write(t, file, strings.Replace(string(sync), "  millrace_score_reason:", "  no_such_property:", 1))
	step("unknown property", "hubspot_scores", "no_such_property", "Create it in HubSpot")
	write(t, file, string(sync))

	v.faults(map[string]any{"kind": "error_body", "path": "/crm/v3/objects/contacts/batch"})
	step("200 with an error", "hubspot_scores", "200 OK", "The next run sends them")
	v.faults(map[string]any{"kind": "redirect", "path": "/crm/v3/objects/contacts/batch", "host": "http://127.0.0.2:9"})
	step("redirect to another host", "hubspot_scores", "redirect of a POST", "was not followed")
	v.faults()

	noSecrets(t, dir, must(t, dir, nil, "run", "--target", "prod"))
	l.day.settled(t, dir, v, false)
}

// streamsOf are the streams of which a command told a status, sorted.
func streamsOf(t testing.TB, r result, status string) []string {
	t.Helper()
	var out []string
	for _, m := range regexp.MustCompile(`(?m)^extract +`+status+` +(\S+)`).FindAllStringSubmatch(r.stdout, -1) {
		out = append(out, m[1])
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// setEnv writes .env with some variables changed.
func setEnv(t testing.TB, dir string, env []byte, change map[string]string) {
	t.Helper()
	lines := strings.Split(string(env), "\n")
	for name, value := range change {
		i := slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, name+"=") })
		if i < 0 {
			t.Fatalf(".env holds no %s", name)
		}
		lines[i] = name + "=" + value
	}
	write(t, filepath.Join(dir, ".env"), strings.Join(lines, "\n"))
}

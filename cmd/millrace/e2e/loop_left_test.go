package e2e

import (
	"bytes"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// noChange: the project that the demo leaves behind works. Another run sends nothing and is quick, and every command that
// a person is told to try does what it says.
func (l *loop) noChange(t *testing.T) {
	for _, d := range l.demo.Days {
		if len(d.Errors) > 0 || len(d.Sync) != 2 {
			t.Errorf("demo, %s: %v, syncs %v", d.Date, d.Errors, d.Sync)
		}
		for name, s := range d.Sync {
			if s.Planned == 0 || s.Acked != s.Planned || s.Rejected+s.Unknown != 0 {
				t.Errorf("demo, %s: %s %+v", d.Date, name, s)
			}
		}
	}
	dir := l.leftBehind(t)
	ledger := filepath.Join(dir, ".millrace", "twin", "twin.log")
	before, err := os.ReadFile(ledger)
	if err != nil {
		t.Fatal(err)
	}
	var took []time.Duration
	best := time.Hour
	for range 3 {
		r := must(t, dir, nil, "run", "--target", "prod", "--json")
		out := parseRun(t, r)
		for _, s := range out.Sync {
			if s.Planned+s.Acked+s.Rejected+s.Unknown != 0 || s.Waiting != "" {
				t.Errorf("nothing changed, and a run sends: %+v", s)
			}
		}
		if len(out.Sync) != 2 || len(out.Reports) != 0 {
			t.Errorf("%d syncs, reports %v", len(out.Sync), out.Reports)
		}
		for _, s := range out.Extract {
			if s.Rows != 0 {
				t.Errorf("nothing changed, and %s.%s brings %d rows", s.Source, s.Stream, s.Rows)
			}
		}
		took = append(took, r.took.Round(10*time.Millisecond))
		best = min(best, r.took)
	}
	t.Logf("run with nothing changed: %v; the demo took %.1fs", took, l.demo.Seconds)
	if best >= 2*time.Second {
		t.Errorf("run with nothing changed took %v; it should take less than two seconds", took)
	}
	if after, err := os.ReadFile(ledger); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the vendors' ledger of writes moved: %v", err)
	}

	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"query", "from metrics.kpi"}, "cac_blended"},
		{[]string{"query", "--format", "csv", "from identity.person_membership"}, "record_key,person_id"},
		{[]string{"plan", "--list"}, "google_ad_prospects"},
		{[]string{"plan"}, "hubspot_scores"},
		{[]string{"decide", "--preview", "70"}, "sales"},
		{[]string{"ls"}, "metrics.kpi"},
		{[]string{"ls", "--select", "+activation.crm_contact_updates"}, "scores.lead_score"},
		{[]string{"show", "metrics.kpi"}, "Every KPI in one relation"},
		{[]string{"doctor"}, "OK     sync hubspot_scores"},
		{[]string{"validate"}, ""},
		{[]string{"report", "ls"}, "revenue"},
		{[]string{"report", "revenue", "--out", "look", "--channel", "html"}, "html"},
		{[]string{"lineage", "metrics.cac_blended"}, "metrics.acquisition"},
		{[]string{"digest"}, ""},
		{[]string{"twin", "evaluate"}, "recall"},
		{[]string{"stop", "all", "--reason", "a look around"}, ""},
		{[]string{"run"}, "nothing to send"},
		{[]string{"start", "all", "--reason", "looked around"}, ""},
		{[]string{"run"}, ""},
	} {
		r := run(t, dir, prod, c.args...)
		if r.code != 0 || !strings.Contains(r.stdout, c.says) {
			t.Errorf("millrace %s: exit %d, want %q in\n%.2000s\n%s", strings.Join(c.args, " "), r.code, c.says, r.stdout, r.stderr)
		}
	} // A wrong token is one line for each place where it is used, not one for each stream, and doctor goes on.
	r := run(t, dir, []string{"MILLRACE_TARGET=prod", "HUBSPOT_TOKEN=wrong", "SLACK_TOKEN=xoxb-wrong"}, "doctor")
	for _, want := range []string{"FAIL   hubspot: account", "FAIL   sync hubspot_scores", "FAIL   report revenue → slack", "OK     sync google_ad_prospects"} {
		if !strings.Contains(r.stdout+r.stderr, want) {
			t.Errorf("doctor with wrong tokens: %q is not in\n%s%s", want, r.stdout, r.stderr)
		}
	}
	if n := strings.Count(r.stdout+r.stderr, "FAIL"); r.code != 1 || n != 3 {
		t.Errorf("doctor with wrong tokens: exit %d, %d lines that say FAIL\n%s%s", r.code, n, r.stdout, r.stderr)
	}

	if after, err := os.ReadFile(ledger); err != nil || !bytes.Equal(before, after) {
		t.Errorf("looking around wrote to the vendors: %v", err)
	}
}

// leftBehind copies the project as the demo leaves it, with an address of its own.
func (l *loop) leftBehind(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "left")
	if err := os.CopyFS(dir, os.DirFS(l.left)); err != nil {
		t.Fatal(err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free.Close()
	edit(t, filepath.Join(dir, "millrace.yml"), loopback, free.Addr().String())
	edit(t, filepath.Join(dir, ".env"), loopback, free.Addr().String())
	return dir
}

// identity: who is who, held against what is true in the market: of the pairs of records that share an exact identifier at
// least 95 % are joined, and of all pairs that are joined 99 % are right.
func (l *loop) identity(t *testing.T) {
	dirs := map[string]string{"tiny": l.leftBehind(t)}
	if soak() {
		base := t.TempDir()
		must(t, base, nil, "demo", "--dir", "small", "--size", "small")
		dirs["small"] = filepath.Join(base, "small")
	}
	for size, dir := range dirs {
		for _, what := range []string{"people", "accounts"} {
			args := []string{"twin", "evaluate", "--json"}
			if what == "accounts" {
				args = append(args, "--accounts")
			}
			var q struct {
				Precision, Recall float64
				Records           int
				Findable          int `json:"findable_pairs"`
				Wrong, Missed     [][2]string
			}
			if err := json.Unmarshal([]byte(must(t, dir, prod, args...).stdout), &q); err != nil {
				t.Fatal(err)
			}
			t.Logf("%s, %s: precision %.4f, recall %.4f of %d pairs that share an exact identifier, %d records", size, what, q.Precision, q.Recall, q.Findable, q.Records)
			if q.Precision < 0.99 || q.Recall < 0.95 || q.Findable < 10 {
				t.Errorf("%s, %s: precision %.4f, recall %.4f of %d pairs\njoined, but two: %v\napart, but one: %v", size, what, q.Precision, q.Recall, q.Findable, q.Wrong, q.Missed)
			}
		}
	}
	if r := must(t, dirs["tiny"], prod, "twin", "evaluate"); !strings.Contains(r.stdout, "precision 0.99") && !strings.Contains(r.stdout, "precision 1.0") {
		t.Errorf("not printed for a person:\n%s", r.stdout)
	}
}

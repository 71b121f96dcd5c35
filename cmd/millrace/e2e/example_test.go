package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestExample runs the shipped example as the README says and looks at what it leaves behind.
func TestExample(t *testing.T) {
	dir := example(t)
	r := must(t, dir, nil, "run")
	t.Logf("first run took %s", r.took)
	for _, pattern := range []string{"out/*.xlsx", "out/*.html", "out/*.md"} {
		if m, _ := filepath.Glob(filepath.Join(dir, pattern)); len(m) != 1 {
			t.Errorf("%s: want one report file, found %d\n%s", pattern, len(m), r.stdout)
		}
	}
	rows := query(t, dir, "from metrics.sales_summary")
	if len(rows) != 1 {
		t.Fatalf("metrics.sales_summary has %d rows, want 1", len(rows))
	}
	for _, col := range []string{"opportunities", "won", "lost", "win_rate", "median_cycle_days", "revenue"} {
		if _, ok := rows[0][col]; !ok {
			t.Errorf("metrics.sales_summary has no column %s: %v", col, rows[0])
		}
	}

	before := digest(t, dir)
	again := must(t, dir, nil, "run")
	t.Logf("no-change run took %s", again.took)
	if digest(t, dir) != before {
		t.Error("a run with nothing changed changed the digest")
	}
	builds, _ := filepath.Glob(filepath.Join(dir, ".millrace/dev/warehouse/build-*.duckdb"))
	if len(builds) != 1 {
		t.Errorf("a run with nothing changed published: %d builds", len(builds))
	}
}

// TestRealCRM runs the example over the real export and checks the published figures of that data set.
func TestRealCRM(t *testing.T) {
	data := filepath.Join(repoRoot(t), "..", "shared", "data", "crm-sales-opportunities")
	if _, err := os.Stat(data); err != nil {
		t.Skipf("the real CRM files are not beside the repository: %v", err)
	}
	dir := example(t)
	env := []string{"CRM_DATA=" + data}
	r := must(t, dir, env, "run")
	out := must(t, dir, env, "query", "--json", "select opportunities, won, lost, win_rate::decimal(6,4) win_rate, revenue::decimal(18,0) revenue from metrics.sales_summary").stdout
	for _, want := range []string{`"opportunities": 8800`, `"won": 4238`, `"lost": 2473`, `"win_rate": 0.6315`, `"revenue": 10005534`} {
		if !strings.Contains(out, want) {
			t.Errorf("metrics.sales_summary lacks %s:\n%s\n%s", want, out, r.stdout)
		}
	}
	repairs := must(t, dir, env, "query", "--json", "select count(*) n from quality.repairs where original = 'GTXPro'").stdout
	if strings.Contains(repairs, `"n": 0`) {
		t.Errorf("no repaired product name is listed: %s", repairs)
	}
}

// TestNoChangeRunIsQuick logs the figure for docs/benchmarks.md; the bound is far above it and only catches a run that
// rebuilds everything.
func TestNoChangeRunIsQuick(t *testing.T) {
	dir := example(t)
	must(t, dir, nil, "run")
	best := time.Hour
	for range 3 {
		if r := must(t, dir, nil, "run"); r.took < best {
			best = r.took
		}
	}
	t.Logf("no-change run: %s", best)
}

package e2e

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// TestReadersDuringPublishes queries from many processes while builds are published one after the other: no query may
// fail, and each sees one whole build (P3): the two relations always carry the same number.
func TestReadersDuringPublishes(t *testing.T) {
	readers, publishes := 4, 8
	if soak() {
		readers, publishes = 20, 50
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "millrace.yml"), "version: 1\nname: readers\n")
	version := func(n int) {
		for _, rel := range []string{"left", "right"} {
			write(t, filepath.Join(dir, "sql/core/"+rel+"_side.sql"), fmt.Sprintf("/* ---\ndescription: one side\n--- */\nselect %d as n, range as i\nfrom range(20000)\n", n))
		}
	}
	version(0)
	must(t, dir, nil, "build")

	var stop atomic.Bool
	var queries, failures atomic.Int64
	var wg sync.WaitGroup
	for range readers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for !stop.Load() {
				c := command(dir, nil, "query", "--json", "select count(distinct l.n) as a, bool_and(l.n = r.n) as same, count(*) as c from core.left_side l join core.right_side r using (i)")
				var out, errb bytes.Buffer
				c.Stdout, c.Stderr = &out, &errb
				err := c.Run()
				queries.Add(1)
				if err != nil || !strings.Contains(out.String(), `"same": true`) || !strings.Contains(out.String(), `"c": 20000`) {
					failures.Add(1)
					t.Errorf("reader failed: %v\n%s%s", err, out.String(), errb.String())
					return
				}
			}
		}()
	}
	for n := 1; n <= publishes; n++ {
		version(n)
		must(t, dir, nil, "build")
	}
	stop.Store(true)
	wg.Wait()
	t.Logf("%d readers, %d publishes, %d queries, %d failures", readers, publishes, queries.Load(), failures.Load())
	if got := fmt.Sprint(query(t, dir, "select max(n) as n from core.left_side")[0]["n"]); got != fmt.Sprint(publishes) {
		t.Errorf("the last publish is not what readers see: %s", got)
	}
}

// TestFailingAudit: an error-severity test that fails leaves that relation and its descendants at the last published
// version, marked stale; siblings go on; the run exits 1 and says so.
func TestFailingAudit(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "millrace.yml"), "version: 1\nname: audit\n")
	put := func(value string) {
		write(t, filepath.Join(dir, "sql/core/amounts.sql"), "/* ---\ndescription: amounts\ncolumns:\n  amount: {description: never negative, data_tests: [{accepted_range: {min: 0}}]}\n--- */\nselect "+value+" as amount\n")
		write(t, filepath.Join(dir, "sql/core/other.sql"), "/* ---\ndescription: independent\n--- */\nselect "+value+" as v\n")
	}
	write(t, filepath.Join(dir, "sql/metrics/total.sql"), "/* ---\ndescription: depends on amounts\n--- */\nselect sum(amount) as total\nfrom core.amounts\n")
	put("10")
	must(t, dir, nil, "run")

	put("-5")
	r := run(t, dir, nil, "run")
	if r.code != 1 {
		t.Fatalf("exit %d, want 1\n%s%s", r.code, r.stdout, r.stderr)
	}
	text := r.stdout + r.stderr
	for _, want := range []string{"core.amounts", "accepted_range", "metrics.total"} {
		if !strings.Contains(text, want) {
			t.Errorf("the run does not say %q:\n%s", want, text)
		}
	}
	if !strings.Contains(strings.ToLower(text), "stale") {
		t.Errorf("the run does not say what is stale:\n%s", text)
	}
	for q, want := range map[string]string{
		"select amount::int as v from core.amounts": "10",
		"select total::int as v from metrics.total": "10",
		"select v from core.other":                  "-5",
	} {
		if got := fmt.Sprint(query(t, dir, q)[0]["v"]); got != want {
			t.Errorf("%s: %s, want %s", q, got, want)
		}
	}
	if ls := must(t, dir, nil, "ls").stdout; !strings.Contains(strings.ToLower(ls), "stale") {
		t.Errorf("ls does not mark stale relations:\n%s", ls)
	}

	put("7")
	must(t, dir, nil, "run")
	if got := fmt.Sprint(query(t, dir, "select total::int as v from metrics.total")[0]["v"]); got != "7" {
		t.Errorf("after the repair the total is %s, want 7", got)
	}
}

package transform

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"millrace/internal/duck"
)

// Environment of the children that the tests below start: the test binary again, doing one thing.
const (
	envKill   = "MILLRACE_TEST_KILL"   // stop at this step
	envDir    = "MILLRACE_TEST_DIR"    // target's folder
	envNumber = "MILLRACE_TEST_NUMBER" // version of the project
	envStop   = "MILLRACE_TEST_STOP"   // a reader's sign to stop
)

// numbered is a project whose every relation says n, with one of each kind of relation.
func numbered(n int) files {
	return files{
		"sql/core/left_side.sql":  fmt.Sprintf("select %d as n, range as i from range(5000)", n),
		"sql/core/right_side.sql": fmt.Sprintf("/* ---\ncolumns: {i: {data_tests: [unique]}}\n--- */\nselect %d as n, range as i from range(5000)", n),
		"sql/core/shown.sql":      "/* ---\nmaterialized: view\n--- */\nselect l.n, r.n as m from core.left_side l join core.right_side r using (i)",
		"sql/core/history.sql":    "/* ---\nmaterialized: snapshot\nunique_key: id\n--- */\nselect 1 as id, max(n) as n from core.left_side",
		"sql/core/seen.sql":       "/* ---\nmaterialized: incremental\nunique_key: n\n--- */\nselect max(n) as n, count(*) as rows from core.right_side",
		"sql/core/far.sql":        "/* ---\nmaterialized: external\n--- */\nselect * from core.left_side",
	}
}

func buildNumbered(t *testing.T, dir string, n int, step func(string)) {
	t.Helper()
	build(t, dir, at(load(t, numbered(n)), n), func(p *BuildParams) { p.step = step })
}

// TestKilledAtEachStep kills a build with SIGKILL at every step that it goes through. What readers see is the old build or
// the new one, whole; the next build ends as one that was never disturbed and leaves nothing behind (P3, P4).
func TestKilledAtEachStep(t *testing.T) {
	if at := os.Getenv(envKill); at != "" {
		kill, _ := strconv.Atoi(at)
		n, _ := strconv.Atoi(os.Getenv(envNumber))
		step := 0
		var mu sync.Mutex
		buildNumbered(t, os.Getenv(envDir), n, func(string) {
			mu.Lock()
			defer mu.Unlock()
			if step++; step == kill {
				syscall.Kill(os.Getpid(), syscall.SIGKILL) //nolint:errcheck // it does not come back
				select {}
			}
		})
		return
	}
	stride := 6
	if os.Getenv("MILLRACE_SOAK") != "" {
		stride = 1
	}
	calm, rough := t.TempDir(), t.TempDir()
	var names []string
	var mu sync.Mutex
	for n := 1; n <= 2; n++ { // the second build has the steps of all that follow
		names = nil
		buildNumbered(t, calm, n, func(s string) {
			mu.Lock()
			defer mu.Unlock()
			names = append(names, s)
		})
		buildNumbered(t, rough, n, nil)
	}
	n := 2
	for step := 1; step <= len(names); step += stride {
		n++
		c := exec.Command(os.Args[0], "-test.run", "^TestKilledAtEachStep$")
		c.Env = append(os.Environ(), envKill+"="+strconv.Itoa(step), envDir+"="+rough, envNumber+"="+strconv.Itoa(n))
		out, err := c.CombinedOutput()
		if err == nil || c.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("step %d: the child was not killed: %v\n%s", step, err, out)
		}
		got := rows(t, rough, "select min(n), max(n), min(m), max(m), (select max(n) from core.history), (select max(n) from core.seen), (select min(n) from core.far) from core.shown")
		old, now := strings.Repeat(fmt.Sprint(n-1, "|"), 6)+fmt.Sprint(n-1), strings.Repeat(fmt.Sprint(n, "|"), 6)+fmt.Sprint(n)
		if len(got) != 1 || got[0] != old && got[0] != now {
			t.Fatalf("killed at step %d: readers see %q, neither %q nor %q", step, got, old, now)
		}
		buildNumbered(t, calm, n, nil)
		buildNumbered(t, rough, n, nil)
		if a, b := digestOf(t, calm), digestOf(t, rough); a.Digest != b.Digest {
			t.Fatalf("killed at step %d: digests differ\nundisturbed %+v\nkilled      %+v", step, a, b)
		}
		if m, _ := filepath.Glob(filepath.Join(rough, "warehouse", "*")); len(m) > 5 { // three builds, the link, external
			t.Fatalf("killed at step %d: left %v", step, m)
		}
		if m, _ := filepath.Glob(filepath.Join(rough, "stateful", "core.history", "*")); len(m) != 1 {
			t.Fatalf("killed at step %d: files of the memory %v", step, m)
		}
	}
	t.Logf("%d steps, every %dth killed: %v", len(names), stride, names)
}

// TestReadersDuringPublishes lets processes read without pause while builds are published: none fails, and each sees one
// whole build (P3).
func TestReadersDuringPublishes(t *testing.T) {
	if stop := os.Getenv(envStop); stop != "" {
		readUntil(t, os.Getenv(envDir), stop)
		return
	}
	readers, publishes := 4, 8
	if os.Getenv("MILLRACE_SOAK") != "" {
		readers, publishes = 20, 50
	}
	dir := t.TempDir()
	stop := filepath.Join(t.TempDir(), "stop")
	buildNumbered(t, dir, 1, nil)
	var wg sync.WaitGroup
	var mu sync.Mutex
	total := 0
	for range readers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			c := exec.Command(os.Args[0], "-test.run", "^TestReadersDuringPublishes$", "-test.v")
			c.Env = append(os.Environ(), envStop+"="+stop, envDir+"="+dir)
			out, err := c.CombinedOutput()
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Errorf("reader: %v\n%s", err, out)
			}
			if _, after, ok := strings.Cut(string(out), "queries="); ok {
				k, _ := strconv.Atoi(strings.Fields(after)[0])
				total += k
			}
		}()
	}
	time.Sleep(100 * time.Millisecond)
	for n := 2; n <= publishes+1; n++ {
		buildNumbered(t, dir, n, nil)
	}
	if err := os.WriteFile(stop, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	t.Logf("%d readers, %d publishes, %d queries", readers, publishes, total)
	if total < readers {
		t.Error("the readers hardly read")
	}
}

func readUntil(t *testing.T, dir, stop string) {
	n, last := 0, int64(0)
	for {
		if _, err := os.Stat(stop); err == nil {
			break
		}
		db, _, err := Open(context.Background(), dir, duck.Options{Locked: true, Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		res, err := db.Query(context.Background(), "select min(n), max(n), min(m), max(m), count(*) from core.shown")
		db.Close()
		if err != nil {
			t.Fatal(err)
		}
		r := res.Rows[0]
		if r[0] != r[1] || r[1] != r[2] || r[2] != r[3] || r[4].(int64) != 5000 {
			t.Fatalf("a mixture of builds: %v", r)
		}
		if r[0].(int64) < last {
			t.Fatalf("went back from %d to %v", last, r[0])
		}
		last = r[0].(int64)
		n++
	}
	fmt.Printf("queries=%d \n", n)
}

package file

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"millrace/extract"
	"millrace/extract/landing"
	"millrace/extract/parquet"
)

const crashRows = 120_000

// TestCrashChild is the process that TestCrash kills: it ends itself with SIGKILL at the step that it is told.
func TestCrashChild(t *testing.T) {
	dir := os.Getenv("MILLRACE_CRASH_DIR")
	if dir == "" {
		t.Skip("only as a child of TestCrash")
	}
	at, err := strconv.Atoi(os.Getenv("MILLRACE_CRASH_AT"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	err = crashLand(t, dir, landing.Disposition(os.Getenv("MILLRACE_CRASH_AS")), func(string) error {
		if n++; n == at {
			return syscall.Kill(os.Getpid(), syscall.SIGKILL)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// crashLand lands in several loads of several parts each.
func crashLand(t *testing.T, dir string, as landing.Disposition, hook func(string) error) error {
	src, err := Open(t.Context(), extract.OpenParams{Name: "files", Dir: dir, Streams: []extract.StreamParams{stream1("in", as, StreamOptions{Path: "in-*.ndjson"})}})
	if err != nil {
		return err
	}
	l := parquet.New(parquet.Options{Dir: filepath.Join(dir, "raw"), InferRows: 1000, RowGroupRows: 20_000, PartBytes: 100 << 10, Fault: hook})
	defer l.Close()
	return extract.Run(t.Context(), extract.RunParams{Sources: []extract.Sourced{{Name: "files", Source: src}}, Lander: l, RunID: "r", RollRows: 50_000}).Err()
}

// TestCrash kills the landing process at each of its durable steps in turn, lets the next process finish, and finds every
// row once: none lost, none doubled (P1).
func TestCrash(t *testing.T) {
	for _, as := range []landing.Disposition{landing.Append, landing.Replace} {
		t.Run(string(as), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			var b strings.Builder
			for i := range crashRows {
				fmt.Fprintf(&b, "{\"id\":%d,\"v\":\"value %d\"}\n", i, i%977)
				if i == crashRows/2 {
					write(t, filepath.Join(dir, "in-1.ndjson"), b.String())
					b.Reset()
				}
			}
			write(t, filepath.Join(dir, "in-2.ndjson"), b.String())
			killed := 0
			step := 1
			if os.Getenv("MILLRACE_SOAK") == "" && (as == landing.Replace || raceEnabled) {
				step = 7 // append goes through every step; replace, and the slow race build, take a sample outside the long suites
			}
			for at := 1; ; at += step {
				os.RemoveAll(filepath.Join(dir, "raw"))
				cmd := exec.Command(os.Args[0], "-test.run", "^TestCrashChild$", "-test.count", "1")
				cmd.Env = append(os.Environ(), "MILLRACE_CRASH_DIR="+dir, "MILLRACE_CRASH_AT="+strconv.Itoa(at), "MILLRACE_CRASH_AS="+string(as))
				out, err := cmd.CombinedOutput()
				var exit *exec.ExitError
				switch {
				case err == nil && killed == 0:
					t.Fatalf("the child was never killed:\n%s", out)
				case err == nil:
					t.Logf("killed at %d steps", killed)
					return
				case !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL:
					t.Fatalf("step %d: %v\n%s", at, err, out)
				}
				killed++
				if err := crashLand(t, dir, as, nil); err != nil {
					t.Fatalf("after a kill at step %d: %v", at, err)
				}
				rows := query(t, filepath.Join(dir, "raw"), "in", "select count(*), count(distinct id), count(distinct _row_id), min(id), max(id) from @")
				if got, want := fmt.Sprint(rows), fmt.Sprintf("[[%[1]d %[1]d %[1]d 0 %[2]d]]", crashRows, crashRows-1); got != want {
					t.Fatalf("after a kill at step %d: %s, want %s", at, got, want)
				}
				left, err := filepath.Glob(filepath.Join(dir, "raw", "files", "in", "0*"))
				if err != nil {
					t.Fatal(err)
				}
				for _, d := range left {
					if _, err := os.Stat(filepath.Join(d, landing.ManifestName)); err != nil {
						t.Fatalf("after a kill at step %d: leftover %s", at, d)
					}
				}
			}
		})
	}
}

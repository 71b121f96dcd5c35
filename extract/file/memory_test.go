package file

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"millrace/extract"
	"millrace/extract/parquet"
)

// maxPeakMB is what landing may use at its peak, whatever the size of the file.
const maxPeakMB = 300

// TestGenerate writes a file to try things on: MILLRACE_GENERATE=/tmp/events.ndjson:10000000 (CSV by its name).
func TestGenerate(t *testing.T) {
	path, rows, ok := strings.Cut(os.Getenv("MILLRACE_GENERATE"), ":")
	if !ok {
		t.Skip("only when MILLRACE_GENERATE names a file and a number of rows")
	}
	n, err := strconv.Atoi(rows)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: %d bytes", path, generate(t, path, n))
}

// TestMemoryChild lands one folder; TestMemory measures the process.
func TestMemoryChild(t *testing.T) {
	dir := os.Getenv("MILLRACE_MEMORY_DIR")
	if dir == "" {
		t.Skip("only as a child of TestMemory")
	}
	src, err := Open(t.Context(), extract.OpenParams{Name: "files", Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	l := parquet.New(parquet.Options{Dir: filepath.Join(dir, "raw")})
	defer l.Close()
	res := extract.Run(t.Context(), extract.RunParams{Sources: []extract.Sourced{{Name: "files", Source: src}}, Lander: l, RunID: "r"})
	if err := res.Err(); err != nil {
		t.Fatal(err)
	}
	if want := os.Getenv("MILLRACE_MEMORY_ROWS"); want != strconv.FormatInt(res.Rows(), 10) {
		t.Fatalf("%d rows, want %s", res.Rows(), want)
	}
}

// TestMemory lands a file in a process of its own and looks at its peak memory: a million rows of CSV and ten million of
// NDJSON in the long suites, a tenth and less otherwise.
func TestMemory(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector's own memory is not Millrace's")
	}
	rows := map[string]int{"events.csv": 200_000, "events.ndjson": 300_000}
	if os.Getenv("MILLRACE_SOAK") != "" {
		rows = map[string]int{"events.csv": 1_000_000, "events.ndjson": 10_000_000}
	}
	for name, n := range rows {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			generate(t, filepath.Join(dir, name), n)
			cmd := exec.Command(os.Args[0], "-test.run", "^TestMemoryChild$")
			cmd.Env = append(os.Environ(), "MILLRACE_MEMORY_DIR="+dir, "MILLRACE_MEMORY_ROWS="+strconv.Itoa(n))
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
			if !ok {
				t.Skip("the system does not tell a process's peak memory")
			}
			peak := usage.Maxrss / 1024 // kilobytes on Linux
			t.Logf("%d rows: peak %d MB, %s of CPU", n, peak, cmd.ProcessState.SystemTime()+cmd.ProcessState.UserTime())
			if peak > maxPeakMB {
				t.Errorf("peak memory %d MB, want at most %d", peak, maxPeakMB)
			}
		})
	}
}

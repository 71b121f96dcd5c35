package parquet

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"millrace/extract"
	"millrace/extract/landing"
	"millrace/internal/fault"
)

// TestFullDisk lands onto a file system of a few megabytes: the load that does not fit is given up whole, with what to do.
func TestFullDisk(t *testing.T) {
	raw := t.TempDir()
	if err := unix.Mount("tmpfs", raw, "tmpfs", 0, "size=3m"); err != nil {
		t.Skipf("a small file system cannot be mounted here: %v", err)
	}
	defer unix.Unmount(raw, 0)
	l := New(Options{Dir: raw, Now: clock, InferRows: 100})
	defer l.Close()
	noise := func(n int) *extract.Batch {
		r := rand.New(rand.NewPCG(1, 1))
		b := &extract.Batch{Columns: []string{"a"}}
		for range n {
			b.Rows = append(b.Rows, []any{fmt.Sprintf("%016x%016x%016x%016x", r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64())})
		}
		return b
	}
	first := loadOne(t, l, extract.StreamSpec{}, "r1", noise(1000))
	_, err := tryLoad(t.Context(), l, extract.StreamSpec{}, "r2", noise(200_000), noise(200_000))
	if err == nil || !strings.Contains(err.Error(), "is full") || !strings.Contains(err.Error(), "Free some space, then run again") || fault.ExitCode(err) != fault.ExitHandled {
		t.Fatalf("%v", err)
	}
	loads, err := landing.Loads(raw, "s", "t")
	if err != nil || len(loads) != 1 || loads[0].LoadID != first.LoadID {
		t.Fatalf("%+v %v", loads, err)
	}
	if dirs, _ := filepath.Glob(filepath.Join(raw, "s", "t", "0*")); len(dirs) != 1 {
		t.Errorf("the load that did not fit still takes room: %v", dirs)
	}
	// With room again, landing goes on.
	if m := loadOne(t, l, extract.StreamSpec{}, "r3", noise(1000)); m.Rows != 1000 {
		t.Errorf("%+v", m)
	}
	// Full before the first byte.
	fill := filepath.Join(raw, "fill")
	f, err := os.Create(fill)
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := f.Write(make([]byte, 4096)); err != nil {
			break
		}
	}
	f.Close()
	if _, err := tryLoad(t.Context(), l, extract.StreamSpec{Name: "other"}, "r4", noise(10)); err == nil || !strings.Contains(err.Error(), "is full") {
		t.Errorf("%v", err)
	}
}

package parquet

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"millrace/extract"
	"millrace/extract/landing"
	"millrace/internal/normal"
	"millrace/internal/privacy"
)

// erasedJane finds jane@x.example, and the ids 1 and 41 of source s.
func erasedJane(keep bool) Screen {
	key := func(kind, value string) string { return kind + "=" + value }
	s := privacy.New(normal.Default(), key, []string{key(privacy.Email, "jane@x.example"), key(privacy.ID, "s:41")}, func(string) bool { return keep })
	return s.Stream
}

func people() extract.StreamSpec {
	return extract.StreamSpec{Schema: landing.Schema{Columns: []landing.Column{{Name: "id", Type: landing.BigInt, Declared: true, PII: "id"},
		{Name: "email", Type: landing.Varchar, Declared: true, PII: "email"}, {Name: "amount", Type: "DECIMAL(18,4)", Declared: true, PII: ""}, {Name: "born", Type: landing.Date, Declared: true}}}}
}

func batchOf(rows ...[]any) *extract.Batch {
	return &extract.Batch{Columns: []string{"id", "email", "amount", "born", "unknown"}, Rows: rows, Text: true}
}

// everyByte is what all files below a folder hold.
func everyByte(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		b.Write(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func landPeople(t *testing.T, l *Lander) {
	t.Helper()
	loadOne(t, l, people(), "r1", batchOf([]any{"1", "Jane@x.example", "12.5", "1990-01-02", "a"}, []any{"2", "bob@x.example", "1", nil, "b"}, []any{"x", "jane@x.example", "1", nil, nil}, []any{"y", "sue@x.example", "1", nil, nil}))
	loadOne(t, l, people(), "r2", batchOf([]any{"41", nil, "2", "2000-02-29", nil}, []any{"3", "ann@x.example", "3", nil, "see jane@x.example"}))
	loadOne(t, l, people(), "r3", batchOf([]any{"4", "zoe@x.example", "3", nil, nil}))
}

func TestPurge(t *testing.T) {
	raw := t.TempDir()
	l := New(Options{Dir: raw, Now: clock})
	defer l.Close()
	landPeople(t, l)
	const columns = "id, email, amount, born, unknown"
	if !strings.Contains(strings.ToLower(everyByte(t, raw)), "jane@") {
		t.Fatal("the files do not show the address: looking for it afterwards proves nothing")
	}
	before := read(t, raw, columns)
	dry, err := l.Purge(t.Context(), "s", "t", erasedJane(false), true)
	if err != nil || dry.Dropped != 2 || dry.Redacted != 1 || dry.Quarantined != 1 || dry.Loads != 2 {
		t.Fatalf("%+v %v", dry, err)
	}
	if read(t, raw, columns) != before {
		t.Error("a dry run changed something")
	}
	done, err := l.Purge(t.Context(), "s", "t", erasedJane(false), false)
	if err != nil || done != dry {
		t.Fatalf("%+v, the dry run said %+v, %v", done, dry, err)
	}
	after := read(t, raw, columns)
	if want := "[[2 bob@x.example 1.0000 <nil> b] [3 ann@x.example 3.0000 <nil> see [erased]] [4 zoe@x.example 3.0000 <nil> <nil>]]"; after != want {
		t.Errorf("left\n%s\nwant\n%s", after, want)
	}
	if text := strings.ToLower(everyByte(t, raw)); strings.Contains(text, "jane@") {
		t.Error("a file still holds the address")
	}
	loads, err := landing.Loads(raw, "s", "t")
	if err != nil || len(loads) != 3 || loads[0].Rows != 1 || loads[0].Quarantined != 1 || loads[1].Rows != 1 {
		t.Errorf("%+v %v", loads, err)
	}
	again, err := l.Purge(t.Context(), "s", "t", erasedJane(false), false)
	if err != nil || !again.Empty() {
		t.Errorf("a second erasure finds %+v, %v", again, err)
	}
	// Rows that the law asks to keep stay without what is personal; ids hold them together.
	landPeople(t, l)
	kept, err := l.Purge(t.Context(), "s", "t", erasedJane(true), false)
	if err != nil || kept.Dropped != 0 || kept.Redacted != 3 || kept.Quarantined != 1 {
		t.Errorf("%+v %v", kept, err)
	}
	if got := read(t, raw, columns); strings.Contains(strings.ToLower(got), "jane") || !strings.Contains(got, "12.5") {
		t.Errorf("left\n%s", got)
	}
}

// Killed at any step, a load is whole, and the next erasure ends what this one began.
func TestPurgeCrashes(t *testing.T) {
	steps := map[string]int{}
	raw := t.TempDir()
	l := New(Options{Dir: raw, Now: clock})
	landPeople(t, l)
	l.opt.Fault = func(s string) error { steps[s]++; return nil }
	if _, err := l.Purge(t.Context(), "s", "t", erasedJane(false), false); err != nil {
		t.Fatal(err)
	}
	l.Close()
	want := read(t, raw, "id, email, unknown")
	killed := 0
	for step, times := range steps {
		for n := 1; n <= times; n++ {
			raw := t.TempDir()
			l := New(Options{Dir: raw, Now: clock})
			landPeople(t, l)
			all := read(t, raw, "id, email, unknown")
			seen := 0
			crash := errors.New("killed")
			l.opt.Fault = func(s string) error {
				if s == step {
					if seen++; seen == n {
						return crash
					}
				}
				return nil
			}
			if _, err := l.Purge(t.Context(), "s", "t", erasedJane(false), false); !errors.Is(err, crash) {
				t.Fatalf("%s %d: %v", step, n, err)
			}
			killed++
			if got := read(t, raw, "id, email, unknown"); got != all && strings.Count(got, "[") > strings.Count(all, "[") {
				t.Errorf("%s %d: rows appeared:\n%s", step, n, got)
			}
			l.opt.Fault = func(string) error { return nil }
			if _, err := l.Purge(t.Context(), "s", "t", erasedJane(false), false); err != nil {
				t.Fatalf("%s %d: again: %v", step, n, err)
			}
			l.Close()
			if got := read(t, raw, "id, email, unknown"); got != want {
				t.Errorf("%s %d: left\n%s\nwant\n%s", step, n, got, want)
			}
			if text := strings.ToLower(everyByte(t, raw)); strings.Contains(text, "jane@") {
				t.Errorf("%s %d: a file still holds the address", step, n)
			}
		}
	}
	t.Logf("killed at %d steps: %s", killed, fmt.Sprint(steps))
}

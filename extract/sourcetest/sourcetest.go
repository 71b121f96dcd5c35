// Package sourcetest is the definition of a source: one suite that every connector passes. It reads through the
// extract.Source interface only and must not know any connector.
package sourcetest

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"runtime"
	"sort"
	"strings"
	"testing"
	"time"

	"millrace/extract"
	"millrace/extract/landing"
)

// Params describe the source under test.
type Params struct {
	// Open opens the source anew over the same data.
	Open   func(t *testing.T) extract.Source
	Stream string
	// Rows is how many rows and bad rows a complete read must yield.
	Rows int
	// Change, when set, adds rows (and, if the source can, a column) to the data. The suite then reads on from the last
	// checkpoint; Added is how many new rows must come. Streams that always start over leave it nil.
	Change func(t *testing.T)
	Added  int
}

// row is one row as the suite compares it.
type row struct {
	id   string
	text string
}

// read is one complete read.
type read struct {
	rows   []row
	points []point
	last   landing.Checkpoint
}

// point is a checkpoint with the number of rows before it.
type point struct {
	at    landing.Checkpoint
	after int
}

// Run checks the source.
func Run(t *testing.T, p Params) {
	t.Helper()
	var full read
	t.Run("streams", func(t *testing.T) { streams(t, p) })
	if !t.Run("complete read", func(t *testing.T) {
		full = all(t, p, landing.Checkpoint{})
		if len(full.rows) != p.Rows {
			t.Fatalf("read %d rows, want %d", len(full.rows), p.Rows)
		}
		seen := map[string]bool{}
		for _, r := range full.rows {
			if r.id != "" && seen[r.id] {
				t.Errorf("row id %q came twice: it must tell rows of a read apart", r.id)
			}
			seen[r.id] = true
		}
	}) {
		return
	}
	t.Run("repeatable order", func(t *testing.T) {
		if again := all(t, p, landing.Checkpoint{}); !reflect.DeepEqual(again.rows, full.rows) {
			t.Error("a second read gave other rows, or another order")
		}
	})
	t.Run("resume from every checkpoint", func(t *testing.T) { // P1: repeat allowed, skip never
		if len(full.points) == 0 {
			t.Skip("the source gives no checkpoints: it starts over each time")
		}
		for i, c := range full.points {
			rest := all(t, p, c.at)
			have := map[row]int{}
			for _, r := range rest.rows {
				have[r]++
			}
			for _, r := range full.rows[c.after:] {
				if have[r]--; have[r] < 0 {
					t.Fatalf("after checkpoint %d of %d (%d rows read), row %s was skipped", i+1, len(full.points), c.after, r.id)
				}
			}
		}
	})
	t.Run("nothing new", func(t *testing.T) {
		if full.last.IsZero() {
			t.Skip("the source gives no checkpoints")
		}
		known := map[row]bool{}
		for _, r := range full.rows {
			known[r] = true
		}
		rest := all(t, p, full.last)
		for _, r := range rest.rows {
			if !known[r] {
				t.Errorf("row %s came out of nothing", r.id)
			}
		}
		// What an empty read leaves behind must serve as well as what was there before it.
		if !rest.last.IsZero() {
			all(t, p, rest.last)
		}
	})
	t.Run("stop early", func(t *testing.T) {
		leaves(t, func() {
			src := p.Open(t)
			defer src.Close()
			for range src.Read(t.Context(), p.Stream, landing.Checkpoint{}) {
				break
			}
		})
	})
	t.Run("cancel", func(t *testing.T) {
		leaves(t, func() {
			src := p.Open(t)
			defer src.Close()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			n, ended := 0, make(chan struct{})
			go func() {
				defer close(ended)
				for _, err := range src.Read(ctx, p.Stream, landing.Checkpoint{}) {
					if err != nil {
						return
					}
					n++
					cancel()
				}
			}()
			select {
			case <-ended:
			case <-time.After(10 * time.Second):
				t.Error("a cancelled read goes on")
			}
		})
	})
	t.Run("cancelled before", func(t *testing.T) {
		src := p.Open(t)
		defer src.Close()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		var got error
		for _, err := range src.Read(ctx, p.Stream, landing.Checkpoint{}) {
			got = err
		}
		if got == nil {
			t.Error("a read that was cancelled before it began ended as if it were complete: a replace stream would be emptied")
		}
	})
	t.Run("unknown stream", func(t *testing.T) {
		src := p.Open(t)
		defer src.Close()
		var got error
		for _, err := range src.Read(t.Context(), "no_such_stream", landing.Checkpoint{}) {
			got = err
		}
		if got == nil {
			t.Error("a stream that does not exist was read without an error")
		}
	})
	t.Run("foreign checkpoint", func(t *testing.T) {
		src := p.Open(t)
		defer src.Close()
		var got error
		for _, err := range src.Read(t.Context(), p.Stream, landing.Checkpoint{Version: 9999, State: json.RawMessage(`{}`)}) {
			got = err
			if err != nil {
				break
			}
		}
		if got == nil {
			t.Error("a checkpoint of an unknown version was taken for the beginning or the end")
		}
	})
	t.Run("close twice", func(t *testing.T) {
		src := p.Open(t)
		if err := src.Close(); err != nil {
			t.Error(err)
		}
		if err := src.Close(); err != nil {
			t.Errorf("the second Close: %v", err)
		}
	})
	if p.Change != nil {
		t.Run("change", func(t *testing.T) {
			p.Change(t)
			rest := all(t, p, full.last)
			old := map[row]bool{}
			for _, r := range full.rows {
				old[r] = true
			}
			added := 0
			for _, r := range rest.rows {
				if !old[r] {
					added++
				}
			}
			if added != p.Added {
				t.Errorf("%d new rows after the change, want %d", added, p.Added)
			}
		})
	}
}

func streams(t *testing.T, p Params) {
	src := p.Open(t)
	defer src.Close()
	a, err := src.Streams(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b, err := src.Streams(t.Context())
	if err != nil || !reflect.DeepEqual(a, b) {
		t.Errorf("listing twice differs: %v", err)
	}
	found := false
	for _, s := range a {
		found = found || s.Name == p.Stream
		if !landing.ValidName(s.Name) {
			t.Errorf("stream %q is not a name that can be a folder: use landing.Slug and keep the original", s.Name)
		}
	}
	if !found {
		t.Errorf("stream %q is not listed", p.Stream)
	}
}

// all reads to the end and checks each batch on the way.
func all(t *testing.T, p Params, from landing.Checkpoint) read {
	t.Helper()
	src := p.Open(t)
	defer src.Close()
	var out read
	for b, err := range src.Read(t.Context(), p.Stream, from) {
		if err != nil {
			t.Fatalf("read: %v", err)
		}
		if b == nil {
			t.Fatal("the source yielded neither a batch nor an error")
		}
		if len(b.RowIDs) > 0 && len(b.RowIDs) != len(b.Rows) {
			t.Fatalf("%d row ids for %d rows", len(b.RowIDs), len(b.Rows))
		}
		for i, cells := range b.Rows {
			if len(cells) > len(b.Columns) {
				t.Fatalf("%d cells for %d columns", len(cells), len(b.Columns))
			}
			r := row{}
			if len(b.RowIDs) > 0 {
				r.id = b.RowIDs[i]
			}
			r.text = render(t, b.Columns, cells)
			out.rows = append(out.rows, r)
		}
		for _, bad := range b.Bad {
			if bad.Reason == "" {
				t.Error("a bad row without a reason")
			}
			out.rows = append(out.rows, row{bad.RowID, "bad: " + string(bad.Raw)})
		}
		if !b.Checkpoint.IsZero() {
			if b.Checkpoint.Version <= 0 || !json.Valid(b.Checkpoint.State) {
				t.Fatalf("a checkpoint needs a version and valid JSON: %d %s", b.Checkpoint.Version, b.Checkpoint.State)
			}
			c := landing.Checkpoint{Version: b.Checkpoint.Version, State: append(json.RawMessage(nil), b.Checkpoint.State...)}
			out.points = append(out.points, point{c, len(out.rows)})
			out.last = c
		}
	}
	return out
}

// render writes a row without regard to the order of its columns.
func render(t *testing.T, names []string, cells []any) string {
	t.Helper()
	var parts []string
	for i, c := range cells {
		switch x := c.(type) {
		case nil:
			continue
		case string, int64, float64, bool, json.Number:
		case json.RawMessage:
			if !json.Valid(x) {
				t.Errorf("column %s: nested value is not JSON: %s", names[i], x)
			}
			c = string(x)
		case time.Time:
			if _, offset := x.Zone(); offset != 0 {
				t.Errorf("column %s: %v is not in UTC", names[i], x)
			}
		default:
			t.Fatalf("column %s: a batch may not hold a %T", names[i], c)
		}
		parts = append(parts, fmt.Sprintf("%s=%T:%v", names[i], c, c))
	}
	sort.Strings(parts)
	return strings.Join(parts, "\x1f")
}

// leaves fails when fn leaves goroutines behind.
func leaves(t *testing.T, fn func()) {
	t.Helper()
	before := runtime.NumGoroutine()
	fn()
	deadline := time.Now().Add(5 * time.Second)
	for runtime.NumGoroutine() > before {
		if time.Now().After(deadline) {
			t.Errorf("%d goroutines before, %d after", before, runtime.NumGoroutine())
			return
		}
		time.Sleep(time.Millisecond)
	}
}

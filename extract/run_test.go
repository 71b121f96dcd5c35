package extract_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"millrace/extract"
	"millrace/extract/landing"
	"millrace/extract/parquet"
	"millrace/internal/fault"
	"millrace/internal/normal"
	"millrace/internal/privacy"
)

// script is a source that yields what it is told, from the batch after the checkpoint.
type script struct {
	specs   []extract.StreamSpec
	batches map[string][]*extract.Batch
	fail    map[string]error // at the end of the stream
	acked   []string
	mu      sync.Mutex
	same    bool // what Unchanged answers
	onBatch func(stream string, i int)
}

func (s *script) Streams(context.Context) ([]extract.StreamSpec, error) { return s.specs, nil }
func (s *script) Close() error                                          { return nil }
func (s *script) Ack(_ context.Context, stream string, at landing.Checkpoint) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acked = append(s.acked, stream+string(at.State))
	return nil
}
func (s *script) Unchanged(context.Context, string, landing.Checkpoint) (bool, error) {
	return s.same, nil
}

func (s *script) Read(ctx context.Context, stream string, from landing.Checkpoint) extract.Stream {
	return func(yield func(*extract.Batch, error) bool) {
		start := 0
		if !from.IsZero() {
			if err := json.Unmarshal(from.State, &start); err != nil {
				yield(nil, err)
				return
			}
		}
		for i, b := range s.batches[stream] {
			if i < start {
				continue
			}
			if s.onBatch != nil {
				s.onBatch(stream, i)
			}
			if err := ctx.Err(); err != nil {
				yield(nil, err)
				return
			}
			if !yield(b, nil) {
				return
			}
		}
		if err := s.fail[stream]; err != nil {
			yield(nil, err)
		}
	}
}

func at(i int) landing.Checkpoint {
	return landing.Checkpoint{Version: 1, State: json.RawMessage(fmt.Sprint(i))}
}

func batch(i int, safe bool, ids ...int) *extract.Batch {
	b := &extract.Batch{Columns: []string{"id"}}
	for _, id := range ids {
		b.Rows = append(b.Rows, []any{int64(id)})
		b.RowIDs = append(b.RowIDs, fmt.Sprint(id))
	}
	if safe {
		b.Checkpoint = at(i)
	}
	return b
}

func spec(name string, d landing.Disposition) extract.StreamSpec {
	return extract.StreamSpec{Name: name, Original: name, Disposition: d}
}

// clock moves on a second with each look.
func clock() func() time.Time {
	var mu sync.Mutex
	now := time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
	return func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(time.Second)
		return now
	}
}

type runner struct {
	raw string
	now func() time.Time
}

func (r runner) run(ctx context.Context, t *testing.T, src extract.Source, edit func(*extract.RunParams)) extract.RunResult {
	t.Helper()
	l := parquet.New(parquet.Options{Dir: r.raw, Now: r.now})
	defer l.Close()
	p := extract.RunParams{Sources: []extract.Sourced{{Name: "s", Source: src}}, Lander: l, RunID: "r", Now: r.now}
	if edit != nil {
		edit(&p)
	}
	return extract.Run(ctx, p)
}

// landed sums up the stream's loads: rows, checkpoint, and S or C for the ends of a complete read.
func (r runner) landed(t *testing.T, stream string) string {
	t.Helper()
	loads, err := landing.Loads(r.raw, "s", stream)
	if err != nil {
		t.Fatal(err)
	}
	var parts []string
	for _, m := range loads {
		s := fmt.Sprintf("%d@%s", m.Rows, m.After.State)
		if m.Starts {
			s += "S"
		}
		if m.Complete {
			s += "C"
		}
		parts = append(parts, s)
	}
	return strings.Join(parts, " ")
}

func newRunner(t *testing.T) runner { return runner{t.TempDir(), clock()} }

func TestResumeAndEmptyRead(t *testing.T) {
	r := newRunner(t)
	src := &script{specs: []extract.StreamSpec{spec("a", landing.Append)}, batches: map[string][]*extract.Batch{"a": {batch(1, true, 1, 2), batch(2, true, 3)}}}
	res := r.run(t.Context(), t, src, nil)
	if err := res.Err(); err != nil || res.Rows() != 3 {
		t.Fatalf("%+v", res)
	}
	// Nothing new: no load, and the old checkpoint stays (a zero one would read everything again).
	res = r.run(t.Context(), t, src, nil)
	if got := r.landed(t, "a"); got != "3@2" || res.Rows() != 0 {
		t.Fatalf("%s", got)
	}
	src.batches["a"] = append(src.batches["a"], batch(3, true, 4), &extract.Batch{Checkpoint: at(4)})
	r.run(t.Context(), t, src, nil)
	if got := r.landed(t, "a"); got != "3@2 1@4" {
		t.Fatalf("%s", got)
	}
	if got := fmt.Sprint(src.acked); got != "[a2 a2 a2 a4]" {
		t.Errorf("acknowledged %s", got)
	}
}

func TestFailedStreamStopsNoOther(t *testing.T) {
	r := newRunner(t)
	boom := errors.New("boom")
	src := &script{specs: []extract.StreamSpec{spec("a", landing.Append), spec("b", landing.Append), spec("c", landing.Append)},
		batches: map[string][]*extract.Batch{"a": {batch(1, true, 1)}, "b": {batch(1, true, 1), batch(2, false, 2)}, "c": {batch(1, true, 1, 2)}},
		fail:    map[string]error{"b": boom, "c": boom}}
	res := r.run(t.Context(), t, src, func(p *extract.RunParams) {
		p.Sources = append(p.Sources, extract.Sourced{Name: "broken", OpenErr: boom})
	})
	if err := res.Err(); !errors.Is(err, boom) || fault.ExitCode(err) != fault.ExitHandled || len(res.Failed()) != 3 {
		t.Errorf("%v", res.Err())
	}
	// b gave rows after its last safe point, so nothing of it counts; c failed at one, so what it gave is kept.
	if a, b, c := r.landed(t, "a"), r.landed(t, "b"), r.landed(t, "c"); a != "1@1" || b != "" || c != "2@1" {
		t.Errorf("%q %q %q", a, b, c)
	}
}

func TestRollAndInterruptedReplace(t *testing.T) {
	r := newRunner(t)
	boom := errors.New("boom")
	src := &script{specs: []extract.StreamSpec{spec("a", landing.Replace)}, batches: map[string][]*extract.Batch{"a": {batch(1, true, 1, 2), batch(2, true, 3, 4), batch(3, true, 5)}}}
	roll := func(p *extract.RunParams) { p.RollRows = 2 }
	src.fail = map[string]error{"a": boom}
	r.run(t.Context(), t, src, roll)
	if got := r.landed(t, "a"); got != "2@1S 2@2 1@3" {
		t.Fatalf("%s", got)
	}
	src.fail = nil
	r.run(t.Context(), t, src, roll) // goes on, finds nothing more, and closes the read
	if got := r.landed(t, "a"); got != "2@1S 2@2 1@3 0@3C" {
		t.Fatalf("%s", got)
	}
	src.same = true
	if res := r.run(t.Context(), t, src, roll); !res.Streams[0].Unchanged {
		t.Fatalf("%+v", res)
	}
	src.same = false
	src.batches["a"] = nil
	res := r.run(t.Context(), t, src, roll)
	if got := r.landed(t, "a"); got != "2@1S 2@2 1@3 0@3C 0@SC" || len(res.Streams[0].Warnings) != 1 {
		t.Fatalf("%s %+v", got, res)
	}
}

func TestFullRefresh(t *testing.T) {
	r := newRunner(t)
	src := &script{specs: []extract.StreamSpec{spec("a", landing.Append)}, batches: map[string][]*extract.Batch{"a": {batch(1, true, 1, 2)}}}
	r.run(t.Context(), t, src, nil)
	boom := errors.New("boom")
	src.fail = map[string]error{"a": boom}
	r.run(t.Context(), t, src, func(p *extract.RunParams) { p.FullRefresh = true })
	loads, _ := landing.Loads(r.raw, "s", "a")
	if got := r.landed(t, "a"); got != "2@1 2@1S" || len(landing.Current(loads)) != 1 || landing.Current(loads)[0].Starts {
		t.Fatalf("an unfinished refresh counts already: %s", got)
	}
	src.fail = nil
	r.run(t.Context(), t, src, nil) // an ordinary run closes it
	loads, _ = landing.Loads(r.raw, "s", "a")
	if got := r.landed(t, "a"); got != "2@1 2@1S 0@1C" || len(landing.Current(loads)) != 2 {
		t.Fatalf("%s", got)
	}
}

func TestBackfillKeepsTheCheckpoint(t *testing.T) {
	r := newRunner(t)
	src := &script{specs: []extract.StreamSpec{spec("a", landing.Merge)}, batches: map[string][]*extract.Batch{"a": {batch(1, true, 1), batch(2, true, 2), batch(3, true, 3)}}}
	r.run(t.Context(), t, src, nil)
	r.run(t.Context(), t, src, func(p *extract.RunParams) {
		p.From = func(string, string) (landing.Checkpoint, bool) { return at(1), true }
	})
	if got := r.landed(t, "a"); got != "3@3 2@3" {
		t.Fatalf("%s", got)
	}
}

func TestCancelKeepsWhatIsSafe(t *testing.T) {
	r := newRunner(t)
	ctx, cancel := context.WithCancel(t.Context())
	src := &script{specs: []extract.StreamSpec{spec("a", landing.Append)}, batches: map[string][]*extract.Batch{"a": {batch(1, true, 1), batch(2, true, 2), batch(3, true, 3)}},
		onBatch: func(_ string, i int) {
			if i == 2 {
				cancel()
			}
		}}
	res := r.run(ctx, t, src, nil)
	if err := res.Err(); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if got := r.landed(t, "a"); got != "2@2" {
		t.Fatalf("%s", got)
	}
	src.onBatch = nil
	r.run(t.Context(), t, src, nil)
	if got := r.landed(t, "a"); got != "2@2 1@3" {
		t.Fatalf("%s", got)
	}
}

func TestCompactionRunsByItself(t *testing.T) {
	r := newRunner(t)
	src := &script{specs: []extract.StreamSpec{spec("a", landing.Append)}, batches: map[string][]*extract.Batch{}}
	for i := range 40 {
		src.batches["a"] = append(src.batches["a"], batch(i+1, true, i))
		res := r.run(t.Context(), t, src, func(p *extract.RunParams) { p.RunID = fmt.Sprint("r", i) })
		if res.Err() != nil || len(res.Streams[0].Warnings) > 0 {
			t.Fatalf("%+v", res)
		}
	}
	loads, err := landing.Loads(r.raw, "s", "a")
	if err != nil {
		t.Fatal(err)
	}
	var rows int64
	for _, m := range loads {
		rows += m.Rows
	}
	if rows != 40 || len(loads) > 18 {
		t.Errorf("%d rows in %d loads", rows, len(loads))
	}
}

// A person who was erased does not come back when the source sends them again, also not through rows that could not be read.
func TestErasedDoNotComeBack(t *testing.T) {
	key := func(kind, value string) string { return kind + "=" + value }
	screen := privacy.New(normal.Default(), key, []string{key(privacy.Email, "jane@x.example")}, nil)
	src := &script{specs: []extract.StreamSpec{{Name: "a", Disposition: landing.Append, Schema: landing.Schema{Columns: []landing.Column{{Name: "email", Original: "E-Mail", Type: landing.Varchar, Declared: true, PII: "email"}}}}},
		batches: map[string][]*extract.Batch{"a": {
			{Columns: []string{"E-Mail", "note"}, RowIDs: []string{"1", "2", "3"}, Rows: [][]any{{"JANE@x.example", "a"}, {"bob@x.example", "b"}, {"sue@x.example", "jane@x.example said so"}},
				Bad: []extract.BadRow{{RowID: "4", Reason: "half a line", Raw: []byte(`"jane@x.example,`)}, {RowID: "5", Reason: "half a line", Raw: []byte(`"al`)}}, Checkpoint: at(1)},
			{Columns: []string{"note", "E-Mail"}, Rows: [][]any{{"c", "jane@x.example"}, {"d", "zoe@x.example"}}, Checkpoint: at(2)},
		}}}
	raw := t.TempDir()
	l := parquet.New(parquet.Options{Dir: raw})
	defer l.Close()
	res := extract.Run(t.Context(), extract.RunParams{Sources: []extract.Sourced{{Name: "s", Source: src}}, Lander: l, RunID: "r", Screen: screen})
	if err := res.Err(); err != nil {
		t.Fatal(err)
	}
	if r := res.Streams[0]; r.Rows != 3 || r.Quarantined != 1 || r.Erased != 4 {
		t.Errorf("rows %d, quarantined %d, erased %d", r.Rows, r.Quarantined, r.Erased)
	}
	left, err := l.Purge(t.Context(), "s", "a", screen.Stream, true)
	if err != nil || !left.Empty() {
		t.Errorf("still there: %+v %v", left, err)
	}
}

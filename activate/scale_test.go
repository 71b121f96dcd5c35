package activate

import (
	"context"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"millrace/internal/duck"
	"millrace/internal/state"
	"millrace/transform/relation"
)

// sink is a destination that takes everything at once: what remains is the engine's own time.
type sink struct{}

func (sink) Capabilities(string) (Capabilities, error) {
	return Capabilities{Account: "a", Ops: []Op{Upsert}, MaxBatch: 100, PerRow: true, TellsNew: true, Repeat: true, Undo: UndoNone, PerSecond: 1000}, nil
}
func (sink) Check(context.Context, Target) error { return nil }
func (sink) Close() error                        { return nil }
func (sink) Send(_ context.Context, b Batch) (Answer, error) {
	var a Answer
	for _, r := range b.Rows {
		a.Results = append(a.Results, Result{ID: r.ID, Status: Acked, RemoteID: r.Key})
	}
	return a, nil
}

type fileBuild struct {
	path string
	b    relation.Build
}

func (f fileBuild) Build() relation.Build { return f.b }
func (f fileBuild) Attach(context.Context) (string, duck.Options, error) {
	return f.path, duck.Options{Threads: 2, MemoryLimit: "600MB", TempDir: f.path + ".tmp"}, nil
}
func (f fileBuild) Query(context.Context, string) iter.Seq2[[]any, error] {
	return func(yield func([]any, error) bool) { yield(nil, fmt.Errorf("read row by row")) }
}

const scaleSync = `version: 1
owner: ann
live: true
relation: segments.leads
destination: sink
object: contacts
key: email
mapping: {lead_score: score, why: reason, value: amount}
guardrails: {first_run: allow}
`

// peak is the process's largest resident memory in MB since the last reset.
func peak(reset bool) int {
	if reset {
		_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0o600) // elsewhere than on Linux nothing is measured
	}
	b, _ := os.ReadFile("/proc/self/status")
	_, rest, _ := strings.Cut(string(b), "VmHWM:")
	f := strings.Fields(rest)
	if len(f) == 0 {
		return 0
	}
	n, _ := strconv.Atoi(f[0])
	return n / 1024
}

// cpuSeconds is what the process has used, which other work on the machine does not change.
func cpuSeconds() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// BenchmarkScale plans a sync of five million rows of which one in a hundred changed since it was acknowledged. The hundredth
// that changes was really applied; the rest of the ledger is written straight into the state file, with the
// fingerprints that an apply would have left.
//
//	MILLRACE_ROWS=5000000 go test ./activate -run '^$' -bench Scale -benchtime 1x
func BenchmarkScale(b *testing.B) {
	n := 500_000
	if v := os.Getenv("MILLRACE_ROWS"); v != "" {
		n, _ = strconv.Atoi(v)
	}
	ctx, dir := b.Context(), b.TempDir()
	must := func(err error) {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
	}
	build := func(id, score, where string) fileBuild {
		f := fileBuild{path: filepath.Join(dir, id+".duckdb"), b: relation.Build{ID: id, Relations: map[string]relation.Relation{"segments.leads": {Name: "segments.leads", Version: id,
			Columns: []relation.Column{{Name: "email", PII: "email"}, {Name: "score"}, {Name: "reason"}, {Name: "amount"}}}}}}
		db, err := duck.Open(ctx, f.path, duck.Options{Threads: 2, MemoryLimit: "1GB"})
		must(err)
		must(db.Exec(ctx, "create schema segments"))
		must(db.Exec(ctx, fmt.Sprintf(`create table segments.leads as select 'person' || i || '@example.com' as email, (%s)::bigint as score, 'because ' || (i %% 1000) as reason,
			((i * 7 %% 100000) / 100.0)::decimal(18, 4) as amount from range(%d) as t(i) where %s`, score, n, where)))
		must(db.Close())
		return f
	}
	first, whole, next := build("b1", "i % 100", "i % 100 = 3"), build("b2", "i % 100", "true"), build("b3", "i % 100 + (i % 100 = 3)::int", "true")
	db, err := state.Open(ctx, filepath.Join(dir, "state.db"))
	must(err)
	defer db.Close()
	s, err := ParseSync("leads", "activate/leads.yml", []byte(scaleSync), nil, []Connector{{Name: "sink", Options: func() any { return &struct{}{} }}})
	must(err)
	now := first
	at := time.Date(2026, 3, 2, 6, 0, 0, 0, time.UTC)
	e := func() *Engine {
		return &Engine{State: db, Target: "prod", RunID: "r", By: "ann", Now: at, Log: slog.New(slog.NewTextHandler(os.Stderr, nil)), Clock: time.Now, Rand: func() float64 { return 0.5 }, Sleep: func(context.Context, time.Duration) error { return nil },
			Open: func(context.Context, string) (Warehouse, func() error, error) {
				return now, func() error { return nil }, nil
			}}
	}
	p, err := e().Plan(ctx, s, sink{})
	must(err)
	peak(true)
	began := time.Now()
	_, err = e().Apply(ctx, s, sink{}, p.ID)
	must(err)
	rate, applied := float64(p.Changes)/time.Since(began).Seconds(), peak(false)
	seedLedger(b, db, s, whole, filepath.Join(dir, "state.db"))
	must(e().Compact(ctx, s, sink{}))
	now = next
	b.ResetTimer()
	for range b.N {
		peak(true)
		began, cpu := time.Now(), cpuSeconds()
		p, err = e().Plan(ctx, s, sink{})
		must(err)
		took := time.Since(began)
		if p.Changes != n/100 || p.Unchanged != n-n/100 || p.Known != n {
			b.Fatalf("%d changes, %d unchanged, %d known", p.Changes, p.Unchanged, p.Known)
		}
		b.ReportMetric(rate, "applied_rows/s")
		b.ReportMetric(float64(applied), "apply_MB")
		b.ReportMetric(took.Seconds(), "plan_s")
		b.ReportMetric(cpuSeconds()-cpu, "plan_cpu_s")
		b.ReportMetric(float64(peak(false)), "plan_MB")
	}
}

// seedLedger writes the entries of rows that were not applied.
func seedLedger(b *testing.B, db *state.DB, s *Sync, f fileBuild, path string) {
	scope := s.scope(Capabilities{Account: "a"})
	raw, err := sql.Open("sqlite", path)
	if err != nil {
		b.Fatal(err)
	}
	defer raw.Close()
	raw.SetMaxOpenConns(1)
	in, err := duck.Open(b.Context(), "", duck.Options{Threads: 2, MemoryLimit: "600MB"})
	if err != nil {
		b.Fatal(err)
	}
	defer in.Close()
	in.SetMaxOpenConns(1)
	for _, q := range []string{"attach " + duck.Quote(f.path) + " as build (read_only)", "use build", "create temp view sources as " + s.sources(db.Ledger.Secret(scope))} {
		if err := in.Exec(b.Context(), q); err != nil {
			b.Fatal(err)
		}
	}
	t, err := raw.Begin()
	if err != nil {
		b.Fatal(err)
	}
	ins, err := t.Prepare(`insert into acked (scope, key_id, body, claim, created_it, outbox_id, version, acked_at, source) values (?,?,?,'acked',0,'o',1000000,'2026-03-01T06:00:00.000000Z',?)`)
	if err != nil {
		b.Fatal(err)
	}
	body, err := json.Marshal(strings.Repeat("x", 180))
	if err != nil {
		b.Fatal(err)
	}
	n := 0
	err = in.Each(b.Context(), "select hi::varchar, lo::varchar from sources where f0 <> 3", func(row []any) error {
		source, err := joined(row[0].(string), row[1].(string))
		if err != nil {
			return err
		}
		var id [16]byte // in order, which SQLite takes faster
		binary.BigEndian.PutUint64(id[:], uint64(n)<<32)
		n++
		_, err = ins.Exec(scope, hex.EncodeToString(id[:]), body, source)
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := t.Exec(`update ledgers set entries = entries + ?, version = 1000000 where scope = ?`, n, scope); err != nil {
		b.Fatal(err)
	}
	if err := t.Commit(); err != nil {
		b.Fatal(err)
	}
}

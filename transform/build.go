package transform

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"millrace/internal/duck"
	"millrace/internal/fault"
)

// Suffixes of relations that are there only while building.
const (
	nextSuffix = "__next" // the new version, being made
	prevSuffix = "__prev" // the old version, until the new one has passed its audit
	inSuffix   = "__in"   // the rows of a query that something else turns into the relation
)

// BuildParams says what to build and with how much.
type BuildParams struct {
	Graph *Graph
	Dir   string // the target's folder, .millrace/<target>; the caller holds the target's lock
	// Only are the relations to build, nil for all. Views that read one of them are added: they change with it.
	Only        []string
	FullRefresh bool // incremental relations start anew; snapshots keep their memory
	Strict      bool // publish nothing when anything fails
	Threads     int
	MemoryLimit string
	TempDir     string
	KeepBuilds  int      // builds that stay for readers, at least 3
	Pinned      []string // builds that stay because a plan was made from them
	RunID       string
	Clock       func() time.Time // wall clock, for ids and durations
	OnEvent     func(Event)      // called by one goroutine at a time
	Log         *slog.Logger

	step func(string) // tests stop the process here
}

// NodeResult is what became of one relation.
type NodeResult struct {
	Name         string        `json:"name"`
	File         string        `json:"path,omitempty"`
	Materialized string        `json:"materialized"`
	Status       Status        `json:"status"`
	Message      string        `json:"message,omitempty"`
	Rows         int64         `json:"rows"`
	Stale        bool          `json:"stale,omitempty"`
	Took         time.Duration `json:"-"`
	Err          error         `json:"-"`
}

// BuildResult is what a build did.
type BuildResult struct {
	ID        string // of the published build; empty when nothing is published
	Path      string
	Published bool // a new build was published
	Nodes     []NodeResult
	Tests     []TestResult
	Started   time.Time
	Took      time.Duration
	Strict    bool   // refused because of --strict
	Results   string // where all results stand, relative to the project; empty when none were written
}

// Count is how many relations have a status.
func (r *BuildResult) Count(s Status) int {
	n := 0
	for _, x := range r.Nodes {
		if x.Status == s {
			n++
		}
	}
	return n
}

// CountTests is how many audits have a status.
func (r *BuildResult) CountTests(s Status) int {
	n := 0
	for _, x := range r.Tests {
		if x.Status == s {
			n++
		}
	}
	return n
}

// Err is nil when everything is fresh and passed; otherwise it names what failed, with exit code 1.
func (r *BuildResult) Err() error {
	var failed []string
	for _, n := range r.Nodes {
		if n.Status == StatusFailed {
			failed = append(failed, n.Name)
		}
	}
	for _, t := range r.Tests {
		if t.Status == StatusError && t.Relation == "" {
			failed = append(failed, t.ID)
		}
	}
	if len(failed) == 0 {
		for _, t := range r.Tests {
			if t.Status == StatusError {
				failed = append(failed, t.ID)
			}
		}
	}
	if len(failed) == 0 {
		return nil
	}
	msg := "failed: " + strings.Join(failed, ", ")
	hint := "What reads them stays at its last published version. Mend the SQL or the data, and run again."
	if r.Results != "" {
		hint = "What reads them stays at its last published version. See " + r.Results + ", mend the SQL or the data, and run again."
	}
	if r.Strict {
		hint = "Nothing was published (--strict)."
	}
	return &fault.Error{Msg: msg, Hint: hint, Exit: fault.ExitHandled}
}

// Build brings the published warehouse up to date with the graph: what changed is built into a copy, audited, and the
// copy is published by switching the link (P3). When nothing changed, no file is copied. The error is for a build that
// could not be done at all; then nothing was published. What failed and was handled is in the result.
//
// The caller holds the target's lock: there is one Build per target at a time. Readers need no lock.
func Build(ctx context.Context, p BuildParams) (*BuildResult, error) {
	b, err := newBuilder(p)
	if err != nil {
		return nil, err
	}
	p = b.p
	res := &BuildResult{Started: p.Clock().UTC()}
	if err := b.start(ctx); err != nil {
		return nil, err
	}
	b.find()
	if len(b.restore) == 0 && b.idle() {
		if err := b.wh.retain(b.p.KeepBuilds, b.p.Pinned); err != nil { // a build that was stopped just after its commit did not
			return nil, err
		}
		b.result(res)
		res.Took = p.Clock().Sub(res.Started)
		return res, b.artifacts(res)
	}
	err = b.build(ctx, res)
	if b.maker != nil {
		b.maker.close()
	}
	if err != nil {
		if b.db != nil {
			b.db.Close()
		}
		b.discard()
		return nil, diskHint(err)
	}
	res.Took = p.Clock().Sub(res.Started)
	return res, b.artifacts(res)
}

func newBuilder(p BuildParams) (*builder, error) {
	if p.Clock == nil {
		return nil, errors.New("transform: BuildParams has no clock")
	}
	if p.OnEvent == nil {
		p.OnEvent = func(Event) {}
	}
	if p.Log == nil {
		p.Log = slog.New(slog.DiscardHandler)
	}
	if p.step == nil {
		p.step = func(string) {}
	}
	p.KeepBuilds = max(p.KeepBuilds, 3)
	if p.Threads <= 0 {
		p.Threads = runtime.GOMAXPROCS(0)
	}
	return &builder{
		p: p, g: p.Graph, plan: &plan{params: p, g: p.Graph, engine: p.Graph.engine, dir: newWarehouse(p.Dir).dir},
		objects: &objects{physical: map[string]string{}},
		memory:  &memory{dir: filepath.Join(p.Dir, statefulDir), g: p.Graph, log: p.Log},
		wh:      newWarehouse(p.Dir), status: map[string]*NodeResult{}, tests: map[string]*TestResult{}, broken: map[string]error{},
	}, nil
}

// builder is one Build.
type builder struct {
	*plan
	*objects
	*memory

	p    BuildParams
	g    *Graph
	wh   warehouse
	next *state // what the copy will say
	id   string

	maker *maker

	bound   *Bound
	lineage *Lineage

	mu       sync.Mutex // guards what follows
	status   map[string]*NodeResult
	tests    map[string]*TestResult
	fresh    map[string]bool  // swapped in during this build
	broken   map[string]error // landed streams that cannot be read; written before nodes run
	done     int
	attached bool
}

// start looks at what is there.
func (b *builder) start(ctx context.Context) error {
	if err := os.MkdirAll(b.wh.dir, 0o755); err != nil {
		return diskHint(fault.Wrap(err, "make the warehouse folder"))
	}
	cur, err := b.wh.current()
	if err != nil {
		return err
	}
	if err := b.wh.clean(cur); err != nil {
		return err
	}
	b.prev = newState()
	if cur != "" {
		if b.prev, err = readBuild(ctx, b.wh, cur); err != nil {
			return fault.Hint(err, "If the file is damaged, remove "+b.wh.link()+" and build again: relations with memory are restored from their exports.")
		}
	}
	b.cleanSpill()
	return b.remember(ctx, b.prev)
}

// cleanSpill removes what a killed build spilled to disk.
func (b *builder) cleanSpill() {
	if b.p.TempDir == "" {
		return
	}
	left, err := filepath.Glob(filepath.Join(b.p.TempDir, "duckdb_temp_*"))
	if err != nil {
		return // only a pattern that is not one
	}
	for _, f := range left {
		if err := os.RemoveAll(f); err != nil {
			b.p.Log.Debug("remove spilled data", "error", err)
		}
	}
}

// build makes the new file and publishes it.
func (b *builder) build(ctx context.Context, res *BuildResult) error {
	var err error
	if b.id, err = b.wh.nextID(b.p.Clock()); err != nil {
		return err
	}
	if err := b.open(ctx); err != nil {
		return err
	}
	b.p.step("copied")
	if err := b.prepare(ctx); err != nil {
		return err
	}
	b.p.step("prepared")
	if err := b.run(ctx); err != nil {
		return err
	}
	b.p.step("built")
	b.result(res)
	failed := res.Err() != nil
	if b.p.Strict && failed {
		res.Strict = true
		err := b.db.Close()
		b.db = nil
		b.discard()
		return err
	}
	if err := b.finish(ctx); err != nil {
		return err
	}
	if b.same() {
		err := b.db.Close()
		b.db = nil
		b.discard()
		return err
	}
	if err := b.next.write(ctx, b.db, b.p); err != nil {
		return fault.Wrap(err, "write the records of the build")
	}
	b.p.step("recorded")
	if err := b.export(ctx, b.db, b.id, b.fresh); err != nil {
		return err
	}
	b.p.step("exported")
	if err := b.db.Exec(ctx, "checkpoint"); err != nil {
		return fault.Wrap(err, "write the build out")
	}
	b.p.step("checkpointed")
	err = b.db.Close()
	b.db = nil
	if err != nil {
		return fault.Wrap(err, "close the build")
	}
	b.p.step("closed")
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := b.wh.publish(b.id, b.p.step); err != nil {
		return err
	}
	res.ID, res.Path, res.Published = b.id, b.wh.path(b.id), true
	b.p.OnEvent(Event{Kind: EventPublished, Message: b.id})
	// From here on the build is published; what fails is tidied up by the next one.
	if err := b.settle(ctx); err != nil {
		b.p.Log.Warn("tidy up after publishing", "err", err)
	}
	b.p.step("settled")
	return nil
}

// open copies the published file, or begins an empty one, and opens the copy for writing.
func (b *builder) open(ctx context.Context) error {
	if b.prev.id != "" {
		if err := b.wh.copy(b.prev.id, b.id); err != nil {
			return err
		}
	}
	var err error
	b.db, err = duck.Open(ctx, b.wh.path(b.id), duck.Options{Threads: b.p.Threads, MemoryLimit: b.p.MemoryLimit, TempDir: b.p.TempDir, Functions: b.g.goFunctions()})
	if err != nil {
		return fault.Wrap(err, "open the new build")
	}
	b.db.SetMaxIdleConns(b.p.Threads + 1)
	return b.restoreTables(ctx, b.db, b.prev)
}

// discard removes the file of a build that is not published.
func (b *builder) discard() {
	if b.id == "" {
		return
	}
	if cur, err := b.wh.current(); err != nil || cur == b.id {
		return
	}
	for _, suffix := range []string{"", ".wal"} {
		os.Remove(b.wh.path(b.id) + suffix)
	}
	os.RemoveAll(b.wh.path(b.id) + ".tmp")
}

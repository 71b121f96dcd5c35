package transform

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"millrace/internal/duck"
	"millrace/internal/fault"
	"millrace/transform/relation"
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
	Strict    bool // refused because of --strict
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
	hint := "What reads them stays at its last published version. See target/run_results.json, mend the SQL or the data, and run again."
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
	b.plan()
	if b.idle() {
		if err := b.wh.retain(b.p.KeepBuilds, b.p.Pinned); err != nil { // a build that was stopped just after its commit did not
			return nil, err
		}
		b.result(res)
		res.Took = p.Clock().Sub(res.Started)
		return res, b.artifacts(res)
	}
	if err := b.build(ctx, res); err != nil {
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
	return &builder{p: p, g: p.Graph, wh: newWarehouse(p.Dir), engine: p.Graph.engine, status: map[string]*NodeResult{}, tests: map[string]*TestResult{}}, nil
}

// builder is one Build.
type builder struct {
	p    BuildParams
	g    *Graph
	wh   warehouse
	prev *state // what is published
	next *state // what the copy will say
	id   string
	db   *duck.DB
	tmp  string

	engine  string
	targets map[string]bool   // relations to bring up to date
	want    map[string]string // version that each relation has after a build without failures
	todo    map[string]bool   // relations to rebuild
	checks  []*check
	todoC   []*check // audits to run
	todoU   map[*UnitTest]bool
	gone    []string // published relations that the project no longer has
	bound   *Bound
	lineage *Lineage

	mu       sync.Mutex
	physical map[string]string // what stands in the copy under a name: table or view
	status   map[string]*NodeResult
	tests    map[string]*TestResult
	fresh    map[string]bool // swapped in during this build
	done     int
	attached bool
	restore  map[string]statefulEntry
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
	return b.remember(ctx)
}

// plan finds what has to be rebuilt and tested, without touching anything.
func (b *builder) plan() {
	b.targets = map[string]bool{}
	for _, n := range b.p.Only {
		b.targets[n] = true
	}
	if b.p.Only == nil {
		for _, n := range b.g.order {
			b.targets[n] = true
		}
		for name := range b.prev.nodes {
			if _, ok := b.g.Nodes[name]; !ok {
				b.gone = append(b.gone, name)
			}
		}
		slices.Sort(b.gone)
	}
	b.want, b.todo = map[string]string{}, map[string]bool{}
	for _, name := range b.g.order {
		n := b.g.Nodes[name]
		v := n.version(b.engine, func(d string) string { return b.want[d] })
		old := b.prev.nodes[name]
		switch {
		case n.Kind == KindRaw:
			b.want[name] = v
			continue
		case !b.targets[name] && !(n.Meta.Materialized == "view" && b.readsTodo(n)) && !(b.p.Only != nil && n.Kind != KindModel && b.readBySome(name)):
			if old != nil {
				b.want[name] = old.Version
			}
			continue
		}
		b.targets[name] = true
		forced := b.p.FullRefresh && n.Meta.Materialized == "incremental"
		if forced {
			// The same inputs may give other rows now: what reads it must see another version.
			v = newHash(v, b.p.RunID, b.p.Clock().String()).sum()
		}
		b.want[name] = v
		if old == nil || old.Version != v || old.frozen || old.Materialized != n.Meta.Materialized ||
			old.Materialized == "external" && b.prev.dir != b.wh.dir {
			b.todo[name] = true
		}
	}
	b.checks = b.g.checks()
	for _, c := range b.checks {
		// An audit belongs to this build when all that it reads is there and it judges something that is asked for.
		asked := len(c.Gates) == 0 && b.p.Only == nil
		for _, r := range c.Gates {
			asked = asked || b.targets[r]
		}
		if !asked {
			continue
		}
		old := b.prev.tests[c.ID]
		if old == nil || old.version != b.checkVersion(c) || old.Status == StatusError {
			b.todoC = append(b.todoC, c)
		}
	}
	b.todoU = map[*UnitTest]bool{}
	for _, u := range b.g.Units {
		old := b.prev.tests[u.ID()]
		if b.targets[u.Model] && (old == nil || old.version != b.unitVersion(u) || old.Status == StatusError) {
			b.todoU[u] = true
		}
	}
}

func (b *builder) checkVersion(c *check) string {
	return c.version(b.engine, func(r string) string { return b.want[r] })
}

func (b *builder) readsTodo(n *Node) bool {
	return slices.ContainsFunc(n.Deps, func(d string) bool { return b.todo[d] })
}

// readBySome reports whether a selected relation reads name: seeds and facts of the run come along with what reads them.
func (b *builder) readBySome(name string) bool {
	for t := range b.targets {
		if n, ok := b.g.Nodes[t]; ok && slices.Contains(n.Deps, name) {
			return true
		}
	}
	return false
}

// idle reports whether the published build is already what the graph asks for.
func (b *builder) idle() bool {
	if len(b.todo) > 0 || len(b.todoC) > 0 || len(b.todoU) > 0 || len(b.gone) > 0 || len(b.restore) > 0 {
		return false
	}
	known := map[string]bool{}
	for _, u := range b.g.Units {
		known[u.ID()] = true
	}
	for _, c := range b.checks {
		known[c.ID] = true
	}
	for id := range b.prev.tests {
		if !known[id] {
			return false
		}
	}
	for name, r := range b.prev.nodes {
		n := b.g.Nodes[name]
		if n == nil || b.targets[name] && (r.Stale || r.meta != metaHash(n)) {
			return false
		}
	}
	return true
}

// metaHash is the hash of what people read about a relation.
func metaHash(n *Node) string {
	m := n.Meta
	h := newHash(m.Description, m.Owner, strings.Join(m.Tags, "\x00"), strings.Join(m.UniqueKey, "\x00"))
	for _, e := range m.Columns.Entries() {
		h.add(e.Key, e.Value.Description, e.Value.PII, strings.Join(e.Value.Tags, "\x00"))
	}
	return h.sum()
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
	if err := b.export(ctx); err != nil {
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
	b.db, err = duck.Open(ctx, b.wh.path(b.id), duck.Options{Threads: b.p.Threads, MemoryLimit: b.p.MemoryLimit, TempDir: b.p.TempDir})
	if err != nil {
		return fault.Wrap(err, "open the new build")
	}
	b.db.SetMaxIdleConns(b.p.Threads + 1)
	return b.restoreTables(ctx)
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

// result collects what became of everything, in graph order.
func (b *builder) result(res *BuildResult) {
	res.Nodes, res.Tests = nil, nil
	if b.prev.id != "" {
		res.ID, res.Path = b.prev.id, b.prev.path
	}
	for _, name := range b.g.order {
		n := b.g.Nodes[name]
		if n.Kind == KindRaw || !b.targets[name] {
			continue
		}
		r := b.status[name]
		if r == nil {
			r = &NodeResult{Name: name, File: n.File, Materialized: n.Meta.Materialized, Status: StatusUnchanged}
			if old := b.prev.nodes[name]; old != nil {
				r.Rows = old.Rows
			}
		}
		res.Nodes = append(res.Nodes, *r)
	}
	for _, id := range b.testIDs() {
		t := b.tests[id]
		if t == nil {
			t = b.prev.tests[id]
		}
		if t != nil {
			res.Tests = append(res.Tests, *t)
		}
	}
}

// testIDs lists every test of the graph, unit tests first.
func (b *builder) testIDs() []string {
	var out []string
	for _, u := range b.g.Units {
		out = append(out, u.ID())
	}
	for _, c := range b.checks {
		out = append(out, c.ID)
	}
	return out
}

// same reports whether the copy says nothing new: everything that was tried failed, as it did before.
func (b *builder) same() bool {
	if len(b.fresh) > 0 || len(b.gone) > 0 || len(b.restore) > 0 || b.prev.id == "" && len(b.next.nodes) == 0 || len(b.next.nodes) != len(b.prev.nodes) || len(b.next.tests) != len(b.prev.tests) {
		return b.prev.id == "" && len(b.next.nodes) == 0
	}
	for name, r := range b.next.nodes {
		o := b.prev.nodes[name]
		if o == nil || o.Stale != r.Stale || o.StaleWhy != r.StaleWhy || o.meta != r.meta || o.Version != r.Version || o.frozen != r.frozen {
			return false
		}
	}
	for id, t := range b.next.tests {
		o := b.prev.tests[id]
		if o == nil || o.Status != t.Status || o.version != t.version || o.Failures != t.Failures {
			return false
		}
	}
	return true
}

// finish removes what was there only for building and gathers the records of the new build.
func (b *builder) finish(ctx context.Context) error {
	if b.attached {
		if err := b.db.Exec(ctx, "detach published"); err != nil {
			return fault.Wrap(err, "let go of the published build")
		}
	}
	for _, name := range b.gone {
		if err := b.drop(ctx, name); err != nil {
			return err
		}
	}
	schemas := map[string]bool{}
	for name := range b.rawNeeded() {
		schema, _, _ := strings.Cut(name, ".")
		schemas[schema] = true
	}
	for _, s := range slices.Sorted(maps.Keys(schemas)) {
		if err := b.db.Exec(ctx, "drop schema if exists "+duck.Ident(s)+" cascade"); err != nil {
			return fault.Wrap(err, "remove the landed streams from the build")
		}
	}
	columns, err := allColumns(ctx, b.db)
	if err != nil {
		return err
	}
	if b.bound == nil { // only descriptions changed: what is personal data may have
		if b.bound, err = bind(ctx, b.g, nil); err != nil {
			return err
		}
	}
	b.lineage = b.bound.lineage(b.g)
	b.next = newState()
	b.next.dir = b.wh.dir
	b.next.id, b.next.engine, b.next.published = b.id, b.engine, b.p.Clock().UTC()
	for _, name := range b.g.order {
		n := b.g.Nodes[name]
		if n.Kind == KindRaw || columns[name] == nil {
			continue
		}
		b.next.nodes[name] = b.record(n, columns[name])
	}
	for _, id := range b.testIDs() {
		if t := b.tests[id]; t != nil {
			b.next.tests[id] = t
		} else if t := b.prev.tests[id]; t != nil {
			b.next.tests[id] = t
		}
	}
	return nil
}

// record describes a relation that stands in the copy.
func (b *builder) record(n *Node, cols []relation.Column) *record {
	old := b.prev.nodes[n.Name]
	r := &record{kind: n.Kind, meta: metaHash(n), static: n.static}
	r.Name, r.Materialized, r.Description, r.Owner, r.Tags, r.Key = n.Name, n.Meta.Materialized, n.Meta.Description, n.Meta.Owner, n.Meta.Tags, n.Meta.UniqueKey
	for i, c := range cols {
		if e, ok := n.Meta.column(c.Name); ok {
			cols[i].Description, cols[i].Tags = e.Value.Description, e.Value.Tags
		} else if n.Kind == KindGiven && i < len(n.given.Columns) {
			cols[i].Description, cols[i].Tags = n.given.Columns[i].Description, n.given.Columns[i].Tags
		}
		cols[i].PII = b.lineage.Personal[n.Name][strings.ToLower(c.Name)]
	}
	r.Columns = cols
	res := b.status[n.Name]
	switch {
	case b.fresh[n.Name]:
		r.Rows, r.Version, r.BuiltAt, r.BuildID = res.Rows, b.want[n.Name], b.p.Clock().UTC(), b.id
	case old != nil:
		r.Rows, r.Version, r.BuiltAt, r.BuildID, r.static = old.Rows, old.Version, old.BuiltAt, old.BuildID, old.static
		r.frozen = old.frozen || b.physical[n.Name] == "table" && old.Materialized == "view"
		if !b.targets[n.Name] {
			r.Stale, r.StaleWhy = old.Stale, old.StaleWhy
		}
		r.Materialized = old.Materialized
	}
	if res != nil && res.Stale {
		r.Stale, r.StaleWhy = true, res.Message
	}
	return r
}

// allColumns lists the columns of everything in the file.
func allColumns(ctx context.Context, db *duck.DB) (map[string][]relation.Column, error) {
	out := map[string][]relation.Column{}
	err := db.Each(ctx, "select schema_name, table_name, column_name, data_type from duckdb_columns() where database_name = current_database() and not internal order by schema_name, table_name, column_index",
		func(row []any) error {
			name := fmt.Sprintf("%s.%s", row[0], row[1])
			out[name] = append(out[name], relation.Column{Name: row[2].(string), Type: row[3].(string)})
			return nil
		})
	return out, fault.Wrap(err, "read the columns of the build")
}

// settle tidies up after the commit.
func (b *builder) settle(ctx context.Context) error {
	return errors.Join(b.settleState(), b.wh.retain(b.p.KeepBuilds, b.p.Pinned), b.wh.retainExternal(context.WithoutCancel(ctx)))
}

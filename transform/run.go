package transform

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"millrace/internal/duck"
	"millrace/internal/fault"
	"millrace/transform/relation"
)

// prepare makes everything that must be there before nodes run in parallel: schemas (creating the same one from two
// connections conflicts), the landed streams as views, the seeds as files, the types of what reads itself.
func (b *builder) prepare(ctx context.Context) error {
	b.physical = map[string]string{}
	b.fresh = map[string]bool{}
	err := b.db.Each(ctx, "select table_schema, table_name, table_type from information_schema.tables where table_catalog = current_database()", func(row []any) error {
		kind := "table"
		if row[2] == "VIEW" {
			kind = "view"
		}
		b.setKind(fmt.Sprintf("%s.%s", row[0], row[1]), kind)
		return nil
	})
	if err != nil {
		return fault.Wrap(err, "look at the build")
	}
	schemas := map[string]bool{}
	for _, name := range b.g.order {
		if b.g.Nodes[name].Kind != KindRaw {
			schemas[schemaOf(name)] = true
		}
	}
	raw := b.rawNeeded()
	for name := range raw {
		schemas[schemaOf(name)] = true
	}
	for _, s := range sortedSet(schemas) {
		if err := b.db.Exec(ctx, "create schema if not exists "+duck.Ident(s)); err != nil {
			return fault.Wrap(err, "make the schema %s", s)
		}
	}
	for _, name := range sortedSet(raw) {
		if err := b.db.Exec(ctx, "create or replace view "+ident(name)+" as "+b.g.Nodes[name].raw.query()); err != nil {
			if ctx.Err() != nil || duck.Fatal(err) {
				return fault.Wrap(err, "read the landed stream %s", name)
			}
			b.broken[name] = unreadable(name, err) // only what reads it is held back
		}
	}
	self := map[string][]relation.Column{}
	for name, r := range b.prev.nodes {
		self[name] = r.Columns
	}
	if len(b.todo) > 0 {
		if b.bound, err = bind(ctx, b.g, self); err != nil {
			return err
		}
		b.lineage = b.bound.lineage(b.g)
	}
	b.maker = &maker{objects: b.objects, plan: b.plan, bound: b.bound, wh: b.wh, id: b.id}
	return b.unitTests(ctx, func(u *UnitTest) bool { return b.todoU[u] })
}

// task is one step of a build; it runs when all that it waits for has run.
type task struct {
	id    string
	rank  int // order among tasks that are ready
	run   func(ctx context.Context) error
	waits int
	next  []*task
}

// tasks is the plan of a build as a graph of steps: build each relation, run each audit once what it reads stands, and
// accept each relation once its audits have passed. What reads a relation waits until it is accepted.
type tasks struct {
	all  map[string]*task
	rank int
}

func (t *tasks) add(id string, run func(ctx context.Context) error) *task {
	k := &task{id: id, rank: t.rank, run: run}
	t.rank++
	t.all[id] = k
	return k
}

func (t *tasks) edge(before, after *task) {
	if before == nil || after == nil || slices.Contains(before.next, after) {
		return
	}
	before.next = append(before.next, after)
	after.waits++
}

// reaches reports whether to runs after from.
func (t *tasks) reaches(from, to *task) bool {
	seen := map[*task]bool{}
	var walk func(k *task) bool
	walk = func(k *task) bool {
		if k == to {
			return true
		}
		if seen[k] {
			return false
		}
		seen[k] = true
		return slices.ContainsFunc(k.next, walk)
	}
	return walk(from)
}

func (b *builder) tasks() *tasks {
	t := &tasks{all: map[string]*task{}}
	involved := map[string]bool{}
	for name := range b.todo {
		involved[name] = true
	}
	for _, c := range b.todoC {
		for _, g := range c.Gates {
			involved[g] = true
		}
	}
	for u := range b.todoU {
		involved[u.Model] = true
	}
	for _, name := range b.g.order {
		if !involved[name] {
			continue
		}
		n := b.g.Nodes[name]
		build := t.add("build "+name, func(ctx context.Context) error { return b.buildNode(ctx, n) })
		accept := t.add("accept "+name, func(ctx context.Context) error { return b.acceptNode(ctx, n) })
		t.edge(build, accept)
		for _, d := range n.Deps {
			t.edge(t.all["accept "+d], build)
		}
	}
	for _, c := range b.todoC {
		k := t.add("check "+c.ID, func(ctx context.Context) error { return b.runCheck(ctx, c) })
		for _, r := range c.Reads {
			if build, accept := t.all["build "+r], t.all["accept "+r]; build != nil && !slices.Contains(c.Gates, r) && !t.reaches(k, accept) {
				t.edge(accept, k)
			}
		}
		for _, g := range c.Gates {
			t.edge(t.all["build "+g], k)
		}
		for _, g := range c.Gates {
			accept := t.all["accept "+g]
			// A test over several relations may not make two of them wait for each other: then it only judges those that
			// are still open.
			if accept != nil && !t.reaches(accept, k) {
				t.edge(k, accept)
			}
		}
	}
	return t
}

// run works the tasks off with a bounded number of workers. A task error ends the build; what fails in one relation is
// recorded by the task itself and is no error here.
func (b *builder) run(ctx context.Context) error {
	ts := b.tasks()
	ready := make(chan *task, len(ts.all))
	finished := make(chan *task, len(ts.all))
	var waiting []*task
	for _, k := range ts.all {
		if k.waits == 0 {
			waiting = append(waiting, k)
		}
	}
	group, gctx := errgroup.WithContext(ctx)
	for range max(1, min(b.p.Threads, 8)) {
		group.Go(func() error {
			for k := range ready {
				if gctx.Err() != nil {
					return gctx.Err()
				}
				if err := k.run(gctx); err != nil {
					return err
				}
				finished <- k
			}
			return nil
		})
	}
	left := len(ts.all)
	release := func() {
		slices.SortFunc(waiting, func(a, b *task) int { return a.rank - b.rank })
		for _, k := range waiting {
			ready <- k
		}
		waiting = waiting[:0]
	}
	release()
loop:
	for left > 0 {
		select {
		case <-gctx.Done():
			break loop
		case k := <-finished:
			left--
			for _, n := range k.next {
				if n.waits--; n.waits == 0 {
					waiting = append(waiting, n)
				}
			}
			release()
		}
	}
	close(ready)
	if err := group.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

// setStatus records what became of a relation and tells the caller.
func (b *builder) setStatus(n *Node, s Status, rows int64, took time.Duration, err error, msg string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.status[n.Name]
	if r == nil {
		r = &NodeResult{Name: n.Name, File: n.File, Materialized: n.Meta.Materialized}
		b.status[n.Name] = r
	}
	r.Status, r.Rows, r.Err, r.Message = s, rows, err, msg
	r.Took += took
	if s == StatusFailed || s == StatusHeld || s == StatusSkipped {
		r.Stale = b.prev.nodes[n.Name] != nil
		if old := b.prev.nodes[n.Name]; old != nil {
			r.Rows = old.Rows
		}
	}
}

func (b *builder) event(e Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e.Kind == EventFinish {
		b.done++
	}
	e.Done, e.Total = b.done, len(b.todo)
	b.p.OnEvent(e)
}

// blocked says which relation that n reads is not what it should be.
func (b *builder) blocked(n *Node) (string, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, d := range n.Deps {
		if r := b.status[d]; r != nil && (r.Status == StatusFailed || r.Status == StatusHeld || r.Status == StatusSkipped) {
			root := r.Message
			if r.Status == StatusFailed {
				root = d + " failed"
			}
			return root, true
		}
		if b.g.Nodes[d].Kind != KindRaw && b.kind(d) == "" {
			return d + " is not built yet", true
		}
	}
	return "", false
}

// buildNode makes the new version of a relation and puts it in the place of the old one, which stays beside it until the
// audit has passed.
func (b *builder) buildNode(ctx context.Context, n *Node) error {
	if !b.todo[n.Name] {
		return nil
	}
	if why, ok := b.blocked(n); ok {
		status := StatusHeld
		if b.prev.nodes[n.Name] == nil {
			status = StatusSkipped
		}
		b.setStatus(n, status, 0, 0, nil, why)
		return b.hold(ctx, n)
	}
	if bad := b.failing(n); len(bad) > 0 { // only unit tests have run so far
		b.setStatus(n, StatusFailed, 0, 0, nil, failedBy(bad))
		return b.hold(ctx, n)
	}
	for _, d := range n.Deps {
		if err := b.broken[d]; err != nil {
			b.setStatus(n, StatusFailed, 0, 0, err, err.Error())
			return b.hold(ctx, n)
		}
	}
	start := b.p.Clock()
	b.event(Event{Kind: EventStart, Node: n.Name, Materialized: n.Meta.Materialized})
	rows, err := b.maker.materialize(ctx, n)
	took := b.p.Clock().Sub(start)
	b.p.step("made " + n.Name)
	if err == nil {
		err = b.swapIn(ctx, n)
	}
	if err == nil {
		b.setStatus(n, StatusBuilt, rows, took, nil, "")
		b.p.step("swapped " + n.Name)
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if duck.Fatal(err) {
		return fault.Wrap(err, "build %s", n.Name)
	}
	if derr := b.clear(ctx, n); derr != nil {
		return fault.Wrap(derr, "build %s", n.Name)
	}
	b.setStatus(n, StatusFailed, 0, took, err, err.Error())
	return b.hold(ctx, n)
}

// clear removes what a failed attempt left.
func (b *builder) clear(ctx context.Context, n *Node) error {
	for _, suffix := range []string{nextSuffix, inSuffix} {
		if err := b.drop(ctx, n.Name+suffix); err != nil {
			return err
		}
	}
	if b.kind(n.Name+prevSuffix) != "" { // a relation that reads itself was set aside
		if err := b.drop(ctx, n.Name); err != nil {
			return err
		}
		return b.rename(ctx, n.Name+prevSuffix, n.Name)
	}
	if b.prev.nodes[n.Name] == nil {
		return b.drop(ctx, n.Name)
	}
	return nil
}

// swapIn puts the new version in place.
func (b *builder) swapIn(ctx context.Context, n *Node) error {
	if b.kind(n.Name) != "" {
		if b.kind(n.Name+prevSuffix) != "" { // set aside before, an empty stand-in is here
			if err := b.drop(ctx, n.Name); err != nil {
				return err
			}
		} else if err := b.rename(ctx, n.Name, n.Name+prevSuffix); err != nil {
			return err
		}
	}
	return b.rename(ctx, n.Name+nextSuffix, n.Name)
}

// hold keeps a relation at its published version. Tables do that by themselves. A view would show new rows of what it
// reads, so its published rows are taken over as a table until it can be renewed.
func (b *builder) hold(ctx context.Context, n *Node) error {
	// An external relation is a view of a file that never changes.
	if b.kind(n.Name) != "view" || n.Meta.Materialized == "external" || !b.readsFresh(n) {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.attached {
		if err := b.db.Exec(ctx, "attach "+duck.Quote(b.prev.path)+" as published (read_only)"); err != nil {
			return fault.Wrap(err, "hold %s", n.Name)
		}
		b.attached = true
	}
	tmp := n.Name + nextSuffix
	for _, q := range []string{
		"create or replace table " + ident(tmp) + " as from published." + ident(n.Name),
		"drop view " + ident(n.Name),
		"alter table " + ident(tmp) + " rename to " + duck.Ident(tableOf(n.Name)),
	} {
		if err := b.db.Exec(ctx, q); err != nil {
			return fault.Wrap(err, "hold %s at its published version", n.Name)
		}
	}
	b.setKind(n.Name, "table")
	return nil
}

func sortedSet(m map[string]bool) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func schemaOf(name string) string {
	s, _, _ := strings.Cut(name, ".")
	return s
}

func tableOf(name string) string {
	_, t, _ := strings.Cut(name, ".")
	return t
}

// sqlError gives a failure while a model ran its place in the file.
func (n *Node) sqlError(err error) error {
	var e *duck.Error
	if !errors.As(err, &e) {
		return err
	}
	f := &fault.Error{File: n.File, Line: e.Line, Msg: strings.ToLower(orElse(e.Kind, "SQL")) + " error: " + e.Msg, Hint: e.Hint}
	if strings.Contains(e.Msg, "Contents of view were altered") {
		f.Hint = "Build it together with what it reads: `millrace build -s " + n.Name + "`."
	}
	return f
}

// unreadable says which landed stream cannot be read.
func unreadable(name string, err error) error {
	msg := err.Error()
	if i := strings.Index(msg, "\n"); i > 0 {
		msg = msg[:i]
	}
	return &fault.Error{Msg: "the landed stream " + name + " cannot be read: " + msg, Hint: "A file of .millrace is missing or damaged: restore it from a backup, or remove its load and extract again."}
}

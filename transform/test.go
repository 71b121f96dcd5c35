package transform

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"

	"millrace/internal/duck"
	"millrace/internal/fault"
)

// Test runs the unit tests of the graph in memory and all audits on the published build. It changes nothing and needs no
// lock: it works in an in-memory database with the published build attached for reading.
func Test(ctx context.Context, p BuildParams) (*BuildResult, error) {
	b, err := newBuilder(p)
	if err != nil {
		return nil, err
	}
	p = b.p
	res := &BuildResult{Started: p.Clock().UTC()}
	if b.prev, err = readPublished(ctx, p.Dir); err != nil {
		if len(b.g.Units) == 0 || !errors.Is(err, ErrNothingPublished) {
			return nil, err
		}
		b.prev = newState()
	}
	b.targets, b.want = map[string]bool{}, map[string]string{}
	for _, name := range b.g.order {
		b.targets[name] = p.Only == nil
		if old := b.prev.nodes[name]; old != nil {
			b.want[name] = old.Version
		}
	}
	for _, name := range p.Only {
		b.targets[name] = true
	}
	if err := b.unitTests(ctx, func(u *UnitTest) bool { return b.targets[u.Model] }); err != nil {
		return nil, err
	}
	if b.prev.id != "" {
		if err := b.testPublished(ctx); err != nil {
			return nil, err
		}
	}
	b.result(res)
	res.Nodes = nil
	kept := res.Tests[:0]
	for _, t := range res.Tests {
		if !t.Carried {
			kept = append(kept, t)
		}
	}
	res.Tests = kept
	res.Took = p.Clock().Sub(res.Started)
	return res, nil
}

func (b *builder) testPublished(ctx context.Context) (err error) {
	b.db, err = duck.Open(ctx, "", duck.Options{Threads: b.p.Threads, MemoryLimit: b.p.MemoryLimit, TempDir: b.p.TempDir, Functions: b.g.goFunctions()})
	if err != nil {
		return fault.Wrap(err, "open a database in memory")
	}
	defer b.db.Close()
	if err := b.db.Exec(ctx, "attach "+duck.Quote(b.prev.path)+" as published (read_only)"); err != nil {
		return fault.Wrap(err, "attach the published build")
	}
	for _, c := range b.g.checks() {
		b.checks = append(b.checks, c)
		asked := len(c.Gates) == 0 && b.p.Only == nil
		for _, r := range c.Gates {
			asked = asked || b.targets[r]
		}
		if asked {
			b.todoC = append(b.todoC, c)
		}
	}
	b.physical = map[string]string{}
	schemas := map[string]bool{}
	raw := b.rawNeeded()
	for name := range b.prev.nodes {
		schemas[schemaOf(name)] = true
	}
	for name := range raw {
		schemas[schemaOf(name)] = true
	}
	for _, s := range sortedSet(schemas) {
		if err := b.db.Exec(ctx, "create schema if not exists "+duck.Ident(s)); err != nil {
			return err
		}
	}
	for _, name := range b.prev.names() {
		if err := b.create(ctx, "view", name, "from published."+ident(name)); err != nil {
			return fault.Wrap(err, "look at %s", name)
		}
	}
	for _, name := range sortedSet(raw) {
		if err := b.create(ctx, "view", name, b.g.Nodes[name].raw.query()); err != nil {
			return fault.Wrap(err, "read the landed stream %s", name)
		}
	}
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(min(b.p.Threads, 8))
	for _, c := range b.todoC {
		group.Go(func() error { return b.runCheck(gctx, c) })
	}
	return group.Wait()
}

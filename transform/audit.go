package transform

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// runCheck runs one audit over what stands in the copy.
func (b *builder) runCheck(ctx context.Context, c *check) error {
	for _, r := range c.Reads {
		if b.g.Nodes[r].Kind != KindRaw && b.kind(r) == "" {
			b.record1(c, &TestResult{ID: c.ID, Name: c.Name, Relation: c.Relation, File: c.File, Line: c.Line, Status: StatusSkipped, Message: r + " is not there", Relations: c.Reads})
			return nil
		}
	}
	res := c.run(ctx, b.db, b.personal(c))
	if ctx.Err() != nil {
		return ctx.Err()
	}
	res.version = b.checkVersion(c)
	b.record1(c, res)
	b.event(Event{Kind: EventTest, Node: c.ID, Status: res.Status, Test: res, Took: res.Took})
	return nil
}

func (b *builder) record1(c *check, r *TestResult) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.tests[c.ID] = r
}

// personal names the columns of what an audit reads that hold personal data, declared or inherited.
func (b *builder) personal(c *check) map[string]bool {
	out := map[string]bool{}
	for _, r := range c.Reads {
		if old := b.prev.nodes[r]; old != nil {
			for _, col := range old.Columns {
				if col.PII != "" {
					out[strings.ToLower(col.Name)] = true
				}
			}
		}
		if b.lineage != nil {
			for col := range b.lineage.Personal[r] {
				out[col] = true
			}
		}
	}
	return out
}

// acceptNode judges a relation by its audits: the new version stays, or the old one comes back.
func (b *builder) acceptNode(ctx context.Context, n *Node) error {
	b.mu.Lock()
	r := b.status[n.Name]
	b.mu.Unlock()
	bad := b.failing(n)
	if r != nil && r.Status != StatusBuilt {
		return b.finished(n)
	}
	if len(bad) > 0 {
		if r != nil {
			if err := b.swapBack(ctx, n); err != nil {
				return err
			}
		}
		b.setStatus(n, StatusFailed, 0, 0, nil, failedBy(bad))
		if r != nil {
			if err := b.hold(ctx, n); err != nil {
				return err
			}
		}
		return b.finished(n)
	}
	if r == nil {
		return nil // only audited
	}
	if err := b.drop(ctx, n.Name+prevSuffix); err != nil {
		return err
	}
	b.mu.Lock()
	b.fresh[n.Name] = true
	b.mu.Unlock()
	b.p.step("accepted " + n.Name)
	return b.finished(n)
}

// failing lists the tests that failed and judge n.
func (b *builder) failing(n *Node) []*TestResult {
	b.mu.Lock()
	defer b.mu.Unlock()
	var bad []*TestResult
	for u := range b.todoU {
		if t := b.tests[u.ID()]; t != nil && t.Status == StatusError && u.Model == n.Name {
			bad = append(bad, t)
		}
	}
	for _, c := range b.todoC {
		if t := b.tests[c.ID]; t != nil && t.Status == StatusError && slices.Contains(c.Gates, n.Name) {
			bad = append(bad, t)
		}
	}
	slices.SortFunc(bad, func(a, b *TestResult) int { return strings.Compare(a.ID, b.ID) })
	return bad
}

func failedBy(bad []*TestResult) string {
	var names []string
	for _, t := range bad {
		msg, _, _ := strings.Cut(t.Message, "\n")
		names = append(names, fmt.Sprintf("%s (%s)", t.Name, strings.TrimSuffix(msg, ":")))
	}
	return "failed " + strings.Join(names, ", ")
}

func (b *builder) finished(n *Node) error {
	b.mu.Lock()
	r := *b.status[n.Name]
	b.mu.Unlock()
	b.event(Event{Kind: EventFinish, Node: n.Name, Materialized: n.Meta.Materialized, Status: r.Status, Rows: r.Rows, Took: r.Took, Message: r.Message})
	return nil
}

// swapBack removes the new version and puts the old one back.
func (b *builder) swapBack(ctx context.Context, n *Node) error {
	if err := b.drop(ctx, n.Name); err != nil {
		return err
	}
	if b.kind(n.Name+prevSuffix) == "" {
		return nil
	}
	return b.rename(ctx, n.Name+prevSuffix, n.Name)
}

package transform

import (
	"fmt"
	"slices"
	"strings"
)

// plan is what one build has to do, found by comparing the graph with what is published. Nothing is touched.
type plan struct {
	params BuildParams
	g      *Graph
	engine string
	dir    string // the warehouse's folder
	prev   *state // what is published

	targets map[string]bool   // relations to bring up to date
	want    map[string]string // version that each relation has after a build without failures
	todo    map[string]bool   // relations to rebuild
	checks  []*check
	todoC   []*check           // audits to run
	todoU   map[*UnitTest]bool // unit tests to run
	gone    []string           // published relations that the project no longer has
}

// find decides what has to be rebuilt and tested.
func (p *plan) find() {
	p.targets = map[string]bool{}
	for _, n := range p.params.Only {
		p.targets[n] = true
	}
	if p.params.Only == nil {
		for _, n := range p.g.order {
			p.targets[n] = true
		}
		for name := range p.prev.nodes {
			if _, ok := p.g.Nodes[name]; !ok {
				p.gone = append(p.gone, name)
			}
		}
		slices.Sort(p.gone)
	}
	p.want, p.todo = map[string]string{}, map[string]bool{}
	for _, name := range p.g.order {
		n := p.g.Nodes[name]
		v := n.version(p.engine, func(d string) string { return p.want[d] })
		old := p.prev.nodes[name]
		switch {
		case n.Kind == KindRaw:
			p.want[name] = v
			continue
		case !p.targets[name] && !(n.Meta.Materialized == "view" && p.readsTodo(n)) && !(p.params.Only != nil && n.Kind != KindModel && p.readBySome(name)):
			if old != nil {
				p.want[name] = old.Version
			}
			continue
		}
		p.targets[name] = true
		forced := p.params.FullRefresh && n.Meta.Materialized == "incremental"
		if forced {
			// The same inputs may give other rows now: what reads it must see another version.
			v = newHash(v, p.params.RunID, p.params.Clock().String()).sum()
		}
		p.want[name] = v
		if old == nil || old.Version != v || old.frozen || old.Materialized != n.Meta.Materialized ||
			old.Materialized == "external" && p.prev.dir != p.dir {
			p.todo[name] = true
		}
	}
	p.checks = p.g.checks()
	for _, c := range p.checks {
		// An audit belongs to this build when all that it reads is there and it judges something that is asked for.
		asked := len(c.Gates) == 0 && p.params.Only == nil
		for _, r := range c.Gates {
			asked = asked || p.targets[r]
		}
		if !asked {
			continue
		}
		old := p.prev.tests[c.ID]
		if old == nil || old.version != p.checkVersion(c) || old.Status == StatusError {
			p.todoC = append(p.todoC, c)
		}
	}
	p.todoU = map[*UnitTest]bool{}
	for _, u := range p.g.Units {
		old := p.prev.tests[u.ID()]
		if p.targets[u.Model] && (old == nil || old.version != p.unitVersion(u) || old.Status == StatusError) {
			p.todoU[u] = true
		}
	}
}

func (p *plan) checkVersion(c *check) string {
	return c.version(p.engine, func(r string) string { return p.want[r] })
}

func (p *plan) readsTodo(n *Node) bool {
	return slices.ContainsFunc(n.Deps, func(d string) bool { return p.todo[d] })
}

// readBySome reports whether a selected relation reads name: seeds and facts of the run come along with what reads them.
func (p *plan) readBySome(name string) bool {
	for t := range p.targets {
		if n, ok := p.g.Nodes[t]; ok && slices.Contains(n.Deps, name) {
			return true
		}
	}
	return false
}

// idle reports whether the published build is already what the graph asks for.
func (p *plan) idle() bool {
	if len(p.todo) > 0 || len(p.todoC) > 0 || len(p.todoU) > 0 || len(p.gone) > 0 {
		return false
	}
	known := map[string]bool{}
	for _, u := range p.g.Units {
		known[u.ID()] = true
	}
	for _, c := range p.checks {
		known[c.ID] = true
	}
	for id := range p.prev.tests {
		if !known[id] {
			return false
		}
	}
	for name, r := range p.prev.nodes {
		n := p.g.Nodes[name]
		if n == nil || p.targets[name] && (r.Stale || r.meta != metaHash(n)) {
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

// testIDs lists every test of the graph, unit tests first.
func (p *plan) testIDs() []string {
	var out []string
	for _, u := range p.g.Units {
		out = append(out, u.ID())
	}
	for _, c := range p.checks {
		out = append(out, c.ID)
	}
	return out
}

// unitVersion changes when the test or its model does; data does not matter.
func (p *plan) unitVersion(u *UnitTest) string {
	h := newHash(formatVersion, p.engine, p.g.Nodes[u.Model].static, u.spec.Today)
	for _, in := range u.spec.Given {
		h.add(in.Input, fmt.Sprint(in.Rows.Kind()))
		addNode(h, in.Rows)
	}
	addNode(h, u.spec.Expect.Rows)
	return h.sum()
}

// rawNeeded lists the landed streams that something in this build reads.
func (p *plan) rawNeeded() map[string]bool {
	out := map[string]bool{}
	need := func(n *Node) {
		for _, d := range n.Deps {
			if p.g.Nodes[d].Kind == KindRaw {
				out[d] = true
			}
		}
	}
	for name := range p.todo {
		need(p.g.Nodes[name])
	}
	for _, c := range p.todoC {
		if c.node != nil {
			need(c.node)
		}
	}
	return out
}

// readsFresh reports whether something that a view shows, directly or through other views, is or will be new in this build.
func (p *plan) readsFresh(n *Node) bool {
	return slices.ContainsFunc(n.Deps, func(d string) bool {
		return p.todo[d] || p.g.Nodes[d].Meta.Materialized == "view" && p.readsFresh(p.g.Nodes[d])
	})
}

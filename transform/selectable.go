package transform

import (
	"context"
	"errors"
	"slices"

	"millrace/internal/selector"
)

// Selectable gives the graph as nodes for selection, beside which a caller may put sources, syncs and reports. dir is the
// target's folder: what is published there decides state: (new, modified, stale), its last build decides result:.
func (g *Graph) Selectable(ctx context.Context, dir string) ([]selector.Node, error) {
	prev, err := readPublished(ctx, dir)
	if errors.Is(err, ErrNothingPublished) {
		prev, err = newState(), nil
	}
	if err != nil {
		return nil, err
	}
	last, err := LastResults(dir)
	if err != nil {
		return nil, err
	}
	var out []selector.Node
	for _, name := range g.order {
		n := g.Nodes[name]
		s := selector.Node{Name: name, Type: string(n.Kind), Path: n.File, Tags: n.Meta.Tags, Deps: n.Deps,
			Attrs: map[string][]string{"config.materialized": {n.Meta.Materialized}, "config.severity": {n.Meta.Severity}, "config.tags": n.Meta.Tags, "owner": {n.Meta.Owner}}}
		if n.Self {
			s.Attrs["self"] = []string{"true"}
		}
		switch n.Kind {
		case KindRaw:
			s.Type = "source"
		case KindRun, KindGiven:
			s.Type = "model"
		}
		if n.Kind != KindRaw {
			s.Attrs["state"] = stateOf(n, prev.nodes[name])
			s.Attrs["result"] = resultOf(last[name])
		}
		out = append(out, s)
	}
	for _, c := range g.checks() {
		s := selector.Node{Name: c.ID, Type: "test", Path: c.File, Deps: c.Reads, Attrs: map[string][]string{"result": resultOf(last[c.ID]), "test_type": {"data"}}}
		if c.node != nil {
			s.Tags, s.Attrs["test_type"] = c.node.Meta.Tags, []string{"singular"}
		}
		out = append(out, s)
	}
	return out, nil
}

// stateOf compares a file with what the published build was made from; what came in from upstream does not count.
func stateOf(n *Node, r *record) []string {
	switch {
	case r == nil:
		return []string{"new", "modified"}
	case r.static != n.static || r.meta != metaHash(n):
		return append([]string{"modified", "old"}, staleWord(r)...)
	}
	return append([]string{"unmodified", "old"}, staleWord(r)...)
}

func staleWord(r *record) []string {
	if r.Stale {
		return []string{"stale"}
	}
	return nil
}

// resultOf gives dbt's words for an outcome beside ours.
func resultOf(s Status) []string {
	switch s {
	case "":
		return nil
	case StatusBuilt, StatusUnchanged:
		return []string{"success", string(s)}
	case StatusFailed:
		return []string{"error", string(s)}
	case StatusError:
		return []string{"fail", "error"}
	case StatusHeld, StatusSkipped:
		return []string{"skipped", string(s)}
	}
	return []string{string(s)}
}

// BuildOnly reduces a selection to what Build takes: relations that can be built. A selected test stands for the relations
// that it judges.
func (g *Graph) BuildOnly(selected []string) []string {
	out := []string{}
	for _, name := range selected {
		if n, ok := g.Nodes[name]; ok {
			if n.Kind != KindRaw {
				out = append(out, name)
			}
			continue
		}
		for _, c := range g.checks() {
			if c.ID == name {
				for _, r := range c.Gates {
					if !slices.Contains(out, r) {
						out = append(out, r)
					}
				}
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

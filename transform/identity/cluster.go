package identity

import (
	"cmp"
	"context"
	"slices"

	"millrace/transform"
	"millrace/transform/relation"
)

// Link is evidence that two records are one entity.
type Link struct {
	Left, Right string
	Weight      int64
}

// group joins records by links, the heaviest first, under rules: what must be one is joined before everything else, what
// must not is never joined, however long the chain. A locked entity takes nobody in. It returns the smallest key of each
// record's group.
func group(records []string, links []Link, rules *Rules) map[string]string {
	g := &groups{parent: map[string]string{}, foes: map[string][]string{}, rules: rules}
	for _, k := range records {
		g.parent[k] = k
	}
	for _, s := range rules.Cannot {
		g.foes[s.A] = append(g.foes[s.A], s.B)
		g.foes[s.B] = append(g.foes[s.B], s.A)
	}
	for _, s := range rules.Must {
		g.join(s.A, s.B)
	}
	links = slices.Clone(links)
	slices.SortFunc(links, func(a, b Link) int {
		return cmp.Or(-cmp.Compare(a.Weight, b.Weight), cmp.Compare(a.Left, b.Left), cmp.Compare(a.Right, b.Right))
	})
	for _, l := range links {
		if rules.Locked[l.Left] == rules.Locked[l.Right] {
			g.join(l.Left, l.Right)
		}
	}
	out := make(map[string]string, len(records))
	for _, k := range records {
		out[k] = g.root(k)
	}
	return out
}

type groups struct {
	parent map[string]string
	foes   map[string][]string // by root: records that may not be in the group
	rules  *Rules
}

func (g *groups) root(k string) string {
	r := k
	for g.parent[r] != r {
		r = g.parent[r]
	}
	for g.parent[k] != r {
		k, g.parent[k] = g.parent[k], r
	}
	return r
}

// join makes two groups one, named by the smaller key, unless one may not hold a record of the other.
func (g *groups) join(a, b string) {
	if g.parent[a] == "" || g.parent[b] == "" {
		return
	}
	a, b = g.root(a), g.root(b)
	if a == b {
		return
	}
	if b < a {
		a, b = b, a
	}
	for _, k := range g.foes[a] {
		if g.parent[k] != "" && g.root(k) == b {
			return
		}
	}
	// A locked group is whole after the must-links; what is locked differently stays apart for good.
	g.parent[b] = a
	if len(g.foes[b]) > 0 {
		g.foes[a] = append(g.foes[a], g.foes[b]...)
		delete(g.foes, b)
	}
}

// Cluster is the operator that groups records.
//
// Input rows, by item: `record` (left_key), `edge` (left_key, right_key, weight in thousandths of a bit), `override` (number,
// kind, left_keys and right_keys as JSON lists).
type Cluster struct{}

// ClusterOptions are the options in the front matter.
type ClusterOptions struct{}

func clusterInput() []relation.Column {
	return []relation.Column{
		{Name: "item", Type: "VARCHAR"},
		{Name: "left_key", Type: "VARCHAR"},
		{Name: "right_key", Type: "VARCHAR"},
		{Name: "weight", Type: "BIGINT"},
		{Name: "number", Type: "BIGINT"},
		{Name: "kind", Type: "VARCHAR"},
		{Name: "left_keys", Type: "VARCHAR"},
		{Name: "right_keys", Type: "VARCHAR"},
	}
}

// Version implements transform.Operator.
func (Cluster) Version() string { return "1" }

// Options implements transform.Operator.
func (Cluster) Options() any { return &ClusterOptions{} }

// Output implements transform.Operator.
func (Cluster) Output(in []relation.Column, _ any) ([]relation.Column, error) {
	_, err := need(in, clusterInput()...)
	return []relation.Column{
		{Name: "record_key", Type: "VARCHAR"},
		{Name: "cluster_key", Type: "VARCHAR"},
	}, err
}

// Run implements transform.Operator.
func (Cluster) Run(ctx context.Context, in transform.OperatorInput, out transform.OperatorOutput) error {
	at, err := need(in.Columns, clusterInput()...)
	if err != nil {
		return err
	}
	var records []string
	var links []Link
	var overrides []Override
	for r, err := range rowsOf(ctx, in, at) {
		if err != nil {
			return err
		}
		switch item := r.text("item"); item {
		case "record":
			records = append(records, r.text("left_key"))
		case "edge":
			links = append(links, Link{r.text("left_key"), r.text("right_key"), r.number("weight")})
		case "override":
			o, err := readOverride(r)
			if err != nil {
				return err
			}
			overrides = append(overrides, o)
		default:
			return unknownItem(item, "record", "edge", "override")
		}
	}
	slices.Sort(records)
	here := make(map[string]bool, len(records))
	for _, k := range records {
		here[k] = true
	}
	rules := Resolve(overrides, func(k string) bool { return here[k] })
	of := group(records, links, rules)
	for _, k := range records {
		if err := out.Append(k, of[k]); err != nil {
			return err
		}
	}
	return nil
}

package transform

import (
	"context"
	"slices"
	"sort"
	"strings"

	"millrace/transform/relation"
)

// ColumnRef names one column of one relation.
type ColumnRef struct {
	Relation string `json:"relation"`
	Column   string `json:"column"`
}

func (c ColumnRef) String() string { return c.Relation + "." + c.Column }

// ColumnLineage says what one column is made from, one relation back.
type ColumnLineage struct {
	Column string      `json:"column"`
	From   []ColumnRef `json:"from"`   // sorted; empty for constants
	Copied bool        `json:"copied"` // taken over as it is, not computed
	Exact  bool        `json:"exact"`  // false: something on the way is opaque (an operator), so From is all it may be
}

// Lineage is the column lineage of a whole graph: by relation, its columns in order.
type Lineage struct {
	Relations map[string][]ColumnLineage
	Personal  map[string]map[string]string // by relation and column: kind of personal data, declared or inherited
}

// FindLineage binds the graph and follows every column of every relation one step back. Relations that cannot be bound are
// left out.
func FindLineage(ctx context.Context, g *Graph) (*Lineage, error) {
	b, err := bind(ctx, g, nil)
	if err != nil {
		return nil, err
	}
	return b.lineage(g), nil
}

func (b *Bound) lineage(g *Graph) *Lineage {
	l := &Lineage{Relations: map[string][]ColumnLineage{}, Personal: map[string]map[string]string{}}
	for _, name := range g.order {
		n, cols := g.Nodes[name], b.Columns[name]
		if cols == nil {
			continue
		}
		if plan := b.plans[name]; plan != nil {
			l.Relations[name] = columnLineage(n, plan, cols)
		}
		l.Personal[name] = l.personal(n, cols)
	}
	return l
}

// personal gives each column its kind of personal data: what is declared, else what it inherits. A text made from personal
// data is personal data; a number or a yes/no is not.
func (l *Lineage) personal(n *Node, cols []relation.Column) map[string]string {
	out := map[string]string{}
	for i, c := range cols {
		kind := c.PII
		if e, ok := n.Meta.column(c.Name); ok && e.Value.PII != "" {
			kind = e.Value.PII
		} else if lin := l.Relations[n.Name]; kind == "" && i < len(lin) && (lin[i].Copied || textual(c.Type)) {
			for _, from := range lin[i].From {
				kind = stronger(kind, l.Personal[from.Relation][strings.ToLower(from.Column)])
			}
		}
		if kind != "" && kind != "none" {
			out[strings.ToLower(c.Name)] = kind
		}
	}
	return out
}

func textual(t string) bool {
	return strings.Contains(t, "VARCHAR") || strings.Contains(t, "JSON") || strings.Contains(t, "BLOB")
}

// stronger is the kind that identifies a person more directly.
func stronger(a, b string) string {
	order := []string{"email", "phone", "ip", "id", "name", "address", "free_text"}
	ia, ib := slices.Index(order, a), slices.Index(order, b)
	if ia < 0 || ib >= 0 && ib < ia {
		return b
	}
	return a
}

// source is what one column of an operator's output is made from.
type source struct {
	refs   map[ColumnRef]bool
	copied bool
	opaque bool
}

func (s source) list() []ColumnRef {
	out := make([]ColumnRef, 0, len(s.refs))
	for r := range s.refs {
		out = append(out, r)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].String() < out[j].String() })
	return out
}

func merge(list ...source) source {
	out := source{refs: map[ColumnRef]bool{}}
	for _, s := range list {
		for r := range s.refs {
			out.refs[r] = true
		}
		out.opaque = out.opaque || s.opaque
	}
	return out
}

// columnLineage walks a bound plan from its leaves: stars, USING, CTEs and correlated subqueries are resolved in it, and
// every expression refers to the columns of its children by position.
func columnLineage(n *Node, plan map[string]any, cols []relation.Column) []ColumnLineage {
	w := &planWalk{ctes: map[float64][]source{}, tables: map[float64][]source{}}
	got := w.columns(plan)
	var out []ColumnLineage
	for i, c := range cols {
		cl := ColumnLineage{Column: c.Name, From: []ColumnRef{}, Exact: true}
		switch {
		case n.oper != nil:
			cl.From, cl.Exact = merge(got...).list(), false
		case i < len(got):
			cl.From, cl.Copied, cl.Exact = got[i].list(), got[i].copied && len(got[i].refs) == 1, !got[i].opaque
		case c.Name == colValidFrom && n.Meta.UpdatedAt != "":
			for k, x := range cols {
				if strings.EqualFold(x.Name, n.Meta.UpdatedAt) && k < len(got) {
					cl.From = got[k].list()
				}
			}
		}
		out = append(out, cl)
	}
	return out
}

type planWalk struct {
	ctes   map[float64][]source
	delim  [][]source           // of the joins around a correlated subquery
	tables map[float64][]source // by table index: below table functions DuckDB leaves references by name of the table
}

func (w *planWalk) children(op map[string]any) []map[string]any {
	list, _ := op["children"].([]any)
	out := make([]map[string]any, 0, len(list))
	for _, c := range list {
		if m, ok := c.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

// columns returns the sources of an operator's output, one per column.
func (w *planWalk) columns(op map[string]any) []source {
	out := w.output(op)
	if index, ok := op["table_index"].(float64); ok {
		w.tables[index] = out
	}
	return out
}

func (w *planWalk) output(op map[string]any) []source {
	kids := w.children(op)
	switch typ := str(op["type"]); typ {
	case "LOGICAL_GET":
		return w.get(op, kids)
	case "LOGICAL_PROJECTION":
		return w.exprs(op["expressions"], w.first(kids))
	case "LOGICAL_AGGREGATE_AND_GROUP_BY":
		in := w.first(kids)
		out := append(w.exprs(op["groups"], in), w.exprs(op["expressions"], in)...)
		if g, _ := op["grouping_functions"].([]any); len(g) > 0 {
			for range g {
				out = append(out, merge(in...))
			}
		}
		return out
	case "LOGICAL_WINDOW", "LOGICAL_UNNEST":
		in := w.first(kids)
		return append(slices.Clone(in), w.exprs(op["expressions"], in)...)
	case "LOGICAL_FILTER", "LOGICAL_ORDER_BY", "LOGICAL_LIMIT", "LOGICAL_TOP_N", "LOGICAL_DISTINCT", "LOGICAL_SAMPLE":
		return mapped(w.first(kids), op["projection_map"])
	case "LOGICAL_CROSS_PRODUCT", "LOGICAL_POSITIONAL_JOIN", "LOGICAL_ANY_JOIN", "LOGICAL_COMPARISON_JOIN", "LOGICAL_DELIM_JOIN", "LOGICAL_ASOF_JOIN", "LOGICAL_DEPENDENT_JOIN":
		return w.join(op, kids)
	case "LOGICAL_UNION", "LOGICAL_EXCEPT", "LOGICAL_INTERSECT":
		return w.union(typ, kids)
	case "LOGICAL_MATERIALIZED_CTE":
		if len(kids) == 2 {
			index, _ := op["table_index"].(float64)
			w.ctes[index] = w.columns(kids[0])
			return w.columns(kids[1])
		}
	case "LOGICAL_RECURSIVE_CTE":
		if len(kids) == 2 {
			index, _ := op["table_index"].(float64)
			base := w.columns(kids[0])
			w.ctes[index] = base
			out := positions(base, w.columns(kids[1]))
			w.ctes[index] = out
			return positions(out, w.columns(kids[1])) // once more: what a round adds may feed another column
		}
	case "LOGICAL_CTE_REF":
		index, _ := op["cte_index"].(float64)
		return w.ctes[index]
	case "LOGICAL_DELIM_GET":
		if len(w.delim) > 0 {
			return w.delim[len(w.delim)-1]
		}
	case "LOGICAL_EXPRESSION_GET":
		return w.constants(op, kids)
	case "LOGICAL_DUMMY_SCAN", "LOGICAL_EMPTY_RESULT":
		return []source{{}}
	}
	return w.unknown(op, kids)
}

func (w *planWalk) first(kids []map[string]any) []source {
	if len(kids) == 0 {
		return nil
	}
	return w.columns(kids[0])
}

// get is a table, or a table function over its child's columns.
func (w *planWalk) get(op map[string]any, kids []map[string]any) []source {
	names, _ := op["names"].([]any)
	indexes, _ := op["column_indexes"].([]any)
	data, _ := op["function_data"].(map[string]any)
	rel := str(data["schema"]) + "." + str(data["table"])
	var out []source
	for _, ix := range indexes {
		m, _ := ix.(map[string]any)
		i, _ := m["index"].(float64)
		s := source{}
		if int(i) < len(names) && i < 1e15 && rel != "." {
			s = source{refs: map[ColumnRef]bool{{strings.ToLower(rel), str(names[int(i)])}: true}, copied: true}
		}
		out = append(out, s)
	}
	if len(kids) > 0 { // a table function applied to each row
		in := w.columns(kids[0])
		all := merge(in...)
		for i := range out {
			out[i] = all
		}
		projected, _ := op["projected_input"].([]any)
		for _, p := range projected {
			if i, ok := p.(float64); ok && int(i) < len(in) {
				out = append(out, in[int(i)])
			}
		}
		return out
	}
	return mapped(out, op["projection_ids"])
}

func (w *planWalk) join(op map[string]any, kids []map[string]any) []source {
	if len(kids) != 2 {
		return w.unknown(op, kids)
	}
	// The side that a correlated subquery is fed from comes first, unless the join was turned round.
	feed, fed := kids[0], kids[1]
	flipped, _ := op["delim_flipped"].(bool)
	if flipped {
		feed, fed = fed, feed
	}
	a := w.columns(feed)
	if dup, _ := op["duplicate_eliminated_columns"].([]any); len(dup) > 0 {
		w.delim = append(w.delim, w.exprs(op["duplicate_eliminated_columns"], a))
		defer func() { w.delim = w.delim[:len(w.delim)-1] }()
	}
	b := w.columns(fed)
	left, right := a, b
	if flipped {
		left, right = b, a
	}
	left, right = mapped(left, op["left_projection_map"]), mapped(right, op["right_projection_map"])
	switch str(op["join_type"]) {
	case "SEMI", "ANTI":
		return left
	case "RIGHT_SEMI", "RIGHT_ANTI":
		return right
	case "MARK":
		var parts []source
		conds, _ := op["conditions"].([]any)
		for _, c := range conds {
			c, _ := c.(map[string]any)
			parts = append(parts, w.expr(c["left"], left), w.expr(c["right"], right))
		}
		return append(slices.Clone(left), merge(parts...))
	}
	return append(slices.Clone(left), right...)
}

func (w *planWalk) union(typ string, kids []map[string]any) []source {
	var out []source
	for i, k := range kids {
		got := w.columns(k)
		switch {
		case i == 0:
			out = got
		case typ != "LOGICAL_EXCEPT":
			out = positions(out, got)
		}
	}
	return out
}

// positions merges two inputs column by column; what was copied on both sides counts as copied.
func positions(a, b []source) []source {
	out := make([]source, max(len(a), len(b)))
	for i := range out {
		var parts []source
		copied := true
		for _, side := range [][]source{a, b} {
			if i < len(side) {
				parts = append(parts, side[i])
				copied = copied && (side[i].copied || len(side[i].refs) == 0)
			}
		}
		out[i] = merge(parts...)
		out[i].copied = copied
	}
	return out
}

func (w *planWalk) constants(op map[string]any, kids []map[string]any) []source {
	in := w.first(kids)
	rows, _ := op["expressions"].([]any)
	var out []source
	for _, r := range rows {
		out = positions(out, w.exprs(r, in))
	}
	return out
}

// unknown is an operator that this walk does not know: each of its columns may come from anything below.
func (w *planWalk) unknown(op map[string]any, kids []map[string]any) []source {
	var all []source
	for _, k := range kids {
		all = append(all, w.columns(k)...)
	}
	s := merge(all...)
	s.opaque = true
	types, _ := op["chunk_types"].([]any)
	out := make([]source, max(len(all), len(types), 1))
	for i := range out {
		out[i] = s
	}
	return out
}

// mapped applies a projection map: positions of the input; empty means all.
func mapped(in []source, m any) []source {
	list, _ := m.([]any)
	if len(list) == 0 {
		return in
	}
	var out []source
	for _, p := range list {
		if i, ok := p.(float64); ok && int(i) < len(in) {
			out = append(out, in[int(i)])
		}
	}
	return out
}

func (w *planWalk) exprs(v any, in []source) []source {
	list, _ := v.([]any)
	out := make([]source, len(list))
	for i, e := range list {
		out[i] = w.expr(e, in)
	}
	return out
}

// expr is a reference, which copies, or anything else, which computes from the references inside it.
func (w *planWalk) expr(v any, in []source) source {
	m, ok := v.(map[string]any)
	class := ""
	if ok {
		class = str(m["expression_class"])
	}
	if class == "BOUND_REF" || class == "BOUND_COLUMN_REF" {
		i, _ := m["index"].(float64)
		if class == "BOUND_COLUMN_REF" {
			binding, _ := m["binding"].(map[string]any)
			table, _ := binding["table_index"].(float64)
			in = w.tables[table]
			i, _ = binding["column_index"].(float64)
		}
		if i < float64(len(in)) {
			return in[int(i)]
		}
		s := merge(in...)
		s.opaque = true
		return s
	}
	var parts []source
	var walk func(v any)
	walk = func(v any) {
		switch x := v.(type) {
		case []any:
			for _, e := range x {
				walk(e)
			}
		case map[string]any:
			if c := str(x["expression_class"]); c == "BOUND_REF" || c == "BOUND_COLUMN_REF" {
				parts = append(parts, w.expr(x, in))
				return
			}
			for _, e := range x {
				walk(e)
			}
		}
	}
	walk(v)
	return merge(parts...)
}

// Upstream follows a column back to the landed streams and seeds: each step once, nearest first.
func (l *Lineage) Upstream(c ColumnRef) []ColumnRef {
	return follow(c, func(c ColumnRef) []ColumnRef {
		for _, cl := range l.Relations[c.Relation] {
			if strings.EqualFold(cl.Column, c.Column) {
				return cl.From
			}
		}
		return nil
	})
}

// Downstream follows a column to everything that is made from it: each step once, nearest first.
func (l *Lineage) Downstream(c ColumnRef) []ColumnRef {
	uses := map[string][]ColumnRef{}
	for _, rel := range sortedKeysOf(l.Relations) {
		for _, cl := range l.Relations[rel] {
			for _, from := range cl.From {
				key := strings.ToLower(from.String())
				uses[key] = append(uses[key], ColumnRef{rel, cl.Column})
			}
		}
	}
	return follow(c, func(c ColumnRef) []ColumnRef { return uses[strings.ToLower(c.String())] })
}

func follow(c ColumnRef, next func(ColumnRef) []ColumnRef) []ColumnRef {
	seen := map[string]bool{strings.ToLower(c.String()): true}
	var out []ColumnRef
	level := []ColumnRef{c}
	for len(level) > 0 {
		var following []ColumnRef
		for _, x := range level {
			for _, n := range next(x) {
				if key := strings.ToLower(n.String()); !seen[key] {
					seen[key] = true
					out = append(out, n)
					following = append(following, n)
				}
			}
		}
		level = following
	}
	return out
}

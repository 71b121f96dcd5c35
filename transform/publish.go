package transform

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"millrace/internal/duck"
	"millrace/internal/fault"
	"millrace/transform/relation"
)

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
		r.frozen = old.frozen || b.kind(n.Name) == "table" && old.Materialized == "view"
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
	return errors.Join(b.writeIndex(b.next), b.wh.retain(b.p.KeepBuilds, b.p.Pinned), b.wh.retainExternal(context.WithoutCancel(ctx)))
}

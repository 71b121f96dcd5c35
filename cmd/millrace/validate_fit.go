package main

import (
	"context"
	"strings"

	"millrace/activate"
	"millrace/internal/duck"
	"millrace/internal/fault"
	"millrace/models"
	"millrace/transform"
	"millrace/transform/relation"
)

// fitting checks policies and syncs against the relations that they name, as the SQL would build them: whether relation
// and columns are there, and whether each condition can be asked. No row is read; nothing goes to the network.
func (a *app) fitting(ctx context.Context, g *transform.Graph, bound *transform.Bound, policies []*models.Policy, syncs []*activate.Sync) error {
	build := relation.Build{Relations: map[string]relation.Relation{}}
	for name, cols := range bound.Columns {
		if n, ok := g.Node(name); ok && n.Kind != transform.KindRaw {
			build.Relations[name] = relation.Relation{Name: name, Columns: cols, Key: n.Meta.UniqueKey, Version: "unbuilt"}
		}
	}
	var errs fault.List
	for _, p := range policies {
		errs.Add(tryPolicy(ctx, p, build))
	}
	for _, s := range syncs {
		d, err := a.openDestination(s)
		if err != nil {
			errs.Add(err)
			continue
		}
		caps, err := d.Capabilities(s.File.Object)
		if err == nil {
			err = s.Fit(build, caps)
		}
		d.Close()
		if err != nil {
			errs.Add(err)
		}
	}
	return errs.Or()
}

// tryPolicy decides over empty tables of the right shape.
func tryPolicy(ctx context.Context, p *models.Policy, build relation.Build) error {
	db, err := duck.Open(ctx, "", duck.Options{Threads: 1})
	if err != nil {
		return fault.Wrap(err, "check policy %s", p.Name)
	}
	defer db.Close()
	for _, name := range policyReads(p) {
		r, ok := build.Relations[name]
		if !ok || len(r.Columns) == 0 {
			continue
		}
		schema, table, _ := strings.Cut(name, ".")
		cols := make([]string, len(r.Columns))
		for i, c := range r.Columns {
			cols[i] = "null::" + c.Type + " as " + duck.Ident(c.Name)
		}
		if err := db.Exec(ctx, "create schema if not exists "+duck.Ident(schema)); err != nil {
			return fault.Wrap(err, "check policy %s", p.Name)
		}
		if err := db.Exec(ctx, "create or replace table "+duck.Ident(schema)+"."+duck.Ident(table)+" as select "+strings.Join(cols, ", ")+" where false"); err != nil {
			return fault.Wrap(err, "check policy %s", p.Name)
		}
	}
	_, err = models.Decide(ctx, p, warehouse{&publishedBuild{db: db, build: build}}, nil, models.DecideOptions{Trigger: "validate"})
	return err
}

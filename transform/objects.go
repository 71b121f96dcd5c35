package transform

import (
	"context"
	"strings"
	"sync"

	"millrace/internal/duck"
	"millrace/internal/fault"
	"millrace/transform/relation"
)

// objects is the file of a build while it is being made: what stands in it under which name, and the statements that
// change that. Safe for concurrent use on different names.
type objects struct {
	db       *duck.DB
	kindMu   sync.Mutex
	physical map[string]string // by name: table or view
}

func (o *objects) kind(name string) string {
	o.kindMu.Lock()
	defer o.kindMu.Unlock()
	return o.physical[name]
}

func (o *objects) setKind(name, kind string) {
	o.kindMu.Lock()
	defer o.kindMu.Unlock()
	if kind == "" {
		delete(o.physical, name)
		return
	}
	o.physical[name] = kind
}

// create makes a table or view from a statement. The statement stands first on its line, so that DuckDB's line numbers
// are those of the file.
func (o *objects) create(ctx context.Context, kind, name, query string) error {
	if err := o.drop(ctx, name); err != nil {
		return err
	}
	if err := o.db.Exec(ctx, "create "+kind+" "+ident(name)+" as "+query); err != nil {
		return err
	}
	o.setKind(name, kind)
	return nil
}

func (o *objects) drop(ctx context.Context, name string) error {
	kind := o.kind(name)
	if kind == "" {
		return nil
	}
	if err := o.db.Exec(ctx, "drop "+kind+" "+ident(name)); err != nil {
		return fault.Wrap(err, "remove %s", name)
	}
	o.setKind(name, "")
	return nil
}

func (o *objects) rename(ctx context.Context, from, to string) error {
	_, table, _ := strings.Cut(to, ".")
	kind := o.kind(from)
	if err := o.db.Exec(ctx, "alter "+kind+" "+ident(from)+" rename to "+duck.Ident(table)); err != nil {
		return fault.Wrap(err, "rename %s to %s", from, to)
	}
	o.setKind(from, "")
	o.setKind(to, kind)
	return nil
}

func (o *objects) empty(ctx context.Context, name string, cols []relation.Column) error {
	if err := o.db.Exec(ctx, "create table "+ident(name)+" ("+columnList(cols)+")"); err != nil {
		return err
	}
	o.setKind(name, "table")
	return nil
}

// count is the number of rows of a relation.
func (o *objects) count(ctx context.Context, name string) (int64, error) {
	var n int64
	err := o.db.Each(ctx, "select count(*) from "+ident(name), func(row []any) error {
		n, _ = row[0].(int64)
		return nil
	})
	return n, err
}

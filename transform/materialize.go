package transform

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"millrace/internal/duck"
	"millrace/internal/fault"
	"millrace/transform/relation"
)

type relationColumn = relation.Column

// materialize makes the new version of a relation as name__next and returns its rows.
func (b *builder) materialize(ctx context.Context, n *Node) (int64, error) {
	next := n.Name + nextSuffix
	if b.bound != nil {
		if err := b.bound.Errors[n.Name]; err != nil {
			return 0, err
		}
	}
	var err error
	switch n.Kind {
	case KindRun:
		err = b.create(ctx, "table", next, runQuery(b.g.Run))
	case KindSeed:
		var file string
		if file, err = b.seedFile(n); err == nil {
			if err = b.create(ctx, "table", next, seedQuery(n, file)); err != nil && !duck.Fatal(err) {
				err = seedError(n, file, err)
			}
		}
	case KindGiven:
		err = b.given(ctx, n, next)
	default:
		err = b.model(ctx, n, next)
		if err != nil && !duck.Fatal(err) && ctx.Err() == nil {
			err = n.sqlError(err)
		}
	}
	if err != nil {
		return 0, err
	}
	return b.count(ctx, next)
}

func (b *builder) model(ctx context.Context, n *Node, next string) error {
	q := statement(n.SQL)
	switch n.Meta.Materialized {
	case "view":
		return b.create(ctx, "view", next, q)
	case "incremental":
		return b.incremental(ctx, n, next, q)
	case "snapshot":
		return b.snapshot(ctx, n, next, q)
	case "operator":
		return b.operate(ctx, n, next, q)
	case "external":
		return b.external(ctx, n, next, q)
	}
	return b.create(ctx, "table", next, q)
}

// incremental replaces the rows of the keys that the query returns and keeps the others. When the model's own text has
// changed, or on a full refresh, it starts anew: old rows were made by other rules.
func (b *builder) incremental(ctx context.Context, n *Node, next, q string) error {
	old := b.prev.nodes[n.Name]
	anew := old == nil || b.kind(n.Name) != "table" || !n.stateful() && (b.p.FullRefresh || old.static != n.static || old.Materialized != "incremental")
	if anew {
		if n.Self {
			if err := b.setAside(ctx, n); err != nil {
				return err
			}
		}
		if err := b.create(ctx, "table", next, q); err != nil {
			return err
		}
		if old == nil && n.Self { // a failing audit must not bring the stand-in back
			if err := b.drop(ctx, n.Name); err != nil {
				return err
			}
		}
		return b.uniqueKey(ctx, n, next)
	}
	in := n.Name + inSuffix
	if err := b.create(ctx, "table", in, q); err != nil {
		return err
	}
	if err := b.uniqueKey(ctx, n, in); err != nil {
		return err
	}
	var on []string
	for _, k := range n.Meta.UniqueKey {
		on = append(on, fmt.Sprintf("old.%s is not distinct from new.%s", duck.Ident(k), duck.Ident(k)))
	}
	err := b.create(ctx, "table", next, fmt.Sprintf("from %s union all by name select old.* from %s old where not exists (from %s new where %s)",
		ident(in), ident(n.Name), ident(in), strings.Join(on, " and ")))
	return errors.Join(err, b.drop(ctx, in))
}

// setAside moves the published version away and leaves an empty one with its types: what a relation that reads itself
// sees when it starts anew.
func (b *builder) setAside(ctx context.Context, n *Node) error {
	cols := b.bound.Columns[n.Name]
	if n.Meta.Materialized == "snapshot" || len(cols) == 0 {
		return nil
	}
	if b.kind(n.Name) != "" {
		if err := b.rename(ctx, n.Name, n.Name+prevSuffix); err != nil {
			return err
		}
	}
	return b.empty(ctx, n.Name, cols)
}

func (b *builder) empty(ctx context.Context, name string, cols []relation.Column) error {
	if err := b.db.Exec(ctx, "create table "+ident(name)+" ("+columnList(cols)+")"); err != nil {
		return err
	}
	b.setKind(name, "table")
	return nil
}

// uniqueKey refuses rows that share a key: which of them would count is not said.
func (b *builder) uniqueKey(ctx context.Context, n *Node, table string) error {
	var cols []string
	for _, k := range n.Meta.UniqueKey {
		cols = append(cols, duck.Ident(k))
	}
	key := strings.Join(cols, ", ")
	var keys, rows int64
	err := b.db.Each(ctx, fmt.Sprintf("select count(*), coalesce(sum(n), 0)::bigint from (select count(*) as n from %s group by %s having count(*) > 1)", ident(table), key), func(row []any) error {
		keys, _ = row[0].(int64)
		rows, _ = row[1].(int64)
		return nil
	})
	if err != nil || keys == 0 {
		return err
	}
	return &fault.Error{File: n.File, Key: "unique_key", Value: strings.Join(n.Meta.UniqueKey, ", "),
		Msg: fmt.Sprintf("is not unique: %d keys stand on %d rows", keys, rows), Hint: "Aggregate or choose one row per key in the query."}
}

func (b *builder) snapshot(ctx context.Context, n *Node, next, q string) error {
	old := b.prev.nodes[n.Name]
	if old == nil || b.kind(n.Name) != "table" {
		if err := b.empty(ctx, n.Name, b.bound.Columns[n.Name]); err != nil {
			return err
		}
		defer func() {
			// Only a stand-in for "no history yet": the swap must not keep it as the old version.
			_ = b.drop(context.WithoutCancel(ctx), n.Name)
		}()
	}
	in := n.Name + inSuffix
	if err := b.create(ctx, "table", in, q); err != nil {
		return err
	}
	if err := b.uniqueKey(ctx, n, in); err != nil {
		return err
	}
	cols := b.bound.Columns[n.Name]
	had := cols
	if old != nil && len(old.Columns) > 0 {
		had = old.Columns
	}
	at := b.g.Run.Now.UTC().Format("2006-01-02 15:04:05.000000")
	err := b.create(ctx, "table", next, snapshotQuery(n, ident(n.Name), ident(in), had, cols[:len(cols)-2], at))
	return errors.Join(err, b.drop(ctx, in))
}

// given writes the rows that another stage handed in.
func (b *builder) given(ctx context.Context, n *Node, next string) error {
	if err := b.drop(ctx, next); err != nil {
		return err
	}
	if err := b.empty(ctx, next, n.given.Columns); err != nil {
		return err
	}
	app, err := b.db.NewAppender(ctx, schemaOf(next), tableOf(next))
	if err != nil {
		return err
	}
	for row, err := range n.given.Rows {
		if err == nil {
			err = app.Append(row)
		}
		if err != nil {
			app.Abort()
			return fault.Wrap(err, "write %s", n.Name)
		}
	}
	return app.Close()
}

// operate hands the query's rows to the Go operator and takes the relation's rows from it.
func (b *builder) operate(ctx context.Context, n *Node, next, q string) error {
	in := n.Name + inSuffix
	if n.Self && b.kind(n.Name) == "" {
		if err := b.empty(ctx, n.Name, b.bound.Columns[n.Name]); err != nil {
			return err
		}
		defer func() { _ = b.drop(context.WithoutCancel(ctx), n.Name) }() // a stand-in for "nothing yet"
	}
	if err := b.create(ctx, "table", in, q); err != nil {
		return err
	}
	cols, err := describe(ctx, b.db, "from "+ident(in))
	if err != nil {
		return err
	}
	out, err := n.oper.Output(cols, n.opts)
	if err != nil {
		return err
	}
	rows, err := b.count(ctx, in)
	if err != nil {
		return err
	}
	if err := b.drop(ctx, next); err != nil {
		return err
	}
	if err := b.empty(ctx, next, out); err != nil {
		return err
	}
	app, err := b.db.NewAppender(ctx, schemaOf(next), tableOf(next))
	if err != nil {
		return err
	}
	w := &operatorOutput{app: app, width: len(out)}
	err = n.oper.Run(ctx, OperatorInput{Columns: cols, Count: rows, Options: n.opts, Run: b.g.Run,
		Rows: func(ctx context.Context) iter.Seq2[[]any, error] { return b.pages(ctx, in) }}, w)
	if err != nil {
		app.Abort()
		return fault.Wrap(err, "operator %s", n.Meta.Operator)
	}
	if err := app.Close(); err != nil {
		return fault.Wrap(err, "operator %s: write rows", n.Meta.Operator)
	}
	return b.drop(ctx, in)
}

type operatorOutput struct {
	app   *duck.Appender
	width int
}

func (o *operatorOutput) Append(row ...any) error {
	if len(row) != o.width {
		return fmt.Errorf("a row has %d cells, the output has %d columns", len(row), o.width)
	}
	return o.app.Append(row)
}

// pageRows is one DuckDB row group: reading by ranges of rowid skips all others, and the driver, which holds a whole
// result in memory, holds no more than this.
const pageRows = 122_880

// pages yields the rows of a table in insertion order, in bounded memory.
func (b *builder) pages(ctx context.Context, table string) iter.Seq2[[]any, error] {
	return func(yield func([]any, error) bool) {
		for from := int64(0); ; from += pageRows {
			n := 0
			stop := errors.New("stop")
			q := fmt.Sprintf("select * from %s where rowid >= %d and rowid < %d order by rowid", ident(table), from, from+pageRows)
			err := b.db.Each(ctx, q, func(row []any) error {
				n++
				if !yield(row, nil) {
					return stop
				}
				return nil
			})
			switch {
			case errors.Is(err, stop):
				return
			case err != nil:
				yield(nil, err)
				return
			case n == 0:
				return
			}
		}
	}
}

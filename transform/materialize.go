package transform

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"millrace/internal/duck"
	"millrace/internal/fault"
)

// maker makes the new version of one relation after the other, each as name__next. It may be used concurrently.
type maker struct {
	*objects
	*plan
	bound *Bound
	wh    warehouse
	id    string // of the build

	seedMu  sync.Mutex
	seedDir string
}

// close removes what was needed only while making.
func (m *maker) close() {
	if m.seedDir != "" {
		os.RemoveAll(m.seedDir)
	}
}

// materialize makes the new version of a relation as name__next and returns its rows.
func (m *maker) materialize(ctx context.Context, n *Node) (int64, error) {
	next := n.Name + nextSuffix
	if m.bound != nil {
		if err := m.bound.Errors[n.Name]; err != nil {
			return 0, err
		}
	}
	var err error
	switch n.Kind {
	case KindRun:
		err = m.create(ctx, "table", next, runQuery(m.g.Run))
	case KindSeed:
		var file string
		if file, err = m.seedFile(n); err == nil {
			if err = m.create(ctx, "table", next, seedQuery(n, file)); err != nil && !duck.Fatal(err) {
				err = seedError(n, file, err)
			}
		}
	case KindGiven:
		err = m.given(ctx, n, next)
	default:
		err = m.model(ctx, n, next)
		if err != nil && !duck.Fatal(err) && ctx.Err() == nil {
			err = n.sqlError(err)
		}
	}
	if err != nil {
		return 0, err
	}
	return m.count(ctx, next)
}

func (m *maker) model(ctx context.Context, n *Node, next string) error {
	q := statement(n.SQL)
	switch n.Meta.Materialized {
	case "view":
		return m.create(ctx, "view", next, q)
	case "incremental":
		return m.incremental(ctx, n, next, q)
	case "snapshot":
		return m.snapshot(ctx, n, next, q)
	case "operator":
		return m.operate(ctx, n, next, q)
	case "external":
		return m.external(ctx, n, next, q)
	}
	return m.create(ctx, "table", next, q)
}

// incremental replaces the rows of the keys that the query returns and keeps the others. When the model's own text has
// changed, or on a full refresh, it starts anew: old rows were made by other rules.
func (m *maker) incremental(ctx context.Context, n *Node, next, q string) error {
	old := m.prev.nodes[n.Name]
	anew := old == nil || m.kind(n.Name) != "table" || !n.stateful() && (m.params.FullRefresh || old.static != n.static || old.Materialized != "incremental")
	if anew {
		if n.Self {
			if err := m.setAside(ctx, n); err != nil {
				return err
			}
		}
		if err := m.create(ctx, "table", next, q); err != nil {
			return err
		}
		if old == nil && n.Self { // a failing audit must not bring the stand-in back
			if err := m.drop(ctx, n.Name); err != nil {
				return err
			}
		}
		return m.uniqueKey(ctx, n, next)
	}
	in := n.Name + inSuffix
	if err := m.create(ctx, "table", in, q); err != nil {
		return err
	}
	if err := m.uniqueKey(ctx, n, in); err != nil {
		return err
	}
	var on []string
	for _, k := range n.Meta.UniqueKey {
		on = append(on, fmt.Sprintf("old.%s is not distinct from new.%s", duck.Ident(k), duck.Ident(k)))
	}
	err := m.create(ctx, "table", next, fmt.Sprintf("from %s union all by name select old.* from %s old where not exists (from %s new where %s)",
		ident(in), ident(n.Name), ident(in), strings.Join(on, " and ")))
	return errors.Join(err, m.drop(ctx, in))
}

// setAside moves the published version away and leaves an empty one with its types: what a relation that reads itself
// sees when it starts anew.
func (m *maker) setAside(ctx context.Context, n *Node) error {
	cols := m.bound.Columns[n.Name]
	if n.Meta.Materialized == "snapshot" || len(cols) == 0 {
		return nil
	}
	if m.kind(n.Name) != "" {
		if err := m.rename(ctx, n.Name, n.Name+prevSuffix); err != nil {
			return err
		}
	}
	return m.empty(ctx, n.Name, cols)
}

// uniqueKey refuses rows that share a key: which of them would count is not said.
func (m *maker) uniqueKey(ctx context.Context, n *Node, table string) error {
	var cols []string
	for _, k := range n.Meta.UniqueKey {
		cols = append(cols, duck.Ident(k))
	}
	key := strings.Join(cols, ", ")
	var keys, rows int64
	err := m.db.Each(ctx, fmt.Sprintf("select count(*), coalesce(sum(n), 0)::bigint from (select count(*) as n from %s group by %s having count(*) > 1)", ident(table), key), func(row []any) error {
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

func (m *maker) snapshot(ctx context.Context, n *Node, next, q string) error {
	old := m.prev.nodes[n.Name]
	if old == nil || m.kind(n.Name) != "table" {
		if err := m.empty(ctx, n.Name, m.bound.Columns[n.Name]); err != nil {
			return err
		}
		defer func() {
			// Only a stand-in for "no history yet": the swap must not keep it as the old version.
			_ = m.drop(context.WithoutCancel(ctx), n.Name)
		}()
	}
	in := n.Name + inSuffix
	if err := m.create(ctx, "table", in, q); err != nil {
		return err
	}
	if err := m.uniqueKey(ctx, n, in); err != nil {
		return err
	}
	cols := m.bound.Columns[n.Name]
	had := cols
	if old != nil && len(old.Columns) > 0 {
		had = old.Columns
	}
	at := m.g.Run.Now.UTC().Format("2006-01-02 15:04:05.000000")
	err := m.create(ctx, "table", next, snapshotQuery(n, ident(n.Name), ident(in), had, cols[:len(cols)-2], at))
	return errors.Join(err, m.drop(ctx, in))
}

// given writes the rows that another stage handed in.
func (m *maker) given(ctx context.Context, n *Node, next string) error {
	if err := m.drop(ctx, next); err != nil {
		return err
	}
	if err := m.empty(ctx, next, n.given.Columns); err != nil {
		return err
	}
	app, err := m.db.NewAppender(ctx, schemaOf(next), tableOf(next))
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
func (m *maker) operate(ctx context.Context, n *Node, next, q string) error {
	in := n.Name + inSuffix
	if n.Self && m.kind(n.Name) == "" {
		if err := m.empty(ctx, n.Name, m.bound.Columns[n.Name]); err != nil {
			return err
		}
		defer func() { _ = m.drop(context.WithoutCancel(ctx), n.Name) }() // a stand-in for "nothing yet"
	}
	if err := m.create(ctx, "table", in, q); err != nil {
		return err
	}
	cols, err := describe(ctx, m.db, "from "+ident(in))
	if err != nil {
		return err
	}
	out, err := n.oper.Output(cols, n.opts)
	if err != nil {
		return err
	}
	rows, err := m.count(ctx, in)
	if err != nil {
		return err
	}
	if err := m.drop(ctx, next); err != nil {
		return err
	}
	if err := m.empty(ctx, next, out); err != nil {
		return err
	}
	app, err := m.db.NewAppender(ctx, schemaOf(next), tableOf(next))
	if err != nil {
		return err
	}
	w := &operatorOutput{app: app, width: len(out)}
	err = n.oper.Run(ctx, OperatorInput{Columns: cols, Count: rows, Options: n.opts,
		Rows: func(ctx context.Context) iter.Seq2[[]any, error] { return m.pages(ctx, in) }}, w)
	if err != nil {
		app.Abort()
		return fault.Wrap(err, "operator %s", n.Meta.Operator)
	}
	if err := app.Close(); err != nil {
		return fault.Wrap(err, "operator %s: write rows", n.Meta.Operator)
	}
	return m.drop(ctx, in)
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
func (m *maker) pages(ctx context.Context, table string) iter.Seq2[[]any, error] {
	return func(yield func([]any, error) bool) {
		for from := int64(0); ; from += pageRows {
			n := 0
			stop := errors.New("stop")
			q := fmt.Sprintf("select * from %s where rowid >= %d and rowid < %d order by rowid", ident(table), from, from+pageRows)
			err := m.db.Each(ctx, q, func(row []any) error {
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

// seedFile writes a seed to where the engine can read it.
func (m *maker) seedFile(n *Node) (string, error) {
	m.seedMu.Lock()
	defer m.seedMu.Unlock()
	if m.seedDir == "" {
		tmp, err := os.MkdirTemp("", "millrace-seeds-*")
		if err != nil {
			return "", fault.Wrap(err, "read the seed %s", n.File)
		}
		m.seedDir = tmp
	}
	file := filepath.Join(m.seedDir, n.Name+".csv")
	return file, fault.Wrap(os.WriteFile(file, n.seed, 0o600), "read the seed %s", n.File)
}

package transform

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"millrace/internal/duck"
	"millrace/internal/fault"
	"millrace/transform/relation"
)

// Bound is what is known of a graph without running it: the columns of every relation, and what could not be bound.
type Bound struct {
	Columns map[string][]relation.Column // by relation
	Errors  map[string]error             // by relation or test: *fault.Error with file and line
	plans   map[string]map[string]any
}

// Err returns all problems, relations in graph order.
func (b *Bound) Err(g *Graph) error {
	var l fault.List
	for _, name := range g.order {
		l.Add(b.Errors[name])
	}
	for _, t := range g.Tests {
		l.Add(b.Errors["test:"+t.Name])
	}
	return l.Or()
}

// binder binds each statement against an empty table per upstream relation, so that nothing runs and the answer stops at
// the border of each model.
type binder struct {
	g       *Graph
	db      *duck.DB
	b       *Bound
	schemas map[string]bool
	self    map[string][]relation.Column // published columns of relations that read themselves
	tmp     string
}

// Bind finds the columns and types of every relation without data, and refuses what cannot be bound: unknown columns,
// types that do not fit, sums whose result depends on the order of rows (P4). It returns an error only when it could not
// work at all.
func Bind(ctx context.Context, g *Graph) (*Bound, error) {
	return bind(ctx, g, nil)
}

func bind(ctx context.Context, g *Graph, self map[string][]relation.Column) (*Bound, error) {
	db, err := duck.Open(ctx, "", duck.Options{Threads: 1, Functions: g.goFunctions()})
	if err != nil {
		return nil, fault.Wrap(err, "start the SQL binder")
	}
	defer db.Close()
	// One connection: a stub must be seen by the next statement at once, and it saves the cost of others.
	db.SetMaxOpenConns(1)
	b := &binder{g: g, db: db, schemas: map[string]bool{}, self: self,
		b: &Bound{Columns: map[string][]relation.Column{}, Errors: map[string]error{}, plans: map[string]map[string]any{}}}
	defer func() {
		if b.tmp != "" {
			os.RemoveAll(b.tmp)
		}
	}()
	for _, name := range g.order {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		n := g.Nodes[name]
		cols, err := b.relation(ctx, n)
		if err != nil {
			b.b.Errors[name] = err
			continue
		}
		if cols == nil {
			continue // something it reads could not be bound: said there
		}
		b.b.Columns[name] = cols
		if err := b.stub(ctx, name, cols); err != nil {
			b.b.Errors[name] = fault.Wrap(err, "%s", n.File)
		}
		if err := b.declared(n, cols); err != nil {
			b.b.Errors[name] = err
		}
	}
	for _, t := range g.Tests {
		if b.missing(t) {
			continue
		}
		if _, err := b.plan(ctx, t); err != nil {
			b.b.Errors["test:"+t.Name] = err
		}
	}
	return b.b, nil
}

// missing reports whether something the node reads has no columns.
func (b *binder) missing(n *Node) bool {
	for _, d := range n.Deps {
		if b.b.Columns[d] == nil {
			return true
		}
	}
	return false
}

func (b *binder) relation(ctx context.Context, n *Node) ([]relation.Column, error) {
	switch n.Kind {
	case KindRaw:
		return n.raw.relationColumns(), nil
	case KindRun:
		return runColumns(), nil
	case KindGiven:
		return n.given.Columns, nil
	case KindSeed:
		return b.seed(ctx, n)
	}
	if b.missing(n) {
		return nil, nil
	}
	if n.Self {
		cols := b.self[n.Name]
		if cols == nil {
			for _, e := range n.Meta.Columns.Entries() {
				if e.Value.Type != "" {
					cols = append(cols, relation.Column{Name: e.Key, Type: e.Value.Type})
				}
			}
		}
		if len(cols) == 0 {
			return nil, &fault.Error{File: n.File, Line: n.Reads[0].Line, Msg: "reads its own previous version, whose columns are not known yet",
				Hint: "Declare the type of each column that it reads from itself: `columns: {updated_at: {type: TIMESTAMP}}`."}
		}
		if err := b.stub(ctx, n.Name, cols); err != nil {
			return nil, &fault.Error{File: n.File, Key: "columns", Msg: "a declared type is not one", Err: err}
		}
		defer b.db.Exec(ctx, "drop table if exists "+ident(n.Name)) //nolint:errcheck // replaced by the stub that follows
	}
	plan, err := b.plan(ctx, n)
	if err != nil {
		return nil, err
	}
	b.b.plans[n.Name] = plan
	cols, err := describe(ctx, b.db, statement(n.SQL))
	if err != nil {
		return nil, n.syntax(err)
	}
	if dup := duplicate(cols); dup != "" {
		return nil, &fault.Error{File: n.File, Value: dup, Msg: "two columns have the same name", Hint: "Give one of them another name with `as`."}
	}
	for i := range cols {
		if cols[i].Type == `"NULL"` || cols[i].Type == "NULL" {
			cols[i].Type = "INTEGER" // what DuckDB makes of a bare NULL in a table
		}
	}
	switch n.Meta.Materialized {
	case "operator":
		out, err := n.oper.Output(cols, n.opts)
		if err != nil {
			return nil, &fault.Error{File: n.File, Key: "operator", Value: n.Meta.Operator, Msg: "does not fit this query", Err: err}
		}
		return out, nil
	case "snapshot":
		for _, c := range cols {
			if strings.EqualFold(c.Name, colValidFrom) || strings.EqualFold(c.Name, colValidTo) {
				return nil, &fault.Error{File: n.File, Value: c.Name, Msg: "a snapshot adds this column itself", Hint: "Give it another name with `as`."}
			}
		}
		return append(cols, snapshotColumns()...), nil
	}
	return cols, nil
}

// plan binds the statement and looks at the bound types for what P4 refuses.
func (b *binder) plan(ctx context.Context, n *Node) (map[string]any, error) {
	plan, err := b.db.Plan(ctx, statement(n.SQL))
	if err != nil {
		return nil, n.bindError(err, b)
	}
	var errs fault.List
	floatSums(plan, func(agg, column string) {
		msg := fmt.Sprintf("%s() over DOUBLE gives another result with another number of threads", agg)
		hint := fmt.Sprintf("Add up exact numbers: `%s(x::decimal(18,4))`.", agg)
		switch strings.ToLower(agg) {
		case "avg", "mean", "favg":
			hint = "Write `sum(x::decimal(18,4)) / count(x)`: exact sums, one division."
		case "sum":
		default:
			hint = "Compute it from sums over DECIMAL, or use quantiles (median, mad), which do not depend on the order."
		}
		errs.Add(n.at(n.findCall(agg, column), msg, hint))
	})
	if len(errs) > 0 {
		return nil, errs.Or()
	}
	return plan, nil
}

// floatSums calls found for every aggregate of a plan that adds floating-point numbers.
func floatSums(v any, found func(agg, column string)) {
	switch x := v.(type) {
	case []any:
		for _, e := range x {
			floatSums(e, found)
		}
	case map[string]any:
		class := str(x["expression_class"])
		if (class == "BOUND_AGGREGATE" || class == "BOUND_WINDOW") && unstableSum(str(x["name"])) {
			args, _ := x["arguments"].([]any)
			for _, a := range args {
				a, _ := a.(map[string]any)
				if id := str(a["id"]); id == "DOUBLE" || id == "FLOAT" {
					children, _ := x["children"].([]any)
					found(str(x["name"]), refAlias(children))
					break
				}
			}
		}
		for _, k := range sortedKeys(x) {
			floatSums(x[k], found)
		}
	}
}

// refAlias is the name of the first column that an expression refers to.
func refAlias(v any) string {
	switch x := v.(type) {
	case []any:
		for _, e := range x {
			if s := refAlias(e); s != "" {
				return s
			}
		}
	case map[string]any:
		if str(x["expression_class"]) == "BOUND_REF" {
			return str(x["alias"])
		}
		for _, k := range sortedKeys(x) {
			if s := refAlias(x[k]); s != "" {
				return s
			}
		}
	}
	return ""
}

// findCall is the offset of the call of fn in the statement, the one that mentions column when there are several: the
// bound plan has no positions for aggregates.
func (n *Node) findCall(fn, column string) int {
	best := -1
	var walk func(v any)
	walk = func(v any) {
		switch x := v.(type) {
		case []any:
			for _, e := range x {
				walk(e)
			}
		case map[string]any:
			if strings.EqualFold(str(x["function_name"]), fn) && offset(x) >= 0 {
				if best < 0 || mentions(x["children"], column) {
					best = offset(x)
				}
			}
			for _, k := range sortedKeys(x) {
				walk(x[k])
			}
		}
	}
	walk(n.ast)
	return best
}

func mentions(v any, column string) bool {
	switch x := v.(type) {
	case []any:
		return slices.ContainsFunc(x, func(e any) bool { return mentions(e, column) })
	case map[string]any:
		names, _ := x["column_names"].([]any)
		if len(names) > 0 && strings.EqualFold(str(names[len(names)-1]), column) {
			return true
		}
		for _, e := range x {
			if mentions(e, column) {
				return true
			}
		}
	}
	return false
}

var errCannotBind = errors.New("cannot bind")

// bindError explains what the binder refused, with the nearest valid name.
func (n *Node) bindError(err error, b *binder) error {
	var se *duck.SyntaxError
	if !errors.As(err, &se) {
		return fault.Wrap(errors.Join(errCannotBind, err), "%s", n.File)
	}
	msg := se.Msg
	for _, cut := range []string{"\nCandidate bindings", "\n\tCandidate functions", " You might need to add explicit type casts", "\nDid you mean", "\nEither add it", "\nLINE "} {
		if i := strings.Index(msg, cut); i >= 0 {
			msg = msg[:i]
		}
	}
	e := &fault.Error{File: n.File, Msg: strings.TrimRight(strings.ReplaceAll(strings.TrimSpace(msg), "\n", ". "), "!.")}
	if se.Offset >= 0 {
		e.Line, e.Col = lineCol(n.SQL, se.Offset)
	}
	switch {
	case se.Subtype == "COLUMN_NOT_FOUND":
		var all []string
		for _, d := range n.Deps {
			for _, c := range b.b.Columns[d] {
				if !slices.Contains(all, c.Name) {
					all = append(all, c.Name)
				}
			}
		}
		e.Hint = fault.DidYouMean(se.Name, all)
	case len(se.Candidates) > 0 && fault.Nearest(se.Name, se.Candidates) != "":
		e.Hint = fault.DidYouMean(se.Name, se.Candidates)
	case strings.Contains(se.Msg, "must appear in the GROUP BY"):
		e.Hint = "Add it to GROUP BY (or write `group by all`), or aggregate it: min(x), max(x)."
	case strings.Contains(se.Msg, "argument types"):
		e.Hint = "Cast one side: `x::date`."
	}
	if e.Line > 0 {
		e.Hint = strings.TrimSpace(e.Hint + " " + n.show(e.Line, e.Col))
	}
	return e
}

// declared checks that front matter names only columns that are there.
func (b *binder) declared(n *Node, cols []relation.Column) error {
	var names []string
	for _, c := range cols {
		names = append(names, c.Name)
	}
	has := func(name string) bool {
		return slices.ContainsFunc(names, func(c string) bool { return strings.EqualFold(c, name) })
	}
	var errs fault.List
	if n.Kind == KindModel || n.Kind == KindSeed {
		for _, e := range n.Meta.Columns.Entries() {
			if !has(e.Key) {
				errs.Add(e.Node.KeyFault(orElse(fault.DidYouMean(e.Key, names), "Its columns: "+strings.Join(names, ", ")+"."), "%s has no column %q", n.Name, e.Key))
			}
		}
		for _, k := range n.Meta.UniqueKey {
			if !has(k) {
				errs.Add(&fault.Error{File: n.File, Key: "unique_key", Value: k, Msg: n.Name + " has no such column", Hint: fault.DidYouMean(k, names)})
			}
		}
		for _, t := range n.Meta.DataTests {
			for _, c := range append(slices.Clone(t.Args.Columns), t.Args.Column) {
				if c != "" && !has(c) {
					errs.Add(t.node.Fault(fault.DidYouMean(c, names), "%s: %s has no column %q", t.Kind, n.Name, c))
				}
			}
		}
		if u := n.Meta.UpdatedAt; u != "" && !has(u) {
			errs.Add(&fault.Error{File: n.File, Key: "updated_at", Value: u, Msg: n.Name + " has no such column", Hint: fault.DidYouMean(u, names)})
		}
	}
	return errs.Or()
}

// stub makes an empty table with the columns.
func (b *binder) stub(ctx context.Context, name string, cols []relation.Column) error {
	schema, _, _ := strings.Cut(name, ".")
	if !b.schemas[schema] {
		if err := b.db.Exec(ctx, "create schema if not exists "+duck.Ident(schema)); err != nil {
			return err
		}
		b.schemas[schema] = true
	}
	return b.db.Exec(ctx, "create or replace table "+ident(name)+" ("+columnList(cols)+")")
}

func (b *binder) seed(ctx context.Context, n *Node) ([]relation.Column, error) {
	if b.tmp == "" {
		tmp, err := os.MkdirTemp("", "millrace-seeds-*")
		if err != nil {
			return nil, fault.Wrap(err, "read the seed %s", n.File)
		}
		b.tmp = tmp
	}
	file := filepath.Join(b.tmp, n.Name+".csv")
	if err := os.WriteFile(file, n.seed, 0o600); err != nil {
		return nil, fault.Wrap(err, "read the seed %s", n.File)
	}
	cols, err := describe(ctx, b.db, seedQuery(n, file))
	if err != nil {
		return nil, seedError(n, file, err)
	}
	return cols, nil
}

// seedError says what is wrong with a seed, in terms of its own file.
func seedError(n *Node, file string, err error) error {
	msg := strings.ReplaceAll(err.Error(), file, n.File)
	if i := strings.Index(msg, "\nPossible"); i > 0 {
		msg = msg[:i]
	}
	if i := strings.Index(msg, "\n\n"); i > 0 {
		msg = msg[:i]
	}
	return &fault.Error{File: n.File, Msg: strings.TrimSpace(msg), Hint: "A seed is a CSV file with a header, commas, and the same number of cells in each line; types may be declared in " + strings.TrimSuffix(n.File, ".csv") + ".yml.", Err: nil}
}

func columnList(cols []relation.Column) string {
	var parts []string
	for _, c := range cols {
		parts = append(parts, duck.Ident(c.Name)+" "+c.Type)
	}
	return strings.Join(parts, ", ")
}

func describe(ctx context.Context, db *duck.DB, q string) ([]relation.Column, error) {
	var cols []relation.Column
	err := db.Each(ctx, "describe "+q, func(row []any) error {
		cols = append(cols, relation.Column{Name: fmt.Sprint(row[0]), Type: fmt.Sprint(row[1])})
		return nil
	})
	return cols, err
}

func duplicate(cols []relation.Column) string {
	seen := map[string]bool{}
	for _, c := range cols {
		k := strings.ToLower(c.Name)
		if seen[k] {
			return c.Name
		}
		seen[k] = true
	}
	return ""
}

// ident quotes schema.name.
func ident(name string) string {
	schema, table, _ := strings.Cut(name, ".")
	return duck.Ident(schema) + "." + duck.Ident(table)
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

package match

import (
	"context"
	"fmt"
	"strings"
	"time"

	"millrace/internal/duck"
	"millrace/internal/fault"
)

// Loaded says what Load read.
type Loaded struct {
	Rows    int
	NoKey   int // rows left out because their key was null or empty
	Repeats int // rows whose key had come before; their values were added to that record
}

// Load fills a set from a query: column record_key, a column source if there is one, and the columns that the description names,
// as text, number, date or a list of those. Rows without a key are left out and counted.
func Load(ctx context.Context, db *duck.DB, query string, spec Spec) (*Set, Loaded, error) {
	var done Loaded
	s, err := NewSet(spec)
	if err != nil {
		return nil, done, err
	}
	head, err := db.Query(ctx, "select column_name from (describe "+query+")")
	if err != nil {
		return nil, done, fault.Wrap(err, "read the columns of the records")
	}
	have := map[string]bool{}
	var names []string
	for _, row := range head.Rows {
		name, _ := row[0].(string)
		have[name] = true
		names = append(names, name)
	}
	if !have["record_key"] {
		return nil, done, &fault.Error{Key: "record_key", Msg: "the records have no such column", Hint: "Name the column that tells the records apart record_key."}
	}
	cols := []string{"record_key::varchar", "''"}
	if have["source"] {
		cols[1] = "source::varchar"
	}
	for _, f := range spec.Fields {
		if !have[f.Name] {
			return nil, done, &fault.Error{Key: f.Name, Msg: "the records have no such column", Hint: fault.DidYouMean(f.Name, names)}
		}
		cols = append(cols, duck.Ident(f.Name))
	}
	rec := Record{Values: make([][]string, len(spec.Fields))}
	err = db.Each(ctx, "select "+strings.Join(cols, ", ")+" from ("+query+")", func(row []any) error {
		done.Rows++
		rec.Key, _ = row[0].(string)
		if rec.Key == "" {
			done.NoKey++
			return nil
		}
		rec.Source, _ = row[1].(string)
		for i, c := range row[2:] {
			rec.Values[i] = texts(rec.Values[i][:0], c)
		}
		return s.Add(rec)
	})
	if err != nil {
		return nil, done, fault.Wrap(err, "read the records")
	}
	done.Repeats = s.Repeated()
	return s, done, nil
}

// texts appends the values of a cell.
func texts(out []string, c any) []string {
	switch x := c.(type) {
	case nil:
	case string:
		out = append(out, x)
	case []any:
		for _, v := range x {
			out = texts(out, v)
		}
	case time.Time:
		out = append(out, x.Format("2006-01-02"))
	default:
		out = append(out, fmt.Sprint(x))
	}
	return out
}

// WriteEdges makes table schema.name of the edges: left_key, right_key, match_rule, a weight column mw_<comparison> and a
// level column level_<comparison> for each comparison, mw_prior, mw, p, band and veto. Weights are bits, DECIMAL(9,3), and add
// up to mw exactly.
func (s *Edges) WriteEdges(ctx context.Context, db *duck.DB, schema, name string) error {
	cols := []string{"left_key varchar not null", "right_key varchar not null", "match_rule varchar not null"}
	for _, c := range s.Comparisons() {
		cols = append(cols, duck.Ident("level_"+c)+" varchar not null", duck.Ident("mw_"+c)+" decimal(9,3) not null")
	}
	cols = append(cols, "mw_prior decimal(9,3) not null", "mw decimal(9,3) not null", "p double not null", "band varchar not null", "veto varchar")
	return fill(ctx, db, schema, name, cols, s.Len(), func(i int, row []any) []any {
		x := s.At(i)
		row = append(row, x.A, x.B, x.Rule)
		for _, w := range x.Weights {
			row = append(row, w.Level, w.Bits)
		}
		row = append(row, x.Prior, x.Total, x.P, string(x.Band))
		if x.Veto == NoVeto {
			return append(row, nil)
		}
		return append(row, string(x.Veto))
	})
}

// WriteMembers makes table schema.name with one row a record: record_key, group_key (the smallest key of the group, not a
// lasting id), records (of the group) and confidence.
func (c *Clusters) WriteMembers(ctx context.Context, db *duck.DB, schema, name string) error {
	cols := []string{"record_key varchar not null", "group_key varchar not null", "records bigint not null", "confidence double not null"}
	keys := c.set.Keys()
	return fill(ctx, db, schema, name, cols, len(keys), func(i int, row []any) []any {
		g := &c.Groups[c.of[i]]
		return append(row, keys[i], g.Key, len(g.Records), g.Confidence)
	})
}

func fill(ctx context.Context, db *duck.DB, schema, name string, cols []string, n int, at func(i int, row []any) []any) error {
	what := schema + "." + name
	if err := db.Exec(ctx, "create or replace table "+duck.Ident(schema)+"."+duck.Ident(name)+" ("+strings.Join(cols, ", ")+")"); err != nil {
		return fault.Wrap(err, "make %s", what)
	}
	a, err := db.NewAppender(ctx, schema, name)
	if err != nil {
		return fault.Wrap(err, "write %s", what)
	}
	row := make([]any, 0, len(cols))
	for i := range n {
		if i%4096 == 0 && ctx.Err() != nil {
			a.Abort()
			return ctx.Err()
		}
		row = at(i, row[:0])
		if err := a.Append(row); err != nil {
			a.Abort()
			return fault.Wrap(err, "write %s", what)
		}
	}
	return fault.Wrap(a.Close(), "write %s", what)
}

package identity

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"millrace/internal/duck"
	"millrace/internal/fault"
	"millrace/transform"
	"millrace/transform/relation"
)

// columns finds the columns that an operator needs in its input, and refuses a query that lacks one or holds another type.
type columns map[string]int

func need(in []relation.Column, want ...relation.Column) (columns, error) {
	at := columns{}
	for i, c := range in {
		at[strings.ToLower(c.Name)] = i
	}
	for _, w := range want {
		i, ok := at[w.Name]
		if !ok {
			var names []string
			for _, c := range in {
				names = append(names, c.Name)
			}
			hint := fault.DidYouMean(w.Name, names)
			if hint == "" {
				hint = "Add it to the select list as " + w.Type + "."
			}
			return nil, &fault.Error{Value: w.Name, Msg: "the query has no such column, which the operator reads", Hint: hint}
		}
		if in[i].Type != w.Type && !(in[i].Type == "INTEGER" && w.Type == "BIGINT") {
			return nil, &fault.Error{Value: w.Name, Msg: "is " + in[i].Type + ", the operator reads " + w.Type, Hint: "Cast it: " + w.Name + "::" + strings.ToLower(w.Type) + "."}
		}
	}
	return at, nil
}

// row is one row of the input by column name.
type row struct {
	at    columns
	cells []any
}

func (r row) text(name string) string {
	s, _ := r.cells[r.at[name]].(string)
	return s
}

func (r row) number(name string) int64 {
	switch v := r.cells[r.at[name]].(type) {
	case int64:
		return v
	case float64:
		return int64(v)
	case duck.Decimal:
		return int64(v.Float())
	}
	return 0
}

func (r row) day(name string) string {
	if t, ok := r.cells[r.at[name]].(time.Time); ok {
		return t.Format(time.DateOnly)
	}
	return ""
}

// list reads a JSON list of texts; null and empty text are the empty list.
func (r row) list(name string) ([]string, error) {
	s := r.text(name)
	if s == "" {
		return nil, nil
	}
	var out []string
	if err := json.Unmarshal([]byte(s), &out); err != nil {
		return nil, &fault.Error{Value: fault.Shorten(s, 60), Msg: "column " + name + " is not a JSON list of texts", Err: err}
	}
	return out, nil
}

// jsonList writes what list reads; nil when there is nothing.
func jsonList(keys []string) any {
	if len(keys) == 0 {
		return nil
	}
	b, err := json.Marshal(keys)
	if err != nil { // a list of texts always encodes
		return nil
	}
	return string(b)
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func rowsOf(ctx context.Context, in transform.OperatorInput, at columns) iter.Seq2[row, error] {
	return func(yield func(row, error) bool) {
		for cells, err := range in.Rows(ctx) {
			if !yield(row{at, cells}, err) || err != nil {
				return
			}
		}
	}
}

// readOverride reads a row of identity.overrides that stands in an operator's input with item = override: number, kind, and
// left_keys and right_keys as JSON lists.
func readOverride(r row) (Override, error) {
	left, err := r.list("left_keys")
	if err != nil {
		return Override{}, err
	}
	right, err := r.list("right_keys")
	if err != nil {
		return Override{}, err
	}
	return Override{ID: r.number("number"), Kind: r.text("kind"), Left: left, Right: right}, nil
}

func unknownItem(item string, known ...string) error {
	slices.Sort(known)
	return &fault.Error{Key: "item", Value: item, Msg: "the operator does not know rows of this kind", Hint: fmt.Sprintf("It reads %s.", strings.Join(known, ", "))}
}

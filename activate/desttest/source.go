package desttest

import (
	"context"
	"iter"
	"regexp"
	"slices"
	"strings"

	"millrace/transform/relation"
)

// Source is a build with one relation, in Go: enough of a warehouse for the queries that syncs make.
type Source struct {
	ID   string
	Rel  relation.Relation
	Rows []map[string]any // by column; an int counts as int64
}

// Build describes the one relation.
func (s *Source) Build() relation.Build {
	return relation.Build{ID: s.ID, Relations: map[string]relation.Relation{s.Rel.Name: s.Rel}}
}

var selected = regexp.MustCompile(`cast\("([^"]+)" as varchar\)|null|"([^"]+)"`)

// Query yields the selected columns of every row, by the first column, which holds text.
func (s *Source) Query(_ context.Context, sql string) iter.Seq2[[]any, error] {
	list := strings.ReplaceAll(sql[len("select "):strings.Index(sql, " from ")], ` as "key"`, "")
	columns := selected.FindAllStringSubmatch(list, -1)
	return func(yield func([]any, error) bool) {
		var rows [][]any
		for _, r := range s.Rows {
			row := make([]any, len(columns))
			for i, m := range columns {
				row[i] = r[m[1]+m[2]]
				if n, ok := row[i].(int); ok {
					row[i] = int64(n)
				}
			}
			rows = append(rows, row)
		}
		slices.SortStableFunc(rows, func(a, b []any) int {
			x, _ := a[0].(string)
			y, _ := b[0].(string)
			return strings.Compare(x, y)
		})
		for _, row := range rows {
			if !yield(row, nil) {
				return
			}
		}
	}
}

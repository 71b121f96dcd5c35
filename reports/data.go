package reports

import (
	"context"
	"fmt"
	"strings"
	"time"

	"millrace/internal/fault"
	"millrace/transform/relation"
)

// Table is a whole query result.
type Table struct {
	Columns []relation.Column
	Rows    [][]any // cells as ValueOf takes them
}

// Data is the published build as reports see it: read-only, and unable to reach anything outside of it.
type Data interface {
	// Query runs one SQL query. Rows come in a repeatable order if the query gives one (P4).
	Query(ctx context.Context, sql string) (*Table, error)
	// Build says what is published.
	Build() relation.Build
}

// Source is one query that a report's numbers came from. Running it again on the same build gives the same cells.
type Source struct {
	ID      string   `json:"id"`      // q1, q2, ...
	Section string   `json:"section"` // the section that asked first
	SQL     string   `json:"sql"`     // complete: no parameters are left in it
	Reads   []string `json:"reads,omitempty"`
	Rows    int      `json:"rows"`
}

// Recorder asks queries on behalf of sections and remembers each one, so that every number can name its source (P7).
// It is used by one goroutine.
type Recorder struct {
	data    Data
	section string
	sources []*Source
	results map[string]*Result
}

// NewRecorder starts with no source.
func NewRecorder(d Data) *Recorder { return &Recorder{data: d, results: map[string]*Result{}} }

// Query runs sql, or answers from an earlier identical query of the same report.
func (r *Recorder) Query(ctx context.Context, sql string) (*Result, error) {
	sql = strings.TrimRight(strings.TrimSpace(dedent(sql)), ";")
	if res, ok := r.results[sql]; ok {
		return res, nil
	}
	t, err := r.data.Query(ctx, sql)
	if err != nil {
		hint := "Try its SQL with `millrace query`."
		if line := strings.Join(strings.Fields(sql), " "); len(line) < 300 && !strings.Contains(sql, "--") {
			hint = "Try it with `millrace query`: " + line
		}
		return nil, &fault.Error{Msg: "the query of this section failed", Err: err, Hint: hint}
	}
	src := &Source{ID: fmt.Sprintf("q%d", len(r.sources)+1), Section: r.section, SQL: sql, Rows: len(t.Rows)}
	res := &Result{Source: src, Columns: t.Columns, index: map[string]int{}}
	for i, c := range t.Columns {
		if _, dup := res.index[c.Name]; !dup {
			res.index[c.Name] = i
		}
	}
	for i, row := range t.Rows {
		cells := make([]Cell, len(row))
		for j, v := range row {
			cells[j] = Cell{Value: ValueOf(v), ref: Ref{Source: src.ID, Row: i + 1, Column: t.Columns[j].Name}}
		}
		res.rows = append(res.rows, cells)
	}
	for name := range r.data.Build().Relations {
		if mentions(sql, name) {
			src.Reads = append(src.Reads, name)
		}
	}
	sortStrings(src.Reads)
	r.sources = append(r.sources, src)
	r.results[sql] = res
	return res, nil
}

// Has reports whether the published build holds the relation.
func (r *Recorder) Has(relation string) bool {
	_, ok := r.data.Build().Relations[relation]
	return ok
}

// Build is the build that is being read.
func (r *Recorder) Build() relation.Build { return r.data.Build() }

// Result is the answer to one query.
type Result struct {
	Source  *Source
	Columns []relation.Column
	rows    [][]Cell
	index   map[string]int
}

// Len is the number of rows.
func (r *Result) Len() int { return len(r.rows) }

// Has reports whether there is such a column.
func (r *Result) Has(column string) bool { _, ok := r.index[column]; return ok }

// Cell is the cell of a row (from 0) and column. A column that is not there gives nothing; see Need.
func (r *Result) Cell(row int, column string) Cell {
	i, ok := r.index[column]
	if !ok || row < 0 || row >= len(r.rows) {
		return Cell{}
	}
	return r.rows[row][i]
}

// At is the cell of a row and a column by position, both from 0.
func (r *Result) At(row, column int) Cell { return r.rows[row][column] }

// Need fails when a column is missing, with what is there.
func (r *Result) Need(columns ...string) error {
	for _, c := range columns {
		if !r.Has(c) {
			var have []string
			for _, h := range r.Columns {
				have = append(have, h.Name)
			}
			return &fault.Error{Msg: "the query does not give the column", Value: c, Hint: fault.DidYouMean(c, have)}
		}
	}
	return nil
}

// Lit writes a text literal for SQL.
func Lit(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// LitDate writes a date literal for SQL.
func LitDate(t time.Time) string { return "date '" + t.Format(time.DateOnly) + "'" }

// LitList writes a list for `in (...)`; an empty one matches nothing.
func LitList(list []string) string {
	if len(list) == 0 {
		return "(null)"
	}
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = Lit(s)
	}
	return "(" + strings.Join(quoted, ", ") + ")"
}

// mentions reports whether the query names the relation as a whole word.
func mentions(sql, name string) bool {
	word := func(b byte) bool {
		return b == '_' || b == '.' || b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z'
	}
	for from := 0; ; {
		i := strings.Index(sql[from:], name)
		if i < 0 {
			return false
		}
		i += from
		end := i + len(name)
		if (i == 0 || !word(sql[i-1])) && (end == len(sql) || !word(sql[end])) {
			return true
		}
		from = end
	}
}

// dedent takes off the indentation that all lines share, so that a query reads well under a report.
func dedent(s string) string {
	lines := strings.Split(strings.Trim(s, "\n"), "\n")
	cut := -1
	for _, l := range lines {
		if t := strings.TrimLeft(l, " \t"); t != "" && (cut < 0 || len(l)-len(t) < cut) {
			cut = len(l) - len(t)
		}
	}
	for i, l := range lines {
		if cut > 0 && len(l) >= cut {
			l = l[cut:]
		}
		lines[i] = strings.TrimRight(l, " \t")
	}
	return strings.Join(lines, "\n")
}

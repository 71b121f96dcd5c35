package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/big"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"millrace/internal/console"
	"millrace/internal/duck"
	"millrace/internal/fault"
	"millrace/internal/normal/sqlfunc"
	"millrace/transform/relation"
)

func newQueryCmd(a *app) *cobra.Command {
	var limit int
	var format string
	cmd := &cobra.Command{
		Use:     "query SQL",
		GroupID: "data",
		Short:   "Ask the published build in SQL",
		Long: `Runs one query on the published build, read-only and locked: it reaches no file and no other database. It never waits
for a build and a build never waits for it. A query may begin with FROM. Without an argument, or with -, the SQL is read
from standard input.`,
		Example: `  millrace query 'from metrics.sales_summary'
  millrace query --json 'select stage, count(*) as n from core.opportunities group by all order by n desc'
  millrace query --format csv 'from core.accounts' > accounts.csv`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			q := ""
			if len(args) == 1 && args[0] != "-" {
				q = args[0]
			} else {
				text, err := io.ReadAll(a.stdin)
				if err != nil {
					return fault.Wrap(err, "read SQL from standard input")
				}
				q = string(text)
			}
			if strings.TrimSpace(q) == "" {
				return &fault.Error{Msg: "no SQL given", Hint: "Write it as an argument: millrace query 'from metrics.sales_summary'."}
			}
			return a.query(cmd.Context(), q, limit, format)
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 0, "rows at most; 0: all")
	cmd.Flags().StringVar(&format, "format", "", "table, csv or json (default: table; json with --json)")
	return cmd
}

func newShowCmd(a *app) *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use:     "show RELATION",
		GroupID: "data",
		Short:   "Look at a published relation: what it is, its columns, some rows",
		Example: `  millrace show core.accounts
  millrace show win_rate --limit 50`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.show(cmd.Context(), args[0], limit)
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 10, "rows at most")
	return cmd
}

func (a *app) query(ctx context.Context, q string, limit int, format string) error {
	p, err := a.project()
	if err != nil {
		return err
	}
	functions, err := sqlfunc.Project(os.DirFS(p.Dir)) // so that a person can try them
	if err != nil {
		return err
	}
	pb, err := a.published(ctx, p, functions...)
	if err != nil {
		return err
	}
	defer pb.Close()
	if limit > 0 {
		q = fmt.Sprintf("select * from (%s\n) limit %d", strings.TrimRight(strings.TrimSpace(q), ";"), limit)
	}
	res, err := pb.db.Query(ctx, q)
	if err != nil {
		return queryError(err, pb.build)
	}
	switch {
	case format == "json" || format == "" && a.flags.json:
		return writeJSONRows(a.con.Out, res)
	case format == "csv":
		return writeCSV(a.con.Out, res)
	case format == "" || format == "table":
		a.table(res)
		return nil
	}
	return &fault.Error{Key: "--format", Value: format, Msg: "unknown format", Hint: "Use table, csv or json."}
}

// queryError says what is wrong with a query that a person wrote, with the nearest name.
func queryError(err error, b relation.Build) error {
	msg := err.Error()
	if i := strings.Index(msg, "\nDid you mean"); i >= 0 {
		msg = msg[:i]
	}
	out := &fault.Error{Msg: strings.TrimRight(strings.ReplaceAll(strings.TrimSpace(msg), "\n", ". "), "!.")}
	if _, rest, ok := strings.Cut(msg, "Table with name "); ok {
		name := strings.Trim(strings.Fields(rest)[0], `"`)
		out.Hint = "`millrace ls` lists the relations."
		if n := nearestRelation(b, strings.ToLower(name)); n != "" {
			out.Hint = fmt.Sprintf("Did you mean %q?", n)
		}
		if strings.HasPrefix(name, "raw_") {
			out.Hint = "Landed streams are there only while building: read the staging relation that is made from it."
		}
	}
	if strings.Contains(msg, "disabled by configuration") {
		out.Hint = "Queries reach the published build only; land the file with a source in extract/, or put it into sql/seeds/."
	}
	if strings.Contains(msg, "read-only") {
		out.Hint = "The published build is not changed by queries: write a SQL model in sql/ instead."
	}
	return out
}

// nearestRelation is the relation that was meant; DuckDB's message often leaves the schema out.
func nearestRelation(b relation.Build, name string) string {
	var names, tables []string
	full := map[string]string{}
	for n := range b.Relations {
		_, table, _ := strings.Cut(n, ".")
		names, tables = append(names, n), append(tables, table)
		if other, ok := full[table]; !ok || n < other {
			full[table] = n
		}
	}
	if n := fault.Nearest(name, names); n != "" {
		return n
	}
	_, table, ok := strings.Cut(name, ".")
	if !ok {
		table = name
	}
	return full[fault.Nearest(table, tables)]
}

// table prints a result; wide cells are cut, and numbers stand right.
func (a *app) table(res *duck.Result) {
	headers := make([]string, len(res.Columns))
	var right []int
	for i, c := range res.Columns {
		headers[i] = c.Name
		if numeric(c.Type) {
			right = append(right, i)
		}
	}
	rows := make([][]string, len(res.Rows))
	for i, r := range res.Rows {
		for _, c := range r {
			rows[i] = append(rows[i], shortCell(cellText(c)))
		}
	}
	a.con.Table(headers, rows, right...)
	if !a.con.Quiet {
		fmt.Fprintln(a.con.Err, console.Count(int64(len(res.Rows)), "row"))
	}
}

func shortCell(s string) string {
	s = strings.Map(func(r rune) rune {
		if r == '\n' || r == '\r' || r == '\t' {
			return ' '
		}
		return r
	}, s)
	if r := []rune(s); len(r) > 60 {
		return string(r[:59]) + "…"
	}
	return s
}

func numeric(t string) bool {
	switch t {
	case "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT", "FLOAT", "DOUBLE":
		return true
	}
	return strings.HasPrefix(t, "DECIMAL")
}

// cellText is a cell as text: exact decimals, instants in UTC, a day without a time.
func cellText(v any) string {
	switch x := v.(type) {
	case nil:
		return ""
	case string:
		return x
	case []byte:
		return base64.StdEncoding.EncodeToString(x)
	case time.Time:
		return timeText(x)
	case float64:
		return strings.TrimSuffix(fmt.Sprintf("%v", x), ".0")
	case []any, map[string]any:
		b, err := json.Marshal(jsonCell(v))
		if err != nil {
			return fmt.Sprint(v)
		}
		return string(b)
	}
	return fmt.Sprint(v)
}

func timeText(t time.Time) string {
	if t.Equal(t.Truncate(24 * time.Hour)) {
		return t.Format(time.DateOnly)
	}
	return t.Format("2006-01-02 15:04:05.999999")
}

// jsonCell is a cell as JSON: decimals and whole numbers with all digits, instants as text; what JSON has no number for is null.
func jsonCell(v any) any {
	switch x := v.(type) {
	case duck.Decimal:
		return json.Number(x.String())
	case *big.Int:
		return json.Number(x.String())
	case time.Time:
		return timeText(x)
	case float64:
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return nil
		}
		return x
	case []any:
		out := make([]any, len(x))
		for i := range x {
			out[i] = jsonCell(x[i])
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(x))
		for k := range x {
			out[k] = jsonCell(x[k])
		}
		return out
	}
	return v
}

// writeJSONRows writes an array of objects, one line a row, columns in the order of the query.
func writeJSONRows(w io.Writer, res *duck.Result) error {
	var b bytes.Buffer
	b.WriteString("[")
	for i, r := range res.Rows {
		if i > 0 {
			b.WriteString(",")
		}
		b.WriteString("\n  {")
		for j, c := range r {
			if j > 0 {
				b.WriteString(", ")
			}
			for k, part := range []any{res.Columns[j].Name, jsonCell(c)} {
				if k == 1 {
					b.WriteString(": ")
				}
				e := json.NewEncoder(&b)
				e.SetEscapeHTML(false)
				if err := e.Encode(part); err != nil {
					return fault.Wrap(err, "write column %s", res.Columns[j].Name)
				}
				b.Truncate(b.Len() - 1) // the encoder ends a line
			}
		}
		b.WriteString("}")
	}
	if len(res.Rows) > 0 {
		b.WriteString("\n")
	}
	b.WriteString("]\n")
	_, err := w.Write(b.Bytes())
	return err
}

func writeCSV(out io.Writer, res *duck.Result) error {
	w := csv.NewWriter(out)
	header := make([]string, len(res.Columns))
	for i, c := range res.Columns {
		header[i] = c.Name
	}
	if err := w.Write(header); err != nil {
		return err
	}
	for _, r := range res.Rows {
		cells := make([]string, len(r))
		for i, c := range r {
			cells[i] = cellText(c)
		}
		if err := w.Write(cells); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

type showJSON struct {
	relation.Relation
	Sample []map[string]any `json:"sample"`
}

func (a *app) show(ctx context.Context, name string, limit int) error {
	p, err := a.project()
	if err != nil {
		return err
	}
	pb, err := a.published(ctx, p)
	if err != nil {
		return err
	}
	defer pb.Close()
	rel, err := findRelation(pb.build, name)
	if err != nil {
		return err
	}
	schema, table, _ := strings.Cut(rel.Name, ".")
	q := fmt.Sprintf("from %s.%s limit %d", duck.Ident(schema), duck.Ident(table), limit)
	if len(rel.Key) > 0 {
		var key []string
		for _, k := range rel.Key {
			key = append(key, duck.Ident(k))
		}
		q = fmt.Sprintf("from %s.%s order by %s limit %d", duck.Ident(schema), duck.Ident(table), strings.Join(key, ", "), limit)
	}
	res, err := pb.db.Query(ctx, q)
	if err != nil {
		return fault.Wrap(err, "read %s", rel.Name)
	}
	if a.flags.json {
		out := showJSON{Relation: rel, Sample: []map[string]any{}}
		for _, r := range res.Rows {
			m := map[string]any{}
			for i, c := range r {
				m[res.Columns[i].Name] = jsonCell(c)
			}
			out.Sample = append(out.Sample, m)
		}
		return a.con.Result(out)
	}
	a.con.Say("%s  %s, %s, built %s", rel.Name, rel.Materialized, console.Count(rel.Rows, "row"), rel.BuiltAt.Format("2006-01-02 15:04 UTC"))
	if rel.Description != "" {
		a.con.Say("%s", rel.Description)
	}
	if rel.Stale {
		a.con.Say("STALE: it stays at this earlier version, because %s", rel.StaleWhy)
	}
	var cols [][]string
	for _, c := range rel.Columns {
		cols = append(cols, []string{c.Name, c.Type, c.PII, shortCell(c.Description)})
	}
	fmt.Fprintln(a.con.Out)
	a.con.Table([]string{"column", "type", "personal", "description"}, cols)
	fmt.Fprintln(a.con.Out)
	a.table(res)
	return nil
}

// findRelation takes schema.name, or the last part alone where only one relation has it.
func findRelation(b relation.Build, name string) (relation.Relation, error) {
	low := strings.ToLower(strings.TrimSuffix(strings.ReplaceAll(strings.TrimPrefix(name, "sql/"), "/", "."), ".sql"))
	if r, ok := b.Relations[low]; ok {
		return r, nil
	}
	var names, same []string
	for n := range b.Relations {
		names = append(names, n)
		if strings.HasSuffix(n, "."+low) {
			same = append(same, n)
		}
	}
	if len(same) == 1 {
		return b.Relations[same[0]], nil
	}
	e := &fault.Error{Value: name, Msg: "no published relation has this name", Hint: fault.DidYouMean(low, names)}
	if len(same) > 1 {
		e.Msg, e.Hint = "several relations have this name", "Write one of: "+strings.Join(same, ", ")+"."
	}
	if e.Hint == "" {
		e.Hint = "`millrace ls` lists the relations."
	}
	return relation.Relation{}, e
}

package transform

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"millrace/internal/duck"
	"millrace/internal/fault"
)

// tableRef is a place of the syntax tree that reads a table.
type tableRef struct {
	catalog, schema, table string
	offset                 int
}

// call is a place of the syntax tree that calls a table function.
type call struct {
	name   string
	offset int
}

// scan collects what a statement reads. CTE names are followed through their scopes, so a CTE that has the name of a
// relation hides it exactly where SQL says.
type scan struct {
	tables []tableRef
	calls  []call // of table functions
	lint   []finding

	functions []goCall
}

// finding is something at a byte offset that the determinism rules refuse.
type finding struct {
	offset int
	msg    string
	hint   string
}

// scope is the set of CTE names visible at a place; it is never changed once made.
type scope map[string]bool

func (s *scan) node(v any, in scope) {
	switch x := v.(type) {
	case []any:
		for _, e := range x {
			s.node(e, in)
		}
	case map[string]any:
		s.object(x, in)
	}
}

func (s *scan) object(x map[string]any, in scope) {
	switch str(x["type"]) {
	case "BASE_TABLE":
		ref := tableRef{catalog: str(x["catalog_name"]), schema: str(x["schema_name"]), table: str(x["table_name"]), offset: offset(x)}
		if ref.catalog != "" || ref.schema != "" || !in[strings.ToLower(ref.table)] {
			s.tables = append(s.tables, ref)
		}
	case "TABLE_FUNCTION":
		if fn, ok := x["function"].(map[string]any); ok {
			s.calls = append(s.calls, call{name: strings.ToLower(str(fn["function_name"])), offset: offset(fn)})
		}
	}
	if name := str(x["function_name"]); name != "" && str(x["class"]) == "FUNCTION" {
		s.functions = append(s.functions, goCall{strings.ToLower(name), offset(x)})
	}
	s.determinism(x)
	// A CTE body sees the CTEs before it, and itself only when it is recursive; the rest of the node sees all of them.
	if cm, ok := x["cte_map"].(map[string]any); ok {
		list, _ := cm["map"].([]any)
		if len(list) > 0 {
			in = maps.Clone(in)
			if in == nil {
				in = scope{}
			}
		}
		for _, e := range list {
			entry, _ := e.(map[string]any)
			name := strings.ToLower(str(entry["key"]))
			body := entry["value"]
			inner := in
			if holds(body, "RECURSIVE_CTE_NODE") {
				inner = maps.Clone(in)
				inner[name] = true
			}
			s.node(body, inner)
			in[name] = true
		}
	}
	for _, k := range slices.Sorted(maps.Keys(x)) {
		if k != "cte_map" {
			s.node(x[k], in)
		}
	}
}

// holds reports whether the query node of a CTE body is of the given type, behind any wrappers.
func holds(v any, typ string) bool {
	m, ok := v.(map[string]any)
	if !ok {
		return false
	}
	if str(m["type"]) == typ {
		return true
	}
	for _, k := range []string{"query", "node"} {
		if holds(m[k], typ) {
			return true
		}
	}
	return false
}

func str(v any) string { s, _ := v.(string); return s }

// offset is the byte offset of a syntax node, or -1: DuckDB writes 2^64-1 for "nowhere".
func offset(x map[string]any) int {
	f, ok := x["query_location"].(float64)
	if !ok || f > 1e15 {
		return -1
	}
	return int(f)
}

// pureTableFunctions may be read in a model: they depend on their arguments only.
func pureTableFunction(name string) bool {
	switch name {
	case "range", "generate_series", "unnest", "repeat", "repeat_row", "json_each", "json_tree", "json_table", "summary", "glob_match":
		return name != "glob_match"
	}
	return false
}

var (
	jinjaRE  = regexp.MustCompile(`\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}`)
	fileName = regexp.MustCompile(`(?i)[/\\*]|\.(csv|tsv|parquet|json|ndjson|jsonl|xlsx|gz|zst|db|duckdb)$|^[a-z0-9]+:`)
)

// jinja answers a template with how to write it in plain SQL.
func jinja(n *Node) error {
	loc := jinjaRE.FindStringIndex(n.SQL)
	if loc == nil {
		return nil
	}
	word := n.SQL[loc[0]:loc[1]]
	line, col := lineCol(n.SQL, loc[0])
	e := &fault.Error{File: n.File, Line: line, Col: col, Value: word, Msg: "SQL models are plain SQL, this is a template"}
	quoted := regexp.MustCompile(`'([^']*)'|"([^"]*)"`).FindAllStringSubmatch(word, -1)
	arg := func(i int) string {
		if i < len(quoted) {
			return quoted[i][1] + quoted[i][2]
		}
		return ""
	}
	switch {
	case strings.Contains(word, "ref("):
		e.Hint = fmt.Sprintf("Write the relation's name: `from schema.%s`; what it reads is found by parsing.", orElse(arg(len(quoted)-1), "name"))
	case strings.Contains(word, "source("):
		e.Hint = fmt.Sprintf("Write the landed stream's name: `from raw_%s.%s`.", orElse(arg(0), "source"), orElse(arg(1), "stream"))
	case strings.Contains(word, "config("):
		e.Hint = "Move it to the front matter, a comment at the top: `/* --- materialized: table --- */`."
	case strings.Contains(word, "is_incremental"):
		e.Hint = "A model with `materialized: incremental` may read its own name: it sees its last published version, empty at first."
	case strings.Contains(word, "this"):
		e.Hint = "Write the model's own name: it sees its last published version, empty at first."
	case strings.Contains(word, "var("), strings.Contains(word, "env_var("):
		e.Hint = "Put the value into sql/seeds/<name>.csv and join it."
	case strings.HasPrefix(word, "{%"):
		e.Hint = "Write the SQL that the loop or macro would give; UNION ALL BY NAME, COLUMNS(...) and GROUP BY ALL cover most uses."
	default:
		e.Hint = "Write the SQL that it would give."
	}
	return e
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// parseNode fills what a statement reads. Names are not resolved yet.
func parseNode(ctx context.Context, db *duck.DB, n *Node) (*scan, error) {
	if err := jinja(n); err != nil {
		return nil, err
	}
	stmts, err := db.Parse(ctx, n.SQL)
	if err != nil {
		return nil, n.syntax(err)
	}
	switch len(stmts) {
	case 0:
		return nil, &fault.Error{File: n.File, Line: 1, Msg: "holds no statement", Hint: "Write one SELECT, or remove the file."}
	case 1:
	default:
		l, c := lineCol(n.SQL, secondStatement(n.SQL))
		return nil, &fault.Error{File: n.File, Line: l, Col: c, Msg: fmt.Sprintf("holds %d statements", len(stmts)), Hint: "One file is one relation: put each SELECT into a file of its own."}
	}
	n.ast = stmts[0]
	s := &scan{}
	s.node(stmts[0], scope{})
	return s, nil
}

// syntax explains what DuckDB refused, with the line shown.
func (n *Node) syntax(err error) error {
	var se *duck.SyntaxError
	if !errors.As(err, &se) {
		return fault.Wrap(err, "parse %s", n.File)
	}
	e := &fault.Error{File: n.File, Msg: strings.ReplaceAll(strings.TrimSpace(se.Msg), "\n", ". ")}
	if se.Offset >= 0 {
		e.Line, e.Col = lineCol(n.SQL, se.Offset)
		e.Hint = n.show(e.Line, e.Col)
	}
	if strings.Contains(se.Msg, "Only SELECT statements") {
		e.Msg = "is not a SELECT statement"
		e.Hint = "A model is one SELECT (or FROM, WITH, VALUES): Millrace makes the table or view from it."
		word := strings.ToLower(firstWord(n.SQL))
		if strings.Contains(strings.ToLower(n.SQL), "pivot") && word != "create" && word != "insert" {
			e.Msg = "holds a PIVOT whose values are not named"
			e.Hint = "Name them: `pivot t on kind in ('a', 'b') using sum(x)`; the columns of a relation must not depend on its rows."
		}
	}
	return e
}

// show renders the line with a caret below the column.
func (n *Node) show(line, col int) string {
	text := strings.ReplaceAll(lineAt(n.SQL, line), "\t", " ")
	if strings.TrimSpace(text) == "" {
		return ""
	}
	r := []rune(text)
	from := 0
	if len(r) > 110 { // a window around the place
		from = max(0, min(col-50, len(r)-110))
		r = r[from : from+110]
	}
	return fmt.Sprintf("Here:\n    %s\n    %s^", string(r), strings.Repeat(" ", max(col-1-from, 0)))
}

func firstWord(sql string) string {
	for _, line := range strings.Split(sql, "\n") {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "--") {
			return strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '(' || r == '\t' })[0]
		}
	}
	return ""
}

// secondStatement is the offset just after the first semicolon that is not inside a text, name or comment.
func secondStatement(sql string) int {
	off := 0
	for tok := range tokens(sql) {
		if tok.kind == ';' {
			off = tok.to
			break
		}
	}
	rest := sql[off:]
	return off + len(rest) - len(strings.TrimLeft(rest, " \t\r\n"))
}

// token is a lexical part of SQL: kind is 'c' comment, 's' space, ';', or 'w' for all else (texts and names whole).
type token struct {
	kind     byte
	from, to int
}

// tokens splits SQL just finely enough to tell code from comments, texts and quoted names.
func tokens(sql string) func(func(token) bool) {
	return func(yield func(token) bool) {
		for i := 0; i < len(sql); {
			j, kind := i+1, byte('w')
			switch c := sql[i]; {
			case c == ' ' || c == '\t' || c == '\n' || c == '\r':
				kind = 's'
				for j < len(sql) && strings.IndexByte(" \t\r\n", sql[j]) >= 0 {
					j++
				}
			case strings.HasPrefix(sql[i:], "--"):
				kind = 'c'
				for j < len(sql) && sql[j] != '\n' {
					j++
				}
			case strings.HasPrefix(sql[i:], "/*"):
				kind = 'c'
				depth := 1
				for j = i + 2; j < len(sql) && depth > 0; {
					switch {
					case strings.HasPrefix(sql[j:], "/*"):
						depth++
						j += 2
					case strings.HasPrefix(sql[j:], "*/"):
						depth--
						j += 2
					default:
						j++
					}
				}
			case c == '\'' || c == '"':
				for j < len(sql) {
					if sql[j] == c {
						if j+1 < len(sql) && sql[j+1] == c {
							j += 2
							continue
						}
						j++
						break
					}
					j++
				}
			case c == '$':
				if m := dollarRE.FindString(sql[i:]); m != "" {
					if k := strings.Index(sql[i+len(m):], m); k >= 0 {
						j = i + 2*len(m) + k
					}
				}
			case c == ';':
				kind = ';'
			case word(c):
				for j < len(sql) && word(sql[j]) {
					j++
				}
			}
			if !yield(token{kind, i, j}) {
				return
			}
			i = j
		}
	}
}

var dollarRE = regexp.MustCompile(`^\$[A-Za-z_]*\$`)

func word(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

// canonical is the statement without comments and with single blanks: what a fingerprint looks at.
func canonical(sql string) string {
	var b strings.Builder
	gap := false
	for t := range tokens(sql) {
		switch t.kind {
		case 's', 'c':
			gap = true
			continue
		case ';':
			continue
		}
		if gap && b.Len() > 0 {
			b.WriteByte(' ')
		}
		gap = false
		b.WriteString(sql[t.from:t.to])
	}
	return b.String()
}

// statement is the text without a closing semicolon, so that it can stand behind `create table ... as`. Offsets and
// lines stay as they are.
func statement(sql string) string {
	b := []byte(sql)
	for t := range tokens(sql) {
		if t.kind == ';' {
			b[t.from] = ' '
		}
	}
	return string(b)
}

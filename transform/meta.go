package transform

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"millrace/internal/config"
	"millrace/internal/duck"
	"millrace/internal/fault"
)

// Meta is the front matter of a SQL model: YAML in a leading block comment, or in a .yml file beside it.
type Meta struct {
	Materialized string                 `yaml:"materialized" enum:"table,view,incremental,snapshot,external,operator" default:"table" doc:"how the relation is kept: table (built anew when something it reads changed), view, incremental (new rows replace old ones with the same unique_key), snapshot (history of every change), external (Parquet files beside the build), operator (rows written by Go)"`
	Description  string                 `yaml:"description" doc:"what one row is, in a sentence"`
	Owner        string                 `yaml:"owner" doc:"who answers for it"`
	Tags         config.Strings         `yaml:"tags" doc:"words to select it by"`
	UniqueKey    config.Strings         `yaml:"unique_key" doc:"columns that identify a row"`
	Columns      config.Map[ColumnMeta] `yaml:"columns" doc:"the columns people use"`
	DataTests    []DataTest             `yaml:"data_tests" doc:"audits of the whole relation, run before it is published"`
	Severity     string                 `yaml:"severity" enum:"error,warn" default:"error" doc:"what a failing test does: error holds the relation back, warn is only reported"`
	WarnIf       string                 `yaml:"warn_if" doc:"for a test file: the condition on the number of failing rows that warns" example:">0"`
	ErrorIf      string                 `yaml:"error_if" doc:"for a test file: the condition on the number of failing rows that fails" example:">10"`
	DependsOn    config.Strings         `yaml:"depends_on" doc:"relations that parsing cannot see (a PIVOT without IN list)"`
	Operator     string                 `yaml:"operator" doc:"for materialized: operator, the name of the Go operator"`
	Options      config.Node            `yaml:"options" doc:"options of the operator"`
	UpdatedAt    string                 `yaml:"updated_at" doc:"for snapshot: the column that says when a row changed; without it all columns are compared"`
	Stateful     bool                   `yaml:"stateful" doc:"for incremental and operator: it keeps a memory that cannot be rebuilt, so it survives --full-refresh and changes of its text, and is kept as Parquet too (snapshots always are)"`
	HardDeletes  string                 `yaml:"hard_deletes" enum:"ignore,invalidate" default:"ignore" doc:"for snapshot: what happens to rows that are no longer there"`

	fromFile bool // stood in the SQL file itself
}

// ColumnMeta describes one column.
type ColumnMeta struct {
	Description string         `yaml:"description" doc:"what it holds, with its unit"`
	Type        string         `yaml:"type" doc:"DuckDB type; needed only where a model reads its own previous version"`
	PII         string         `yaml:"pii" enum:"email,phone,name,address,id,ip,free_text,none" doc:"kind of personal data; inherited from what the column is made of, none ends that"`
	Tags        config.Strings `yaml:"tags" doc:"words; operational leaves the column out of digests"`
	DataTests   []DataTest     `yaml:"data_tests" doc:"audits of this column"`
}

// DataTest is one audit of a relation or column: not_null, unique, unique_combination, accepted_values, relationships,
// accepted_range, expression, row_count, freshness, not_constant.
type DataTest struct {
	Kind   string
	Args   DataTestArgs
	Column string // set for column tests
	node   config.Node
}

// DataTestArgs are the arguments of a data test; each kind takes some of them, all take the last group.
type DataTestArgs struct {
	Values     []Literal      `yaml:"values" doc:"accepted_values: the allowed values"`
	To         string         `yaml:"to" doc:"relationships: the relation that must hold the value"`
	Field      string         `yaml:"field" doc:"relationships: its column"`
	Columns    config.Strings `yaml:"columns" doc:"unique_combination: the columns"`
	Column     string         `yaml:"column" doc:"freshness at relation level: the date or timestamp column"`
	Min        Literal        `yaml:"min" doc:"accepted_range, row_count: least allowed"`
	Max        Literal        `yaml:"max" doc:"accepted_range, row_count: greatest allowed"`
	Exclusive  bool           `yaml:"exclusive" doc:"accepted_range: the bounds themselves are not allowed"`
	Expression string         `yaml:"expression" doc:"expression: SQL that must be true for every row"`
	MaxAgeDays *int           `yaml:"max_age_days" doc:"freshness: days before meta.run.today that the newest value may lie"`

	Name        string `yaml:"name" doc:"a name of your own for the test"`
	Description string `yaml:"description" doc:"what it means when it fails"`
	Where       string `yaml:"where" doc:"SQL condition: only these rows are tested"`
	Severity    string `yaml:"severity" enum:"error,warn" doc:"overrides the model's severity"`
	WarnIf      string `yaml:"warn_if" doc:"condition on the number of failing rows" example:">0"`
	ErrorIf     string `yaml:"error_if" doc:"condition on the number of failing rows" example:">10"`
}

// Literal is a value of the front matter as a SQL literal: numbers and booleans as they stand, text quoted.
type Literal string

// UnmarshalConfig takes any scalar.
func (l *Literal) UnmarshalConfig(n config.Node) error {
	text, ok := n.Text()
	if !ok {
		return n.Fault("Write a number or a text.", "wants one value, found %s", n.Kind())
	}
	if n.Kind() == config.String {
		text = duck.Quote(text)
	}
	*l = Literal(text)
	return nil
}

// ConfigSchema is the JSON Schema of what UnmarshalConfig takes.
func (l *Literal) ConfigSchema() map[string]any {
	return map[string]any{"type": []any{"string", "number", "boolean"}}
}

// ConfigSchema is the JSON Schema of what UnmarshalConfig takes.
func (t *DataTest) ConfigSchema() map[string]any {
	words := make([]any, 0, len(testArgs()))
	args := map[string]any{}
	all, _ := config.Schema("", &DataTestArgs{})["properties"].(map[string]any)
	for _, k := range testKinds() {
		words = append(words, k)
		props := map[string]any{}
		for _, name := range append(slices.Clone(testArgs()[k]), commonArgs()...) {
			props[name] = all[name]
		}
		forms := []any{map[string]any{"type": []any{"object", "null"}, "properties": props, "additionalProperties": false}}
		switch k {
		case "expression":
			forms = append(forms, map[string]any{"type": "string"})
		case "accepted_values":
			forms = append(forms, map[string]any{"type": "array", "items": (*Literal)(nil).ConfigSchema()})
		}
		args[k] = map[string]any{"anyOf": forms}
	}
	return map[string]any{"anyOf": []any{
		map[string]any{"enum": words},
		map[string]any{"type": "object", "properties": args, "additionalProperties": false, "minProperties": 1, "maxProperties": 1},
	}}
}

// testArgs lists which arguments each kind of data test takes beside the common ones.
func testArgs() map[string][]string {
	return map[string][]string{
		"not_null":           nil,
		"unique":             nil,
		"unique_combination": {"columns"},
		"accepted_values":    {"values"},
		"relationships":      {"to", "field"},
		"accepted_range":     {"min", "max", "exclusive"},
		"expression":         {"expression"},
		"row_count":          {"min", "max"},
		"freshness":          {"column", "max_age_days"},
		"not_constant":       nil,
	}
}

// commonArgs are the arguments that every kind takes.
func commonArgs() []string {
	return []string{"name", "description", "where", "severity", "warn_if", "error_if"}
}

func testKinds() []string {
	var out []string
	for k := range testArgs() {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

var condRE = regexp.MustCompile(`^\s*(>=|<=|!=|<>|=|==|>|<)\s*(\d+)\s*$`)

// UnmarshalConfig takes a word (`unique`) or a mapping of one key to its arguments (`accepted_values: {values: [a]}`).
func (t *DataTest) UnmarshalConfig(n config.Node) error {
	t.node = n
	arg := n
	switch n.Kind() {
	case config.String:
		t.Kind, _ = n.Text()
	case config.Mapping:
		keys := n.Keys()
		if len(keys) != 1 {
			return n.Fault("Write `- unique` or `- accepted_values: {values: [a, b]}`: one test per list entry.", "a test is one key with its arguments, found %d keys", len(keys))
		}
		t.Kind, arg = keys[0], n.Get(keys[0])
	default:
		return n.Fault("Write `- unique` or `- accepted_values: {values: [a, b]}`.", "wants a test, found %s", n.Kind())
	}
	takes, ok := testArgs()[t.Kind]
	if !ok {
		return arg.KeyFault(fault.DidYouMean(t.Kind, testKinds()), "unknown test %q", t.Kind)
	}
	if n.Kind() == config.Mapping {
		switch {
		case t.Kind == "expression" && arg.Kind() == config.String:
			t.Args.Expression, _ = arg.Text()
		case t.Kind == "accepted_values" && arg.Kind() == config.List:
			if err := arg.Decode(&t.Args.Values); err != nil {
				return err
			}
		default:
			if err := arg.Decode(&t.Args); err != nil {
				return err
			}
			common := commonArgs()
			for _, k := range arg.Keys() {
				if !slices.Contains(takes, k) && !slices.Contains(common, k) {
					return arg.Get(k).KeyFault(fault.DidYouMean(k, append(slices.Clone(takes), common...)), "test %s takes no %q", t.Kind, k)
				}
			}
		}
	}
	return t.check(arg)
}

func (t *DataTest) check(n config.Node) error {
	need := func(ok bool, what string) error {
		if ok {
			return nil
		}
		return n.KeyFault("", "test %s needs %s", t.Kind, what)
	}
	a := t.Args
	var errs fault.List
	switch t.Kind {
	case "unique_combination":
		errs.Add(need(len(a.Columns) > 0, "columns"))
	case "accepted_values":
		errs.Add(need(len(a.Values) > 0, "values"))
	case "relationships":
		errs.Add(need(a.To != "" && a.Field != "", "to and field"))
	case "accepted_range":
		errs.Add(need(a.Min != "" || a.Max != "", "min or max"))
	case "row_count":
		errs.Add(need(a.Min != "" || a.Max != "", "min or max"))
		for _, v := range []Literal{a.Min, a.Max} {
			if _, err := strconv.ParseInt(string(v), 10, 64); v != "" && err != nil {
				errs.Add(n.KeyFault("", "row_count wants whole numbers, found %q", v))
			}
		}
	case "expression":
		errs.Add(need(a.Expression != "", "expression"))
	case "freshness":
		errs.Add(need(a.MaxAgeDays != nil, "max_age_days"))
	}
	errs.Add(checkCond(n, a.WarnIf, a.ErrorIf))
	return errs.Or()
}

func checkCond(n config.Node, conds ...string) error {
	for _, c := range conds {
		if c != "" && !condRE.MatchString(c) {
			return n.KeyFault("Write an operator and a number: \">10\", \"!= 0\".", "%q is not a condition on the number of failing rows", c)
		}
	}
	return nil
}

// CheckConfig holds the rules across keys.
func (m *Meta) CheckConfig(n config.Node) error {
	var errs fault.List
	switch m.Materialized {
	case "incremental", "snapshot":
		if len(m.UniqueKey) == 0 {
			errs.Add(n.Get("materialized").Fault("Add unique_key: the columns that identify a row.", "%s needs unique_key", m.Materialized))
		}
	case "operator":
		if m.Operator == "" {
			errs.Add(n.Get("materialized").Fault("Add operator: its name.", "operator names no operator"))
		}
	}
	if m.Operator != "" && m.Materialized != "operator" {
		errs.Add(n.Get("operator").KeyFault("Add materialized: operator.", "an operator needs materialized: operator, found %s", m.Materialized))
	}
	if m.Stateful && m.Materialized != "incremental" && m.Materialized != "operator" && m.Materialized != "snapshot" {
		errs.Add(n.Get("stateful").KeyFault("Remove it, or set materialized: incremental.", "a %s has no memory", m.Materialized))
	}
	if m.UpdatedAt != "" && m.Materialized != "snapshot" {
		errs.Add(n.Get("updated_at").KeyFault("Remove it, or set materialized: snapshot.", "updated_at belongs to snapshots"))
	}
	for _, e := range m.Columns.Entries() {
		for i := range e.Value.DataTests {
			if e.Value.DataTests[i].Kind == "unique_combination" || e.Value.DataTests[i].Kind == "row_count" {
				errs.Add(e.Value.DataTests[i].node.Fault("Move it to the model's own data_tests.", "%s is a test of the whole relation", e.Value.DataTests[i].Kind))
			}
		}
	}
	for _, t := range m.DataTests {
		if slices.Contains([]string{"not_null", "unique", "accepted_values", "relationships", "accepted_range", "not_constant"}, t.Kind) ||
			t.Kind == "freshness" && t.Args.Column == "" {
			errs.Add(t.node.Fault("Put it below columns: NAME: data_tests.", "%s is a test of a column", t.Kind))
		}
	}
	errs.Add(checkCond(n, m.WarnIf, m.ErrorIf))
	return errs.Or()
}

// tests lists all data tests of the relation, those of columns with their column.
func (m *Meta) tests() []DataTest {
	out := slices.Clone(m.DataTests)
	for _, e := range m.Columns.Entries() {
		for _, t := range e.Value.DataTests {
			t.Column = e.Key
			out = append(out, t)
		}
	}
	return out
}

const (
	fmOpen  = "/* ---"
	fmClose = "--- */"
)

// splitFrontMatter returns the YAML of a leading `/* --- ... --- */` comment, the line just before it begins, and the
// text with the comment blanked out, so that positions in the rest stay those of the file.
func splitFrontMatter(file, text string) (yaml string, offset int, body string, err error) {
	trimmed := strings.TrimLeft(text, " \t\r\n\ufeff")
	lead := len(text) - len(trimmed)
	if !strings.HasPrefix(trimmed, "/*") || !strings.HasPrefix(strings.TrimLeft(trimmed[2:], " \t"), "---") {
		return "", 0, blank(text, 0, lead), nil
	}
	start := lead + strings.Index(trimmed, "---") + 3
	line := 1 + strings.Count(text[:start], "\n")
	end := strings.Index(text[start:], fmClose)
	inner, after := "", 0
	// A comment inside SQL nests, so any further /* or */ ends the front matter early or late for DuckDB.
	if end >= 0 {
		inner, after = text[start:start+end], start+end+len(fmClose)
	}
	if end < 0 {
		if i := strings.Index(text[start:], "*/"); i >= 0 {
			l, c := lineCol(text, start+i)
			return "", 0, "", &fault.Error{File: file, Line: l, Col: c, Msg: "the front matter does not end with `--- */`", Hint: "Write `--- */` on a line of its own after the last key. A value that holds `*/`, such as a schedule, goes into " + sidecar(file) + "."}
		}
		return "", 0, "", &fault.Error{File: file, Line: line, Msg: "the front matter is not closed", Hint: "Write `--- */` on a line of its own after the last key."}
	}
	for _, mark := range []string{"*/", "/*"} {
		if i := strings.Index(inner, mark); i >= 0 {
			l, c := lineCol(text, start+i)
			what := "ends"
			if mark == "/*" {
				what = "opens"
			}
			return "", 0, "", &fault.Error{File: file, Line: l, Col: c, Value: strings.TrimSpace(lineAt(text, l)),
				Msg:  fmt.Sprintf("`%s` inside front matter %s a comment for SQL", mark, what),
				Hint: "Move this key to " + sidecar(file) + ", which holds front matter as a file of its own."}
		}
	}
	return inner, line - 1, blank(text, 0, after), nil
}

func sidecar(file string) string { return strings.TrimSuffix(file, ".sql") + ".yml" }

// blank replaces text[from:to] by spaces, keeping line ends and length.
func blank(text string, from, to int) string {
	b := []byte(text)
	for i := from; i < to; i++ {
		if b[i] != '\n' && b[i] != '\r' {
			b[i] = ' '
		}
	}
	return string(b)
}

// lineCol turns a byte offset into a 1-based line and a column that counts characters.
func lineCol(text string, off int) (int, int) {
	off = min(max(off, 0), len(text))
	line := 1 + strings.Count(text[:off], "\n")
	start := strings.LastIndexByte(text[:off], '\n') + 1
	return line, 1 + len([]rune(text[start:off]))
}

// lineAt is the text of a line without its end.
func lineAt(text string, line int) string {
	lines := strings.Split(text, "\n")
	if line < 1 || line > len(lines) {
		return ""
	}
	return strings.TrimRight(lines[line-1], "\r")
}

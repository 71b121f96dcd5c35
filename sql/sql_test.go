package sql_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"millrace/extract/connectors"
	"millrace/extract/landing"
	"millrace/extract/rest"
	"millrace/internal/fault"
	"millrace/sql"
	"millrace/transform"
	"millrace/transform/identity"
	"millrace/transform/lifetime"
)

var update = flag.Bool("update", false, "copy the built-in files that the example shares into the example")

// facing are the schemas that people read: every column there is described.
var facing = []string{"core", "identity", "features", "scores", "metrics", "segments", "quality", "activation", "ops"}

// streams are all catalogued streams, typed and empty, as in a project without a source.
func streams(t *testing.T) []transform.RawStream {
	t.Helper()
	names, err := fs.Glob(connectors.Files, "*.yml")
	if err != nil {
		t.Fatal(err)
	}
	var out []transform.RawStream
	for _, name := range names {
		src, err := fs.ReadFile(connectors.Files, name)
		if err != nil {
			t.Fatal(err)
		}
		api, err := rest.Load(name, src, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range api.Streams() {
			out = append(out, transform.RawStream{
				Schema: "raw_" + api.Name(), Name: s.Name, Source: api.Name(), Columns: s.Schema.Columns,
				Disposition: landing.Replace, PrimaryKey: s.Schema.PrimaryKey,
			})
		}
	}
	return out
}

// operators are those that the command wires.
func operators() map[string]transform.Operator {
	ops := identity.Operators(nil)
	maps.Copy(ops, lifetime.Operators())
	return ops
}

// load reads the built-in project as the engine does.
func load(t *testing.T, root string, raw []transform.RawStream) *transform.Graph {
	t.Helper()
	g, err := transform.Load(context.Background(), transform.LoadParams{
		FS: os.DirFS(root), Raw: raw, Given: given(), Operators: operators(), Functions: functions(t, os.DirFS(root)),
		Run: transform.Run{Project: "test", Target: "dev", TimeZone: time.UTC, Currency: "USD", Now: time.Date(2026, 3, 2, 6, 0, 0, 0, time.UTC)},
	})
	if err != nil {
		var list fault.List
		if errors.As(err, &list) {
			for _, e := range list {
				t.Error(e)
			}
			t.FailNow()
		}
		t.Fatal(err)
	}
	return g
}

// TestBuildsEmpty builds every relation over typed empty streams, with all audits: a project without a source has all of
// core and metrics.
func TestBuildsEmpty(t *testing.T) {
	g := load(t, "..", streams(t))
	res, err := transform.Build(context.Background(), params(t, g))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range res.Nodes {
		if n.Status != transform.StatusBuilt {
			t.Errorf("%s is %s: %v %s", n.Name, n.Status, n.Err, n.Message)
		}
	}
	for _, r := range res.Tests {
		if r.Status != transform.StatusPass {
			t.Errorf("%s: %s", r.ID, r.Message)
		}
	}
	t.Logf("%d relations, %d tests", len(res.Nodes), len(res.Tests))

	published, err := transform.Published(context.Background(), res.Path[:strings.Index(res.Path, "/warehouse")])
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range published.Relations {
		schema, _, _ := strings.Cut(name, ".")
		if !slices.Contains(facing, schema) {
			continue
		}
		for _, c := range r.Columns {
			if c.Description == "" && !strings.HasPrefix(c.Name, "_") {
				t.Errorf("%s: column %s has no description", name, c.Name)
			}
		}
	}
}

func params(t *testing.T, g *transform.Graph) transform.BuildParams {
	return transform.BuildParams{Graph: g, Dir: t.TempDir(), Threads: 2, KeepBuilds: 3, RunID: "test", Clock: time.Now, TempDir: t.TempDir()}
}

// TestFiles holds the house rules for SQL files.
func TestFiles(t *testing.T) {
	g := load(t, "..", streams(t))
	for _, name := range g.Relations() {
		n, _ := g.Node(name)
		if n.Kind != transform.KindModel {
			continue
		}
		if n.Meta.Description == "" {
			t.Errorf("%s: no description", n.File)
		}
		if n.Meta.Owner == "" {
			t.Errorf("%s: no owner", n.File)
		}
		for _, e := range n.Meta.Columns.Entries() {
			if e.Value.Description == "" {
				t.Errorf("%s: column %s has no description", n.File, e.Key)
			}
		}
		keyIsTested(t, n)
	}
	err := fs.WalkDir(sql.Files, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(p) != ".sql" {
			return err
		}
		text, err := fs.ReadFile(sql.Files, p)
		if err != nil {
			return err
		}
		for _, problem := range style(string(text)) {
			t.Errorf("sql/%s: %s", p, problem)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// keyIsTested wants a test of every declared key: unique and not_null for one column, unique_combination for several.
func keyIsTested(t *testing.T, n *transform.Node) {
	t.Helper()
	key := []string(n.Meta.UniqueKey)
	if len(key) == 0 {
		return
	}
	if len(key) > 1 {
		for _, dt := range n.Meta.DataTests {
			if dt.Kind == "unique_combination" && slices.Equal([]string(dt.Args.Columns), key) {
				return
			}
		}
		t.Errorf("%s: key %v has no unique_combination test", n.File, key)
		return
	}
	kinds := map[string]bool{}
	for _, e := range n.Meta.Columns.Entries() {
		if e.Key == key[0] {
			for _, dt := range e.Value.DataTests {
				kinds[dt.Kind] = true
			}
		}
	}
	if !kinds["unique"] || !kinds["not_null"] {
		t.Errorf("%s: key %s lacks a unique or a not_null test", n.File, key[0])
	}
}

var keywords = []string{
	"SELECT", "FROM", "WHERE", "GROUP", "ORDER", "BY", "HAVING", "QUALIFY", "WINDOW", "WITH", "RECURSIVE", "JOIN", "LEFT", "RIGHT", "INNER",
	"OUTER", "CROSS", "FULL", "ASOF", "ON", "USING", "AS", "AND", "OR", "NOT", "IN", "IS", "NULL", "CASE", "WHEN", "THEN", "ELSE", "END",
	"UNION", "ALL", "DISTINCT", "BETWEEN", "LIKE", "ILIKE", "FILTER", "OVER", "PARTITION", "ROWS", "LIMIT", "CAST", "COALESCE", "SUM", "COUNT",
	"MIN", "MAX", "ROUND", "INTERVAL", "DATE", "TRUE", "FALSE", "VALUES", "EXISTS", "LATERAL", "UNNEST", "DESC", "ASC",
}

var (
	cteRE   = regexp.MustCompile(`(?m)^(?:with (?:recursive )?|  )?([a-z_0-9]+) as \($`)
	badName = regexp.MustCompile(`^(?:[a-z]|[a-z]\d+|t\d*|cte\d*|tmp\d*|temp\d*|final|sub\d*|x\d*)$`)
)

// style finds what the house does not write: keywords in capitals, names that say nothing, several statements, tabs.
func style(text string) []string {
	var out []string
	words, rest := tokens(text)
	for _, w := range words {
		if slices.Contains(keywords, w) {
			out = append(out, fmt.Sprintf("keyword %s in capitals", w))
		}
	}
	if strings.Contains(rest, ";") {
		out = append(out, "more than one statement, or a semicolon that none needs")
	}
	if strings.Contains(text, "\t") {
		out = append(out, "a tab")
	}
	if !strings.HasSuffix(text, "\n") || strings.HasSuffix(text, "\n\n") {
		out = append(out, "does not end with one line end")
	}
	for _, m := range cteRE.FindAllStringSubmatch(rest, -1) {
		if badName.MatchString(m[1]) {
			out = append(out, fmt.Sprintf("CTE %s is not named for what it holds", m[1]))
		}
	}
	return out
}

// tokens gives the bare words of a statement, and the statement with comments, strings and quoted names blanked out.
func tokens(text string) (words []string, rest string) {
	b := []byte(text)
	for i := 0; i < len(b); {
		skip := 0
		switch {
		case b[i] == '\'' || b[i] == '"':
			end := strings.IndexByte(string(b[i+1:]), b[i])
			skip = end + 2
		case i+1 < len(b) && b[i] == '-' && b[i+1] == '-':
			skip = strings.IndexByte(string(b[i:]), '\n')
		case i+1 < len(b) && b[i] == '/' && b[i+1] == '*':
			skip = strings.Index(string(b[i:]), "*/") + 2
		}
		for j := i; j < i+skip && j < len(b); j++ {
			if b[j] != '\n' {
				b[j] = ' '
			}
		}
		i += max(skip, 1)
	}
	rest = string(b)
	return strings.FieldsFunc(rest, func(r rune) bool {
		return r != '_' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
	}), rest
}

// TestStyleFinds proves that the rules above can fail.
func TestStyleFinds(t *testing.T) {
	for text, want := range map[string]string{
		"SELECT 1\n":                             "keyword SELECT in capitals",
		"select 1; select 2\n":                   "more than one statement",
		"with a as (\n  select 1\n)\nfrom a\n":   "CTE a is not named",
		"with t1 as (\n  select 1\n)\nfrom t1\n": "CTE t1 is not named",
		"select 1":                               "does not end",
	} {
		if got := strings.Join(style(text), "; "); !strings.Contains(got, want) {
			t.Errorf("style(%q) = %q, want it to say %q", text, got, want)
		}
	}
	if got := style("/* SELECT; */\nselect 'FROM; x' as \"WHERE\" -- UNION\n"); len(got) > 0 {
		t.Errorf("comments, strings and quoted names are not style: %v", got)
	}
}

// exampleDir is the example that shares files with the built-in project.
const exampleDir = "../examples/crm-opportunities/sql"

// ownFiles are the example's own versions of built-in relations.
var ownFiles = []string{
	"core/accounts.sql", "core/as_of.sql", "core/event_days.sql", "core/opportunities.sql", "core/opportunity_segments.sql", "core/opportunity_stages.sql",
	"core/owners.sql", "core/products.sql", "metrics/kpi.sql", "quality/checks.sql", "quality/repair_summary.sql", "quality/repairs.sql",
	"seeds/kpi_definitions.csv", "seeds/targets.csv",
}

// TestExampleShares keeps the example's copies of built-in files equal to the built-in files. -update copies them.
func TestExampleShares(t *testing.T) {
	shared := 0
	err := fs.WalkDir(os.DirFS(exampleDir), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || slices.Contains(ownFiles, p) {
			return err
		}
		builtin, err := fs.ReadFile(sql.Files, p)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		shared++
		if *update {
			return os.WriteFile(path.Join(exampleDir, p), builtin, 0o644)
		}
		copied, err := os.ReadFile(path.Join(exampleDir, p))
		if err == nil && string(copied) != string(builtin) {
			t.Errorf("%s differs from the built-in file: run go test ./sql -run TestExampleShares -update, or list it in ownFiles", p)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if shared < 15 {
		t.Errorf("the example shares %d files with the built-in project, expected its KPIs at least", shared)
	}
}

package arch

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "millrace"

// handOff maps each hand-off package to its place in the flow; stage roots have the same order.
var (
	handOff = map[string]int{"extract/landing": 0, "transform/relation": 1, "models/decision": 2, "activate/receipt": 3}
	stage   = map[string]int{"extract": 0, "transform": 1, "models": 2, "activate": 3, "reports": 4}
)

// conformance and evaluation packages are test support of a stage: they may import its root, nothing imports them but tests.
var testSupport = map[string]bool{"extract/sourcetest": true, "activate/desttest": true}

type imported struct {
	pkg, path string
	file      string
	test      bool
}

// TestLayers parses every import of the module in-process (so the test cache sees the files) and applies the rule.
func TestLayers(t *testing.T) {
	all := imports(t, "../..")
	if len(all) < 20 {
		t.Fatalf("only %d imports found: the walk is broken", len(all))
	}
	for _, im := range all {
		if why := forbidden(im); why != "" {
			t.Errorf("%s: %s imports %s: %s", im.file, im.pkg, im.path, why)
		}
	}
}

// TestRuleBites shows that the rule refuses what it should refuse.
func TestRuleBites(t *testing.T) {
	for _, im := range []imported{
		{pkg: "extract/landing", path: "millrace/internal/fault"},
		{pkg: "extract/landing", path: "github.com/spf13/cobra"},
		{pkg: "internal/duck", path: "millrace/transform"},
		{pkg: "extract", path: "millrace/extract/file"},
		{pkg: "extract", path: "millrace/transform/relation"},
		{pkg: "transform", path: "millrace/extract"},
		{pkg: "extract/file", path: "millrace/extract/rest"},
		{pkg: "extract/file", path: "millrace/transform"},
		{pkg: "reports", path: "millrace/transform"},
		{pkg: "reports", path: "millrace/reports/html"},
		{pkg: "sql", path: "millrace/internal/fault"},
		{pkg: "transform", path: "github.com/duckdb/duckdb-go/v2"},
		{pkg: "extract/file", path: "millrace/extract/sourcetest"},
		{pkg: "activate", path: "millrace/cmd/millrace"},
	} {
		if forbidden(im) == "" {
			t.Errorf("%s may import %s, but must not", im.pkg, im.path)
		}
	}
	for _, im := range []imported{
		{pkg: "transform", path: "millrace/extract/landing"},
		{pkg: "reports", path: "millrace/activate/receipt"},
		{pkg: "extract/file", path: "millrace/extract"},
		{pkg: "internal/state", path: "millrace/activate/receipt"},
		{pkg: "internal/duck", path: "github.com/duckdb/duckdb-go/v2"},
		{pkg: "extract/file", path: "millrace/extract/sourcetest", test: true},
	} {
		if why := forbidden(im); why != "" {
			t.Errorf("%s may not import %s: %s", im.pkg, im.path, why)
		}
	}
}

func forbidden(im imported) string {
	pkg, path := im.pkg, im.path
	third := strings.Contains(strings.SplitN(path, "/", 2)[0], ".")
	ours := path == module || strings.HasPrefix(path, module+"/")
	to := strings.TrimPrefix(path, module+"/")

	if strings.HasPrefix(path, "github.com/duckdb/duckdb-go") && pkg != "internal/duck" {
		return "the DuckDB driver, and so cgo, belongs to internal/duck alone"
	}
	if pkg == "cmd/millrace" || strings.HasPrefix(pkg, "cmd/millrace/") && im.test || strings.HasPrefix(pkg, "examples/") {
		return ""
	}
	if strings.HasPrefix(to, "cmd/") && ours {
		return "cmd wires everything and is imported by nothing"
	}
	if im.test && (testSupport[to] || strings.HasPrefix(to, "internal/") || isStageOrBelow(to) && root(to) == root(pkg)) {
		return "" // a test may use plumbing, the conformance suites and its own stage
	}
	if testSupport[to] && ours {
		return "conformance suites are for tests"
	}
	if _, ok := handOff[pkg]; ok || pkg == "sql" {
		if third || ours && !im.test {
			return "hand-offs and sql import the standard library only"
		}
		return ""
	}
	if !ours {
		return ""
	}
	if strings.HasPrefix(pkg, "internal/") {
		if _, ok := handOff[to]; ok || strings.HasPrefix(to, "internal/") {
			return ""
		}
		return "internal packages serve every stage and import none"
	}
	if strings.HasPrefix(to, "internal/") {
		return ""
	}
	if n, ok := stage[pkg]; ok { // a stage root
		if m, ok := handOff[to]; ok {
			if m <= n {
				return ""
			}
			return "data flows one way: this hand-off belongs to a later stage"
		}
		return "a stage root imports internal packages and hand-offs only, never a stage or its own implementations"
	}
	if n, ok := stage[root(pkg)]; ok { // an implementation
		if to == root(pkg) {
			return ""
		}
		if m, ok := handOff[to]; ok {
			if m <= n {
				return ""
			}
			return "data flows one way: this hand-off belongs to a later stage"
		}
		if strings.HasPrefix(to, pkg+"/") || strings.HasPrefix(pkg, to+"/") {
			return "" // a part of the same implementation
		}
		return "an implementation imports its stage root, internal packages, hand-offs and its one SDK, never a sibling"
	}
	return "package is not part of the layout in docs/architecture.md"
}

func root(p string) string         { return strings.SplitN(p, "/", 2)[0] }
func isStageOrBelow(p string) bool { _, ok := stage[root(p)]; return ok }

func imports(t *testing.T, top string) []imported {
	t.Helper()
	var out []imported
	fset := token.NewFileSet()
	err := filepath.WalkDir(top, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			name := d.Name()
			if p != top && (strings.HasPrefix(name, ".") || name == "testdata" || name == "node_modules") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(p, ".go") {
			return nil
		}
		src, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(fset, p, src, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(top, filepath.Dir(p))
		if err != nil {
			return err
		}
		if dir == "." {
			return nil
		}
		for _, s := range f.Imports {
			path, err := strconv.Unquote(s.Path.Value)
			if err != nil {
				return err
			}
			out = append(out, imported{pkg: filepath.ToSlash(dir), path: path, file: p, test: strings.HasSuffix(p, "_test.go")})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

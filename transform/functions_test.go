package transform

import (
	"context"
	"strings"
	"testing"

	"millrace/internal/duck"
)

func shout(version string) []duck.Function {
	return []duck.Function{{Name: "shout", Version: version, Returns: duck.Varchar, Params: []duck.Param{{Name: "text", Type: duck.Varchar}}, Call: func(a []any) any {
		s, ok := a[0].(string)
		if !ok {
			return nil
		}
		return strings.ToUpper(s) + version
	}}}
}

func loadShout(f files, version string) (*Graph, error) {
	return Load(context.Background(), LoadParams{FS: f.fs(), Run: testRun(), Functions: shout(version)})
}

// Functions in Go run in builds, unit tests, audits and binding, and a new version of one rebuilds what calls it and nothing
// else.
func TestFunctions(t *testing.T) {
	f := files{
		"sql/seeds/words.csv":    "word\nhush\n",
		"sql/core/loud.sql":      "/* ---\nmaterialized: table\ncolumns:\n  word: {data_tests: [{expression: \"shout(word) is not null\"}]}\ndata_tests:\n  - expression: word = shout('hush')\n--- */\nselect shout(word) as word from seeds.words",
		"sql/core/loud.test.yml": "version: 1\nunit_tests:\n  - name: loud\n    given: [{input: seeds.words, rows: [{word: a}]}]\n    expect: {rows: [{word: A1}]}\n",
		"sql/core/quiet.sql":     "/* ---\nmaterialized: table\n--- */\nselect word from seeds.words",
		"sql/core/shown.sql":     "/* ---\nmaterialized: view\n--- */\nselect word from core.loud",
		"sql/tests/all.sql":      "select * from core.loud where word <> shout('hush')",
	}
	dir := t.TempDir()
	statuses := func(version string) map[string]Status {
		t.Helper()
		g, err := loadShout(f, version)
		if err != nil {
			t.Fatal(err)
		}
		bound, err := Bind(context.Background(), g)
		if err != nil || bound.Err(g) != nil {
			t.Fatal(err, bound.Err(g))
		}
		res := build(t, dir, g)
		out := map[string]Status{}
		for _, n := range res.Nodes {
			out[n.Name] = n.Status
			if n.Err != nil {
				t.Errorf("%s: %v", n.Name, n.Err)
			}
		}
		for _, r := range res.Tests {
			out[r.ID] = r.Status
			if r.Carried {
				out[r.ID] = "carried"
			}
		}
		return out
	}
	got := statuses("1")
	for name, s := range got {
		if s != StatusBuilt && s != StatusPass {
			t.Errorf("%s is %s", name, s)
		}
	}
	// The view is read by a process that knows no function.
	if r := rows(t, dir, "select word from core.shown"); len(r) != 1 || r[0] != "HUSH1" {
		t.Errorf("the view shows %v", r)
	}
	if got = statuses("1"); got["core.loud"] != StatusUnchanged {
		t.Errorf("the same version was built again: %v", got)
	}
	f["sql/core/loud.test.yml"] = strings.Replace(f["sql/core/loud.test.yml"], "A1", "A2", 1)
	got = statuses("2")
	if got["core.loud"] != StatusBuilt || got["core.quiet"] != StatusUnchanged {
		t.Errorf("after a new version of the function: %v", got)
	}
	if r := rows(t, dir, "select word from core.shown"); r[0] != "HUSH2" {
		t.Errorf("the view shows %v", r)
	}
}

func TestFunctionsInViews(t *testing.T) {
	_, err := loadShout(files{"sql/core/loud.sql": "/* ---\nmaterialized: view\n--- */\nselect\n  1 as one,\n  SHOUT('a') as word"}, "1")
	if err == nil {
		t.Fatal("a view with a function in Go was accepted")
	}
	for _, part := range []string{"sql/core/loud.sql:6:3", "shout()", "materialized: table"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the message lacks %q: %v", part, err)
		}
	}
	if _, err := Load(context.Background(), LoadParams{FS: files{}.fs(), Run: testRun(), Functions: append(shout("1"), shout("1")...)}); err == nil {
		t.Error("two functions of one name were accepted")
	}
}

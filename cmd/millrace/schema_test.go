package main

import (
	"encoding/json"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"millrace/internal/config"
	"millrace/sql"
)

func compileSchema(t *testing.T, m map[string]any) *jsonschema.Schema {
	t.Helper()
	raw, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(raw)))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("mem:///schema", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("mem:///schema")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// editorView is YAML as an editor's schema support sees it: variables not replaced.
func editorView(t *testing.T, name, src string) any {
	t.Helper()
	n, err := config.Parse(name, []byte(src), config.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := n.Decode(&v); err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(raw)))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

var frontMatter = regexp.MustCompile(`(?s)^\s*/\* ---\n(.*?)\n--- \*/`)

// TestShippedFilesFitTheirSchemas: an editor marks nothing in any file that we ship, and marks a mistake in each kind.
func TestShippedFilesFitTheirSchemas(t *testing.T) {
	schemas := map[string]*jsonschema.Schema{}
	for _, k := range schemaKinds() {
		schemas[k.name] = compileSchema(t, k.make())
	}
	checked := map[string]int{}
	check := func(name, src string) {
		kind := ""
		switch ext := path.Ext(name); {
		case name == "millrace.yml":
			kind = "project"
			src = strings.NewReplacer("__NAME__", "x", "__TIME_ZONE__", "UTC", "__CURRENCY__", "USD").Replace(src)
		case strings.HasPrefix(name, "extract/") && ext == ".yml":
			kind = "source"
		case strings.HasPrefix(name, "reports/") && ext == ".yml":
			kind = "report"
		case strings.HasSuffix(name, ".test.yml"):
			kind = "unit-test"
		case strings.HasPrefix(name, "sql/") && ext == ".sql":
			m := frontMatter.FindStringSubmatch(src)
			if m == nil {
				return
			}
			kind, src = "sql", m[1]
		}
		if kind == "" {
			return
		}
		checked[kind]++
		doc := editorView(t, name, src)
		if err := schemas[kind].Validate(doc); err != nil {
			t.Errorf("%s does not fit the schema %s: %v", name, kind, err)
		}
		if m, ok := doc.(map[string]any); ok {
			m["no_such_key"] = true
			if schemas[kind].Validate(m) == nil {
				t.Errorf("the schema %s takes an unknown key in %s", kind, name)
			}
		}
	}
	for prefix, fsys := range map[string]fs.FS{"": os.DirFS("../../examples/crm-opportunities"), "sql/": sql.Files, "base": builtinFS} {
		root, cut := ".", ""
		if prefix == "base" {
			prefix, root, cut = "", "builtin/base", "builtin/base/"
		}
		err := fs.WalkDir(fsys, root, func(p string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() && strings.HasPrefix(d.Name(), ".") && p != "." {
				return fs.SkipDir
			}
			if d.IsDir() {
				return nil
			}
			src, err := fs.ReadFile(fsys, p)
			if err == nil {
				check(prefix+strings.TrimPrefix(p, cut), string(src))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if checked["project"] < 2 || checked["source"] < 1 || checked["sql"] < 20 {
		t.Errorf("too few files were checked: %v", checked)
	}
}

// TestSourceSchemaChoosesByConnector: the schema for any source refuses what the named connector does not know.
func TestSourceSchemaChoosesByConnector(t *testing.T) {
	s := compileSchema(t, sourceSchema())
	for src, ok := range map[string]bool{
		"version: 1\nconnector: file\nconfig: {path: data}\nstreams: {a: {delimiter: ';', primary_key: id}}\n": true,
		"version: 1\nconnector: file\n":                                         true,
		"version: 1\nconnector: fil\n":                                          false,
		"version: 1\nconnector: file\nconfig: {pth: data}\n":                    false,
		"version: 1\nconnector: file\nstreams: {a: {delimeter: ';'}}\n":         false,
		"version: 1\nconnector: file\nstreams: {a: {write_disposition: upd}}\n": false,
		"connector: file\n":                                                     false,
	} {
		if err := s.Validate(editorView(t, "s.yml", src)); (err == nil) != ok {
			t.Errorf("%q: %v", src, err)
		}
	}
}

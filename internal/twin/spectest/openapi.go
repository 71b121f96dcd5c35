// Package spectest validates requests and answers against the specifications that vendors publish: OpenAPI and Swagger
// documents, and protos by their JSON mapping. It is for tests only.
package spectest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Dir is a folder of the vendors' published specifications. They are not part of the repository: where they are not
// beside it, the test is skipped.
func Dir(t testing.TB, parts ...string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for up := dir; ; up = filepath.Dir(up) { // the module's root has the folder beside it
		if _, err := os.Stat(filepath.Join(up, "go.mod")); err == nil {
			dir = filepath.Join(filepath.Dir(up), "shared", "specs", filepath.Join(parts...))
			break
		}
		if up == filepath.Dir(up) {
			break
		}
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("the vendors' specifications are not here: %v", err)
	}
	return dir
}

// Document reads an OpenAPI or Swagger file as a JSON Schema document: nullable becomes a type, vendors' additions and
// closed objects (they add fields without a new version) fall away.
func Document(t testing.TB, path string) any {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.HasSuffix(path, ".yaml") || strings.HasSuffix(path, ".yml") {
		if raw, err = yaml.YAMLToJSON(raw); err != nil {
			t.Fatal(err)
		}
	}
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(string(raw)))
	if err != nil {
		t.Fatal(err)
	}
	return schemaOf(v)
}

func schemaOf(v any) any {
	switch x := v.(type) {
	case []any:
		for i := range x {
			x[i] = schemaOf(x[i])
		}
	case map[string]any:
		for k := range x {
			_, object := x[k].(map[string]any)
			if strings.HasPrefix(k, "x-") || k == "example" || k == "default" && !object || k == "discriminator" || k == "description" && isText(x[k]) {
				delete(x, k)
			}
		}
		if x["additionalProperties"] == false {
			delete(x, "additionalProperties")
		}
		if many, ok := x["items"].([]any); ok && x["type"] == nil { // Slack's spelling of "one of"
			delete(x, "items")
			x["anyOf"] = many
		}
		if x["nullable"] == true {
			delete(x, "nullable")
			inner := map[string]any{}
			for k, e := range x {
				inner[k] = e
				delete(x, k)
			}
			x["anyOf"] = []any{inner, map[string]any{"type": "null"}}
		}
		for k := range x {
			x[k] = schemaOf(x[k])
		}
	}
	return v
}

func isText(v any) bool { _, ok := v.(string); return ok }

// Checker validates values against parts of one document.
type Checker struct{ c *jsonschema.Compiler }

// Open makes a checker over a document.
func Open(t testing.TB, doc any) *Checker {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft4)
	if err := c.AddResource("spec.json", doc); err != nil {
		t.Fatal(err)
	}
	return &Checker{c}
}

// Valid fails the test when v does not fit the schema at a JSON pointer of the document.
func (c *Checker) Valid(t testing.TB, what, pointer string, v any) {
	t.Helper()
	s, err := c.c.Compile("spec.json#" + pointer)
	if err != nil {
		t.Fatalf("%s: %v", pointer, err)
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	again, err := jsonschema.UnmarshalJSON(strings.NewReader(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(again); err != nil {
		t.Errorf("%s against %s: %v\n%.600s", what, pointer, err, b)
	}
}

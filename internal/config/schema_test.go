package config

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

func compile(t *testing.T, outs ...any) *jsonschema.Schema {
	t.Helper()
	raw, err := json.Marshal(Schema("sample", outs...))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(raw)))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("mem:///s.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("mem:///s.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// asEditor is the document as an editor sees it: variables not replaced.
func asEditor(t *testing.T, name string, src []byte) (any, bool) {
	t.Helper()
	n, err := Parse(name, src, ParseOptions{})
	if err != nil {
		return nil, false
	}
	var v any
	if err := n.Decode(&v); err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, false // .inf and .nan have no JSON
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(raw)))
	if err != nil {
		t.Fatal(err)
	}
	return doc, true
}

// TestSchemaAgreesOnFiles: what the decoder takes, an editor does not mark; what it refuses, an editor marks, except
// files named *.late.bad.yml, whose problem only shows when the value is used (a variable, a time zone, a schedule).
func TestSchemaAgreesOnFiles(t *testing.T) {
	s := compile(t, &sample{})
	files, err := filepath.Glob("testdata/*.yml")
	if err != nil {
		t.Fatal(err)
	}
	good, bad := 0, 0
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		doc, ok := asEditor(t, f, src)
		if !ok {
			continue // not YAML: the editor says so without a schema
		}
		err = s.Validate(doc)
		late := strings.HasSuffix(f, ".late.bad.yml")
		switch isBad := strings.HasSuffix(f, ".bad.yml"); {
		case isBad && !late:
			if bad++; err == nil {
				t.Errorf("%s: the schema takes what the decoder refuses", f)
			}
		default:
			if good++; err != nil {
				t.Errorf("%s: %v", f, err)
			}
		}
	}
	if good < 3 || bad < 8 {
		t.Errorf("only %d good and %d bad files were compared", good, bad)
	}
}

// TestSchemaAgreesOnValues gives every value to every key and compares the two verdicts.
func TestSchemaAgreesOnValues(t *testing.T) {
	s := compile(t, &sample{})
	values := []string{
		"", "null", "true", "1", "0", "-1", "7", "3.0", "2.5", "300", "1e3", "99999999999999999999999", `""`, `"1"`, `"true"`, "text", "yes",
		"append", "merge", "evolve", "90s", "7d", `"5"`, "2GB", "12XB", "[]", "[a]", "[1, 2]", "[a, '']", "[a, null]", "[[a]]", "[0]", "{}", "{a: b}", "{a: 1}", "{a: }",
		"{columns: freeze}", "{columns: frieze}", "{x: {columns: freeze}}", "{x: freeze}", "{x: 1}", "[{if: a}]", "[{if: a, then: [{if: ''}]}]", "[{if: a, then: [{if: b}]}]", "[{}]",
	}
	var keys []string
	props := Schema("", &sample{})["properties"].(map[string]any)
	for k := range props {
		keys = append(keys, k)
	}
	compared := 0
	for _, k := range keys {
		for _, v := range values {
			src := k + ": " + v + "\n"
			for _, r := range []string{"version", "name"} {
				if k != r {
					src += r + ": " + map[string]string{"version": "1", "name": "x"}[r] + "\n"
				}
			}
			n, err := Parse("v.yml", []byte(src), ParseOptions{Env: testEnv})
			if err != nil {
				t.Fatalf("%q: %v", src, err)
			}
			derr := n.Decode(&sample{})
			doc, ok := asEditor(t, "v.yml", []byte(src))
			if !ok {
				t.Fatalf("%q has no JSON", src)
			}
			serr := s.Validate(doc)
			compared++
			if (derr == nil) == (serr == nil) {
				continue
			}
			// A text of any content is well-formed for these two; whether it means something is known to the decoder alone.
			if serr == nil && (k == "zone" || k == "schedule") && strings.Count(derr.Error(), "\n") == 0 {
				continue
			}
			t.Errorf("%s: %s\n  decoder: %v\n  schema:  %v", k, v, derr, serr)
		}
	}
	if compared < 900 {
		t.Errorf("only %d values compared", compared)
	}
}

func TestSchemaSays(t *testing.T) {
	raw, err := json.Marshal(Schema("Title", &sample{}))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"$schema":"https://json-schema.org/draft/2020-12/schema"`, `"title":"Title"`, `"The name of it."`, `"additionalProperties":false`,
		`"required":["version","name"]`, `"default":"10s"`, `"default":100`, `"default":["a","b"]`, `"enum":["append","merge"]`} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("the schema lacks %s", want)
		}
	}
	// Two structs give the union of their keys.
	type a struct {
		X string `yaml:"x" required:"true"`
	}
	type b struct {
		Y int `yaml:"y"`
	}
	s := compile(t, &a{}, nil, &b{})
	for src, ok := range map[string]bool{"x: k\ny: 2": true, "y: 2": false, "x: k\nz: 1": false} {
		doc, _ := asEditor(t, "u.yml", []byte(src))
		if err := s.Validate(doc); (err == nil) != ok {
			t.Errorf("%q: %v", src, err)
		}
	}
}

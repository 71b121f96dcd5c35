package rest_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"millrace/extract/connectors"
	"millrace/extract/rest"
	"millrace/internal/config"
)

// Every built-in connector loads, and describes what people and SQL will use.
func TestBuiltInConnectors(t *testing.T) {
	files, err := fs.Glob(connectors.Files, "*.yml")
	if err != nil || len(files) < 4 {
		t.Fatalf("%v %v", files, err)
	}
	for _, f := range files {
		src, err := connectors.Files.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		api, err := rest.Load(f, src, nil)
		if err != nil {
			t.Errorf("%v", err)
			continue
		}
		if api.Name()+".yml" != f {
			t.Errorf("%s holds connector %s", f, api.Name())
		}
		for _, s := range api.Streams() {
			if len(s.Schema.PrimaryKey) == 0 || len(s.Schema.Columns) < 3 {
				t.Errorf("%s.%s: no key or hardly any columns", api.Name(), s.Name)
			}
			for _, c := range s.Schema.Columns {
				if strings.Contains(c.Name, "email") && c.Type == "VARCHAR" && c.PII == "" {
					t.Errorf("%s.%s.%s: no personal-data tag", api.Name(), s.Name, c.Name)
				}
			}
		}
	}
}

func TestCatalog(t *testing.T) {
	list, err := rest.Catalog(connectors.Files, rest.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range list {
		specs, err := c.Streams()
		if err != nil || len(specs) == 0 || c.Summary == "" || c.Options() == nil {
			t.Errorf("%s: %d streams, summary %q, %v", c.Name, len(specs), c.Summary, err)
		}
		schema := config.Schema(c.Name, c.Options())
		if len(schema["properties"].(map[string]any)) < 6 {
			t.Errorf("%s: the editor's schema lacks the parameters", c.Name)
		}
	}
}

func TestProjectConnectors(t *testing.T) {
	dir := t.TempDir()
	if own, err := rest.Project(dir, nil); err != nil || len(own) != 0 {
		t.Fatalf("%v %v", own, err)
	}
	folder := filepath.Join(dir, filepath.FromSlash(rest.ProjectDir))
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("intent.yml", strings.ReplaceAll(head, "BASE", "https://api.example.com")+"resources:\n  visits: {endpoint: {path: /visits}, paginator: {type: single_page}, columns: {id: BIGINT}}\n")
	own, err := rest.Project(dir, nil)
	if err != nil || len(own) != 1 || own[0].Name() != "crm" {
		t.Fatalf("%v %v", own, err)
	}
	write("broken.yml", "connector: x\nsumary: y\n")
	_, err = rest.Project(dir, nil)
	wantError(t, err, "", "extract/connectors/broken.yml:2:1: sumary: unknown key. Did you mean \"summary\"?")
}

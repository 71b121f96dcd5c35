package project

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"millrace/extract/landing"
	"millrace/internal/config"
	"millrace/internal/fault"
)

var update = flag.Bool("update", false, "rewrite the expected messages")

func write(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, body := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(body), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestBadProjects pins every message of testdata/bad/*.txtar: project files, and in `want` what a person reads. A file
// `args` holds the target.
func TestBadProjects(t *testing.T) {
	archives, err := filepath.Glob("testdata/bad/*.txtar")
	if err != nil || len(archives) < 8 {
		t.Fatalf("only %d archives: %v", len(archives), err)
	}
	for _, name := range archives {
		t.Run(filepath.Base(name), func(t *testing.T) {
			ar, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			dir, files, want := t.TempDir(), map[string]string{}, -1
			o := Options{Environ: []string{"SECRET=hunter2"}}
			for i, f := range ar.Files {
				switch f.Name {
				case "want":
					want = i
				case "target":
					o.Target = strings.TrimSpace(string(f.Data))
				case "vars":
					k, v, _ := strings.Cut(strings.TrimSpace(string(f.Data)), "=")
					o.Vars = map[string]string{k: v}
				default:
					files[f.Name] = string(f.Data)
				}
			}
			write(t, dir, files)
			_, err = Load(dir, o)
			if err == nil {
				t.Fatal("loaded")
			}
			got := strings.ReplaceAll(err.Error(), dir, "DIR") + "\n"
			if strings.Contains(got, "hunter2") {
				t.Errorf("a secret is in the message: %s", got)
			}
			if want < 0 {
				ar.Files, want = append(ar.Files, txtar.File{Name: "want"}), len(ar.Files)
			}
			if *update {
				ar.Files[want].Data = []byte(got)
				if err := os.WriteFile(name, txtar.Format(ar), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if d := cmp.Diff(string(ar.Files[want].Data), got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"millrace.yml": `version: 1
time_zone: Europe/Berlin
currency: EUR
schedule: "0 2 * * *"
limits: {threads: 4, memory: 1GB}
vars: {a: project, b: project, c: project}
targets:
  staging:
    threads: 2
    vars: {b: target, c: target}
`,
		".env": "FROM_DOTENV=dotenv\nBOTH=dotenv\n",
		"extract/CRM Export.yml": `version: 1
connector: file
config: {path: "${FROM_DOTENV}/${BOTH}/${NOPE:default}"}
streams:
  Sales Pipeline:
    primary_key: Opportunity ID
    write_disposition: merge
    schema_contract: freeze
    columns:
      Opportunity ID: text
      close_value: {type: numeric(10), required: true, description: what it brought}
      e-mail: {pii: email}
  "../accounts":
  a: {enabled: false}
`,
		"extract/off.yml":          "version: 1\nsource: switched_off\nconnector: hubspot\nenabled: false\nconfig: {token: \"${NOT_SET_ANYWHERE}\"}\n",
		"extract/.hidden.yml":      "nonsense: [",
		"extract/crm.yml~":         "nonsense: [",
		"extract/README.md":        "notes",
		"extract/connectors/x.yml": "any: thing\n",
		"models/routing.yaml":      "version: 1\nrules: []\n",
		"reports/weekly.yml":       "version: 1\n",
		"reports/monthly.md":       "---\nversion: 1\ntitle: ${BOTH}\n---\n# Body\nmore\n",
		"reports/plain.md":         "no front matter\n",
	})
	p, err := Load(dir, Options{Target: "staging", Environ: []string{"BOTH=real", "MILLRACE_TARGET=prod"}, Vars: map[string]string{"c": "flag"}})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range p.Sources {
		names = append(names, s.Name+" "+s.Path)
	}
	if d := cmp.Diff([]string{"crm_export extract/CRM Export.yml", "switched_off extract/off.yml"}, names); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(map[string]any{"a": "project", "b": "target", "c": "flag"}, p.Vars); d != "" {
		t.Error(d)
	}
	if p.Settings.Threads != 2 || p.Settings.Memory != 1e9 || p.Location().String() != "Europe/Berlin" || p.File.Currency != "EUR" ||
		p.File.Limits.BuildsKept != 3 || p.File.Name != filepath.Base(dir) {
		t.Errorf("%+v %+v", p.Settings, p.File)
	}
	if d := cmp.Diff([]string{"dev", "prod", "staging"}, p.TargetNames()); d != "" {
		t.Error(d)
	}
	var cfg struct {
		Path string `yaml:"path"`
	}
	crm := p.Sources[0]
	if err := crm.Config.Decode(&cfg); err != nil || cfg.Path != "dotenv/real/default" {
		t.Errorf("%q %v", cfg.Path, err)
	}
	var streams []string
	for _, s := range crm.Streams {
		streams = append(streams, s.Name+"="+s.Original)
	}
	if d := cmp.Diff([]string{"sales_pipeline=Sales Pipeline", "accounts=../accounts", "a=a"}, streams); d != "" {
		t.Error(d)
	}
	var sc StreamConfig
	if err := crm.Streams[0].Node.Decode(&sc); err != nil {
		t.Fatal(err)
	}
	want := landing.Schema{PrimaryKey: []string{"opportunity_id"}, Columns: []landing.Column{
		{Name: "opportunity_id", Original: "Opportunity ID", Type: landing.Varchar, Declared: true},
		{Name: "close_value", Type: landing.Decimal(10, 0), Declared: true, Required: true, Description: "what it brought"},
		{Name: "e_mail", Original: "e-mail", Declared: true, PII: "email"},
	}}
	if d := cmp.Diff(want, sc.Schema()); d != "" {
		t.Error(d)
	}
	if sc.Contract != (Contract{"freeze", "freeze"}) || !sc.Enabled {
		t.Errorf("%+v", sc)
	}
	if len(p.Models) != 1 || p.Models[0].Path != "models/routing.yaml" || len(p.Reports) != 3 {
		t.Errorf("%d models, %d reports", len(p.Models), len(p.Reports))
	}
	monthly := p.Reports[0]
	if title, _ := monthly.Node.Get("title").Text(); title != "real" || monthly.Body != "# Body\nmore\n" || monthly.BodyLine != 5 {
		t.Errorf("%q %+v", title, monthly)
	}
	for got, want := range map[string]string{
		p.RawDir(): "raw", p.WarehouseDir(): "warehouse", p.StateFile(): "state.db", p.LogDir(): "logs", p.ArtifactDir(): "target", p.LockFile(): "lock"} {
		if got != filepath.Join(dir, ".millrace", "staging", want) {
			t.Errorf("%s is at %s", want, got)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, ".millrace")); !errors.Is(err, os.ErrNotExist) {
		t.Error("Load wrote something")
	}
	if _, err := p.Source("crm_exprt"); err == nil || !strings.Contains(err.Error(), `"crm_export"`) {
		t.Errorf("%v", err)
	}
	// MILLRACE_TARGET counts when there is no flag; dev is the default.
	for env, want := range map[string]string{"MILLRACE_TARGET=prod": "prod", "X=1": "dev"} {
		if p, err := Load(dir, Options{Environ: []string{env}}); err != nil || p.Target != want {
			t.Errorf("%s: %v %v", env, p, err)
		}
	}
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"millrace.yml": "version: 1\n", "sql/core/x.sql": ""})
	got, err := Find(filepath.Join(dir, "sql", "core"))
	if err != nil || got != dir {
		t.Errorf("%s %v", got, err)
	}
	_, err = Find(t.TempDir())
	if err == nil || !strings.Contains(err.Error(), "millrace init") || fault.ExitCode(err) != fault.ExitUsage {
		t.Errorf("%v", err)
	}
	if _, err := Load(t.TempDir(), Options{}); err == nil || !strings.Contains(err.Error(), "millrace init") {
		t.Errorf("%v", err)
	}
}

func TestSlugNeverLeavesTheFolder(t *testing.T) {
	for _, s := range []string{"../x", "..", "/etc/passwd", "a/b", `a\b`, "", " ", ".", "~", "Ünïcode", "日本", strings.Repeat("long ", 40), "C:", "a\x00b"} {
		got, err := Slug(s)
		if err == nil && !ValidName(got) {
			t.Errorf("%q became %q", s, got)
		}
		if strings.Trim(s, "./\\ ~") == "" && err == nil {
			t.Errorf("%q became %q: nothing of it can be recognised", s, got)
		}
	}
}

// TestSchemas: the schemas compile, and the project above fits them as it fits the decoder.
func TestSchemas(t *testing.T) {
	type opts struct {
		Path string `yaml:"path" required:"true"`
	}
	type stream struct {
		Sheet string `yaml:"sheet"`
	}
	good := "version: 1\nconnector: file\nconfig: {path: x}\nstreams:\n  a:\n  b: {sheet: s, schema_contract: freeze, columns: {id: bigint, v: {type: \"DECIMAL(18,4)\", pii: email}}}\n"
	for _, c := range []struct {
		name   string
		schema map[string]any
		doc    string
		ok     bool
	}{
		{"project", Schema(), "version: 1\ntargets: {dev: , staging: {threads: 2}}\nlimits: {memory: 2GB}\nalerts: {on_failure: [mail, me]}\n", true},
		{"project, wrong key", Schema(), "version: 1\nlimits: {memori: 2GB}\n", false},
		{"project, no version", Schema(), "name: x\n", false},
		{"source", SourceSchema("file", &opts{}, &stream{}), good, true},
		{"source without streams", SourceSchema("file", &opts{}, nil), "version: 1\nconnector: file\nconfig: {path: x}\n", true},
		{"source, wrong connector", SourceSchema("rest", &opts{}, &stream{}), good, false},
		{"source, stream key", SourceSchema("file", &opts{}, &stream{}), strings.Replace(good, "sheet: s", "shet: s", 1), false},
		{"source, column type", SourceSchema("file", &opts{}, &stream{}), strings.Replace(good, "bigint", "bgint", 1), false},
		{"source, config", SourceSchema("file", &opts{}, &stream{}), strings.Replace(good, "path: x", "pth: x", 1), false},
	} {
		raw, err := json.Marshal(c.schema)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(raw)))
		if err != nil {
			t.Fatal(err)
		}
		comp := jsonschema.NewCompiler()
		if err := comp.AddResource("mem:///s", doc); err != nil {
			t.Fatal(err)
		}
		s, err := comp.Compile("mem:///s")
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		n, err := config.Parse("d.yml", []byte(c.doc), config.ParseOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var v any
		if err := n.Decode(&v); err != nil {
			t.Fatal(err)
		}
		raw, err = json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		inst, err := jsonschema.UnmarshalJSON(strings.NewReader(string(raw)))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(inst); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestColumnTypesAgree: the schema's pattern and the landing's parser take the same types.
func TestColumnTypesAgree(t *testing.T) {
	var ct ColumnType
	pattern := ct.ConfigSchema()
	c := jsonschema.NewCompiler()
	raw, err := json.Marshal(pattern)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(raw)))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.AddResource("mem:///t", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("mem:///t")
	if err != nil {
		t.Fatal(err)
	}
	for _, typ := range []string{"VARCHAR", "Text", "string", "BIGINT", "int", "Integer", "int64", "long", "double", "FLOAT", "float64", "real", "bool", "Boolean", "date", "datetime",
		"timestamp", "json", "object", "decimal", "numeric", "money", "DECIMAL(18,4)", "decimal( 10 , 2 )", "numeric(10)", "varchr", "tinyint", "decimal(", "decimal(a,b)", "interval", "", "varchar(10)", "decimal(1,2,3)"} {
		perr := ct.UnmarshalText([]byte(typ))
		if serr := s.Validate(typ); (perr == nil) != (serr == nil) {
			t.Errorf("%q: parser %v, schema %v", typ, perr, serr)
		}
	}
}

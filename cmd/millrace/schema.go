package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"sort"

	"github.com/spf13/cobra"

	"millrace/activate"
	"millrace/activate/httpdest"
	"millrace/internal/atomicfile"
	"millrace/internal/console"
	"millrace/internal/fault"
	"millrace/internal/project"
	"millrace/models"
	"millrace/transform"
)

// schemaKind is one kind of file that people write.
type schemaKind struct {
	name    string
	files   string // which files, as a glob of the project
	summary string
	make    func() map[string]any
}

// schemaKinds lists every kind of file; a connector brings one of its own.
func schemaKinds() []schemaKind {
	kinds := []schemaKind{
		{"project", project.FileName, "the project's settings", project.Schema},
		{"source", "extract/*.yml", "a source, whatever its connector", sourceSchema},
		{"sql", "sql/**/*.sql", "the front matter of a SQL model, and a .yml beside it", transform.ModelSchema},
		{"unit-test", "sql/**/*.test.yml", "unit tests of SQL models on given rows", transform.UnitSchema},
		{"policy", "models/*.yml", "a policy", models.Schema},
		{"sync", "activate/*.yml", "a sync", func() map[string]any { return activate.Schema(destinations()) }},
		{"destination", "activate/connectors/*.yml", "a destination of your own, declared in a file", httpdest.FileSchema},
		{"report", "reports/*.yml", "a report", func() map[string]any { return reportCatalog().Schema() }},
	}
	for _, c := range connectors(nil) {
		kinds = append(kinds, schemaKind{"source-" + c.Name, "extract/*.yml", "a source with the connector " + c.Name, func() map[string]any {
			var options, stream any
			if c.Options != nil {
				options = c.Options()
			}
			if c.StreamOptions != nil {
				stream = c.StreamOptions()
			}
			return project.SourceSchema(c.Name, options, stream)
		}})
	}
	sort.Slice(kinds, func(i, j int) bool { return kinds[i].name < kinds[j].name })
	return kinds
}

// sourceSchema chooses by the connector that the file names.
func sourceSchema() map[string]any {
	defs := map[string]any{}
	var names, cases []any
	for _, c := range connectors(nil) {
		var options, stream any
		if c.Options != nil {
			options = c.Options()
		}
		if c.StreamOptions != nil {
			stream = c.StreamOptions()
		}
		s := project.SourceSchema(c.Name, options, stream)
		if d, ok := s["$defs"].(map[string]any); ok {
			for k, v := range d {
				defs[k] = v
			}
			delete(s, "$defs")
		}
		delete(s, "$schema")
		names = append(names, c.Name)
		cases = append(cases, map[string]any{
			"if":   map[string]any{"properties": map[string]any{"connector": map[string]any{"const": c.Name}}, "required": []any{"connector"}},
			"then": s,
		})
	}
	out := map[string]any{
		"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Millrace source", "type": "object",
		"required":   []any{"version", "connector"},
		"properties": map[string]any{"connector": map[string]any{"enum": names, "description": "Which connector reads it."}},
		"allOf":      cases,
	}
	if len(defs) > 0 {
		out["$defs"] = defs
	}
	return out
}

func newSchemaCmd(a *app) *cobra.Command {
	var all bool
	var out string
	cmd := &cobra.Command{
		Use:     "schema [KIND]",
		GroupID: "start",
		Short:   "Print the JSON Schema of a kind of file, for editors",
		Long: `Prints the JSON Schema (draft 2020-12) of one kind of file; without KIND, lists the kinds. The schema is made from what
reads the files, so an editor that uses it marks what millrace would refuse. Give the files of a project to an editor with

  millrace schema --all --out .schema

and a first line in each YAML file such as:  # yaml-language-server: $schema=../.schema/source.schema.json`,
		Example: "  millrace schema source\n  millrace schema --all --out .schema",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case all && len(args) == 0:
				return a.writeSchemas(out)
			case len(args) == 1 && !all && out == "":
				return a.printSchema(args[0])
			case len(args) == 0 && out == "":
				return a.listSchemas()
			}
			return &fault.Error{Msg: "schema takes either one kind, or --all with --out", Hint: "Write `millrace schema source` or `millrace schema --all --out .schema`."}
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "write every schema as KIND.schema.json into the folder --out")
	cmd.Flags().StringVar(&out, "out", "", "folder for --all")
	return cmd
}

func (a *app) listSchemas() error {
	var rows [][]string
	type item struct {
		Kind    string `json:"kind"`
		Files   string `json:"files"`
		Summary string `json:"summary"`
	}
	var items []item
	for _, k := range schemaKinds() {
		rows = append(rows, []string{k.name, k.files, k.summary})
		items = append(items, item{k.name, k.files, k.summary})
	}
	if a.flags.json {
		return a.con.Result(items)
	}
	a.con.Table([]string{"kind", "files", "what it is"}, rows)
	return nil
}

func (a *app) printSchema(kind string) error {
	var names []string
	for _, k := range schemaKinds() {
		if k.name == kind {
			return a.con.Result(k.make())
		}
		names = append(names, k.name)
	}
	return &fault.Error{Msg: "unknown kind of file", Value: kind, Hint: fault.DidYouMean(kind, names)}
}

func (a *app) writeSchemas(dir string) error {
	if dir == "" {
		return &fault.Error{Key: "--out", Msg: "is missing", Hint: "Name the folder: --all --out .schema."}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fault.Wrap(err, "make the folder for the schemas")
	}
	written := []string{}
	for _, k := range schemaKinds() {
		data, err := json.MarshalIndent(k.make(), "", "  ")
		if err != nil {
			return fault.Wrap(err, "write the schema of %s", k.name)
		}
		path := filepath.Join(dir, k.name+".schema.json")
		if err := atomicfile.Write(path, append(data, '\n'), 0o644); err != nil {
			return err
		}
		written = append(written, path)
	}
	if a.flags.json {
		return a.con.Result(map[string]any{"files": written})
	}
	a.con.Say("Wrote %s to %s.", console.Count(int64(len(written)), "schema"), dir)
	return nil
}

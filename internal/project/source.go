package project

import (
	"fmt"
	"path"
	"sort"
	"strings"

	"millrace/extract/landing"
	"millrace/internal/config"
	"millrace/internal/fault"
)

// Source is one file of extract/.
type Source struct {
	Version     config.Version          `yaml:"version" required:"true" example:"1" doc:"Version of this file's format."`
	Name        string                  `yaml:"source" doc:"Name of the source: raw_<source>.<stream> in SQL. Default: the file's name."`
	Connector   string                  `yaml:"connector" required:"true" example:"file" doc:"Which connector reads it."`
	Description string                  `yaml:"description" doc:"What it is, for people."`
	Owner       string                  `yaml:"owner" doc:"Who answers for it."`
	Enabled     bool                    `yaml:"enabled" default:"true" doc:"false: it is not read; its relations stay as they are."`
	Config      config.Node             `yaml:"config" doc:"The connector's own settings."`
	Raw         config.Map[config.Node] `yaml:"streams" doc:"What is read, by name. Each stream has common keys and the connector's own."`

	Path    string        `yaml:"-"` // relative to the project: "extract/crm.yml"
	Node    config.Node   `yaml:"-"`
	Streams []StreamEntry `yaml:"-"` // in the order of the file
}

// StreamEntry is one key under streams.
type StreamEntry struct {
	Name     string      // slug
	Original string      // as written
	Node     config.Node // decode it with StreamConfig and the connector's own struct together
}

// CheckConfig gives the streams their names.
func (s *Source) CheckConfig(n config.Node) error {
	var errs fault.List
	seen := map[string]string{}
	s.Streams = nil
	for _, e := range s.Raw.Entries() {
		slug, err := Slug(e.Key)
		if err != nil {
			errs.Add(e.Node.KeyFault("Use letters and digits.", "is not a name for a stream"))
			continue
		}
		if first, ok := seen[slug]; ok {
			errs.Add(e.Node.KeyFault("Rename one of the two.", "becomes %s, as %q does", slug, first))
			continue
		}
		seen[slug] = e.Key
		s.Streams = append(s.Streams, StreamEntry{Name: slug, Original: e.Key, Node: e.Node})
	}
	return errs.Or()
}

// StreamConfig holds the keys that every stream of every connector takes.
type StreamConfig struct {
	Description string                   `yaml:"description" doc:"What it is, for people."`
	PrimaryKey  config.Strings           `yaml:"primary_key" doc:"The column or columns that tell records apart."`
	Disposition string                   `yaml:"write_disposition" enum:"append,merge,replace" doc:"append: every row ever read. merge: the latest row per primary key. replace: the rows of the latest complete read. Default: the connector's."`
	Contract    Contract                 `yaml:"schema_contract" doc:"What happens to what the declared columns do not expect."`
	Columns     config.Map[ColumnConfig] `yaml:"columns" doc:"Declared columns. What is not declared is inferred."`
	Enabled     bool                     `yaml:"enabled" default:"true" doc:"false: the stream is not read."`
	Optional    bool                     `yaml:"optional" doc:"true: finding no input is a warning, not an error."`
}

// Contract says what happens to columns and types that are not declared. Empty means the default of the landing.
type Contract struct {
	Columns string `yaml:"columns" enum:"evolve,freeze,discard,quarantine" doc:"A new column. evolve: it is added. freeze: the load fails. discard: it is kept in _extra only. quarantine: the row waits."`
	Types   string `yaml:"data_type" enum:"evolve,freeze,discard,quarantine" doc:"A value that does not fit its column's type. evolve: the type widens. freeze: the load fails. discard: NULL, the value is kept in _extra. quarantine: the row waits."`
}

// FromShort takes one word for both.
func (c *Contract) FromShort(text string) error {
	words := []string{"evolve", "freeze", "discard", "quarantine"}
	for _, w := range words {
		if text == w {
			c.Columns, c.Types = w, w
			return nil
		}
	}
	return &fault.Error{Msg: "wants one of " + strings.Join(words, ", "), Hint: fault.DidYouMean(text, words)}
}

// ShortSchema is the JSON Schema of the one word.
func (c *Contract) ShortSchema() map[string]any {
	return map[string]any{"enum": []any{"evolve", "freeze", "discard", "quarantine"}}
}

// ColumnConfig declares one column. One word is its type.
type ColumnConfig struct {
	Type        ColumnType `yaml:"type" example:"DECIMAL(18,4)" doc:"VARCHAR, BIGINT, DOUBLE, BOOLEAN, DATE, TIMESTAMP, JSON or DECIMAL(p,s). Default: inferred."`
	Required    bool       `yaml:"required" doc:"true: a row without a value goes to quarantine."`
	PII         string     `yaml:"pii" enum:"email,phone,name,address,id,ip,free_text" doc:"Kind of personal data; it is masked for roles that may not see it and reached by erasure."`
	Description string     `yaml:"description" doc:"What it means, for people."`
}

// FromShort takes the type alone.
func (c *ColumnConfig) FromShort(text string) error { return c.Type.UnmarshalText([]byte(text)) }

// ShortSchema is the JSON Schema of the type alone.
func (c *ColumnConfig) ShortSchema() map[string]any { return c.Type.ConfigSchema() }

// ColumnType is a landing type as people write it, in its canonical form; empty means inferred.
type ColumnType landing.Type

// UnmarshalText reads any case and the common synonyms.
func (t *ColumnType) UnmarshalText(b []byte) error {
	v, err := landing.ParseType(string(b))
	if err != nil {
		if strings.Contains(string(b), "(") && !strings.Contains(string(b), ")") {
			return &fault.Error{Msg: "has no closing parenthesis", Hint: "Inside { } a comma ends a value: write \"DECIMAL(18,4)\" with quotes."}
		}
		return &fault.Error{Msg: "is not a column type", Hint: "Use VARCHAR, BIGINT, DOUBLE, BOOLEAN, DATE, TIMESTAMP, JSON or DECIMAL(18,4)."}
	}
	*t = ColumnType(v)
	return nil
}

// ConfigSchema is the JSON Schema of a type.
func (t *ColumnType) ConfigSchema() map[string]any {
	return map[string]any{"type": "string", "pattern": `^ *([vV][aA][rR][cC][hH][aA][rR]|[tT][eE][xX][tT]|[sS][tT][rR][iI][nN][gG]|` +
		`[bB][iI][gG][iI][nN][tT]|[iI][nN][tT]([eE][gG][eE][rR]|64)?|[lL][oO][nN][gG]|[dD][oO][uU][bB][lL][eE]|[fF][lL][oO][aA][tT](64)?|[rR][eE][aA][lL]|` +
		`[bB][oO][oO][lL]([eE][aA][nN])?|[dD][aA][tT][eE]([tT][iI][mM][eE])?|[tT][iI][mM][eE][sS][tT][aA][mM][pP]|[jJ][sS][oO][nN]|[oO][bB][jJ][eE][cC][tT]|` +
		`[mM][oO][nN][eE][yY]|([dD][eE][cC][iI][mM][aA][lL]|[nN][uU][mM][eE][rR][iI][cC])( *\( *[0-9]+ *(, *[0-9]+ *)?\))?) *$`}
}

// Schema is the declared part of the stream's schema, in the form that the landing takes. Names are slugged, with the
// original kept; the primary key is slugged alike.
func (c StreamConfig) Schema() landing.Schema {
	originals := c.Columns.Keys()
	declared := map[string]bool{}
	for _, o := range originals {
		declared[o] = true
	}
	var out landing.Schema
	// A key column that is not declared still takes part in naming, so that both sides agree on it.
	all := append([]string(nil), originals...)
	for _, k := range c.PrimaryKey {
		if !declared[k] {
			declared[k] = true
			all = append(all, k)
		}
	}
	names := map[string]string{}
	for i, name := range landing.ColumnNames(all, nil) {
		names[all[i]] = name
	}
	for _, e := range c.Columns.Entries() {
		col := landing.Column{Name: names[e.Key], Type: landing.Type(e.Value.Type), Declared: true,
			Required: e.Value.Required, PII: e.Value.PII, Description: e.Value.Description}
		if col.Name != e.Key {
			col.Original = e.Key
		}
		out.Columns = append(out.Columns, col)
	}
	for _, k := range c.PrimaryKey {
		out.PrimaryKey = append(out.PrimaryKey, names[k])
	}
	return out
}

// CheckConfig holds the rules across keys.
func (c *StreamConfig) CheckConfig(n config.Node) error {
	var errs fault.List
	if c.Disposition == string(landing.Merge) && len(c.PrimaryKey) == 0 {
		errs.Add(n.Get("write_disposition").Fault("Add primary_key, or use append or replace.", "merge needs a primary_key"))
	}
	seen := map[string]bool{}
	for _, k := range c.PrimaryKey {
		if seen[k] || k == "" {
			errs.Add(n.Get("primary_key").Fault("Name each column once.", "names a column twice or not at all"))
			break
		}
		seen[k] = true
	}
	return errs.Or()
}

// loadSources reads extract/*.yml. Folders below it (own connectors) are not sources.
func (p *Project) loadSources(errs *fault.List) {
	files := map[string]string{} // slug → file
	for _, f := range p.yamlFiles("extract", errs) {
		node, err := p.parse(f)
		if err != nil {
			errs.Add(err)
			continue
		}
		s := &Source{Path: f, Node: node}
		if err := node.Decode(s); err != nil {
			errs.Add(err)
			continue
		}
		given := s.Name
		if given == "" {
			given = strings.TrimSuffix(path.Base(f), path.Ext(f))
		}
		if s.Name, err = Slug(given); err != nil {
			errs.Add(&fault.Error{File: f, Key: "source", Value: given, Msg: "is not a name for a source", Hint: "Add source: with letters and digits."})
			continue
		}
		if first, ok := files[s.Name]; ok {
			errs.Add(&fault.Error{File: f, Line: node.Get("source").Pos().Line, Key: "source", Msg: fmt.Sprintf("the source %s is already defined in %s", s.Name, first),
				Hint: fmt.Sprintf("Give one of the two another name with source: in %s or %s.", first, f)})
			continue
		}
		files[s.Name] = f
		p.Sources = append(p.Sources, s)
	}
	sort.Slice(p.Sources, func(i, j int) bool { return p.Sources[i].Name < p.Sources[j].Name })
}

// Source returns a source by name.
func (p *Project) Source(name string) (*Source, error) {
	var names []string
	for _, s := range p.Sources {
		if s.Name == name {
			return s, nil
		}
		names = append(names, s.Name)
	}
	return nil, &fault.Error{Msg: "unknown source", Value: name, Hint: fault.DidYouMean(name, names)}
}

// SourceSchema is the JSON Schema of a source file that uses one connector: connectorOptions and streamOptions are
// what the connector decodes into; either may be nil.
func SourceSchema(connector string, connectorOptions, streamOptions any) map[string]any {
	root := config.Schema("Millrace source: "+connector, &Source{})
	props := root["properties"].(map[string]any)
	props["connector"] = map[string]any{"const": connector, "description": "Which connector reads it."}
	defs := map[string]any{}
	props["config"] = part(defs, "The connector's own settings.", connectorOptions)
	props["streams"] = map[string]any{
		"description":          "What is read, by name.",
		"type":                 []any{"object", "null"},
		"additionalProperties": part(defs, "", &StreamConfig{}, streamOptions),
	}
	if len(defs) > 0 {
		root["$defs"] = defs
	}
	return root
}

// part makes the schema of a subtree, which an empty key may leave at its defaults, and hoists its definitions.
func part(defs map[string]any, doc string, outs ...any) map[string]any {
	m := config.Schema("", outs...)
	delete(m, "$schema")
	if d, ok := m["$defs"].(map[string]any); ok {
		for k, v := range d {
			defs[k] = v
		}
		delete(m, "$defs")
	}
	out := map[string]any{"anyOf": []any{m, map[string]any{"type": "null"}}}
	if doc != "" {
		out["description"] = doc
	}
	return out
}

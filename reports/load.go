package reports

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"sort"
	"strings"

	"millrace/internal/config"
	"millrace/internal/fault"
)

// Catalog is what a definition may use.
type Catalog struct {
	Sections []SectionKind
	Channels []ChannelKind
}

// definitionFile is a file of reports/ as people write it.
type definitionFile struct {
	Version    int           `yaml:"version" required:"true" min:"1" max:"1" doc:"the version of this kind of file"`
	Report     string        `yaml:"report" required:"true" doc:"the report's name: small letters, digits and underscores"`
	Title      string        `yaml:"title" doc:"as it stands over the report (default: the name)"`
	Schedule   config.Cron   `yaml:"schedule" doc:"when it is due, in the project's zone; left out: after every new build" example:"0 8 * * 1"`
	Period     periodOptions `yaml:"period" doc:"what one report is about"`
	Labels     Labels        `yaml:"labels" doc:"how KPIs are called and judged in this report, by name"`
	Dimensions []string      `yaml:"dimensions" doc:"where to look for reasons, the most useful dimension first"`
	Actions    []config.Node `yaml:"actions" doc:"what the report may recommend"`
	Sections   []config.Node `yaml:"sections" required:"true" doc:"the content, in order: one key each, a section's name with its options"`
	Channels   []config.Node `yaml:"channels" required:"true" doc:"the ways out: one key each, a channel's name with its options"`
}

type periodOptions struct {
	Grain string `yaml:"grain" enum:"day,week,month,quarter,year" default:"month" doc:"its length; the latest complete one with figures is told"`
	Last  int    `yaml:"last" default:"12" min:"2" max:"400" doc:"how many periods histories and charts show"`
}

type sectionCommon struct {
	Title string `yaml:"title" doc:"as it stands over the section"`
}

var reportName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)

// Load reads every definition in dir of fsys (a project's reports folder), sorted by name, and returns all problems
// together. A folder that is not there holds no report.
func (c Catalog) Load(fsys fs.FS, dir string, o config.ParseOptions) ([]*Definition, error) {
	entries, err := fs.ReadDir(fsys, dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read reports: %w", err)
	}
	var defs []*Definition
	var errs fault.List
	byName := map[string]string{}
	for _, e := range entries {
		ext := path.Ext(e.Name())
		if e.IsDir() || strings.HasPrefix(e.Name(), ".") || ext != ".yml" && ext != ".yaml" {
			continue
		}
		file := path.Join(dir, e.Name())
		src, err := fs.ReadFile(fsys, file)
		if err != nil {
			errs.Add(fmt.Errorf("read report: %w", err))
			continue
		}
		def, err := c.Parse(file, src, o)
		if err != nil {
			errs.Add(err)
			continue
		}
		if other, dup := byName[def.Report]; dup {
			errs.Add(&fault.Error{File: file, Key: "report", Value: def.Report, Msg: "another file defines a report of this name: " + other, Hint: "Rename one of them."})
			continue
		}
		byName[def.Report] = file
		defs = append(defs, def)
	}
	sort.Slice(defs, func(i, j int) bool { return defs[i].Report < defs[j].Report })
	return defs, errs.Or()
}

// Parse reads one definition.
func (c Catalog) Parse(file string, src []byte, o config.ParseOptions) (*Definition, error) {
	n, err := config.Parse(file, src, o)
	if err != nil {
		return nil, err
	}
	var f definitionFile
	var errs fault.List
	errs.Add(n.Decode(&f))
	def := &Definition{File: file, Report: f.Report, Title: f.Title, Schedule: f.Schedule, Grain: f.Period.Grain, Last: f.Period.Last,
		Labels: f.Labels, Dimensions: f.Dimensions}
	if f.Report != "" && !reportName.MatchString(f.Report) {
		errs.Add(n.Get("report").Fault("Use small letters, digits and underscores, such as weekly_revenue.", "is not a name"))
	}
	if !bytes.Contains(src, []byte("${")) && !bytes.Contains(src, []byte("{{")) {
		def.source = src
	}
	if def.Title == "" {
		def.Title = Title(def.Report)
	}
	for kpi, l := range f.Labels {
		if _, err := new(Writer).Say(l.Label).Done(); err != nil {
			errs.Add(n.Get("labels").Get(kpi).Get("label").Fault("Write it in words: labels stand inside sentences, where every digit must come from the data.", "holds a digit"))
		}
	}
	for _, a := range f.Actions {
		action := Action{}
		if err := a.Decode(&action); err != nil {
			errs.Add(err)
		} else if err := action.Parse(); err != nil {
			errs.Add(placed(a, err))
		} else {
			def.Actions = append(def.Actions, action)
		}
	}
	for _, s := range f.Sections {
		spec, err := c.section(s)
		errs.Add(err)
		if err == nil {
			def.Sections = append(def.Sections, spec)
		}
	}
	for _, s := range f.Channels {
		spec, err := c.channel(s)
		errs.Add(err)
		if err == nil {
			def.Channels = append(def.Channels, spec)
		}
	}
	if err := errs.Or(); err != nil {
		return nil, err
	}
	return def, nil
}

func (c Catalog) section(n config.Node) (SectionSpec, error) {
	names := make([]string, len(c.Sections))
	for i, k := range c.Sections {
		names[i] = k.Name
	}
	name, body, err := oneKey(n, "section", names)
	if err != nil {
		return SectionSpec{}, err
	}
	for _, k := range c.Sections {
		if k.Name != name {
			continue
		}
		var common sectionCommon
		opts := k.Options()
		if err := body.Decode(&common, opts); err != nil {
			return SectionSpec{}, err
		}
		if k.Check != nil {
			if err := k.Check(opts); err != nil {
				return SectionSpec{}, placed(body, err)
			}
		}
		return SectionSpec{Kind: k, Title: common.Title, Options: opts, Line: n.Pos().Line}, nil
	}
	return SectionSpec{}, n.KeyFault(fault.DidYouMean(name, names), "there is no section %q", name)
}

func (c Catalog) channel(n config.Node) (ChannelSpec, error) {
	names := make([]string, len(c.Channels))
	for i, k := range c.Channels {
		names[i] = k.Name
	}
	name, body, err := oneKey(n, "channel", names)
	if err != nil {
		return ChannelSpec{}, err
	}
	for _, k := range c.Channels {
		if k.Name == name {
			opts := k.Options()
			if err := body.Decode(opts); err != nil {
				return ChannelSpec{}, err
			}
			if k.Check != nil {
				if err := k.Check(opts); err != nil {
					return ChannelSpec{}, placed(body, err)
				}
			}
			return ChannelSpec{Kind: k, Options: opts, Line: n.Pos().Line}, nil
		}
	}
	return ChannelSpec{}, n.KeyFault(fault.DidYouMean(name, names), "there is no channel %q", name)
}

// oneKey takes `name: {options}` or just `name`.
func oneKey(n config.Node, what string, names []string) (string, config.Node, error) {
	if text, ok := n.Text(); ok {
		return text, n.Get(text), nil
	}
	if keys := n.Keys(); len(keys) == 1 {
		return keys[0], n.Get(keys[0]), nil
	}
	return "", config.Node{}, n.Fault("Write one key, the "+what+"'s name, with its options below it. Valid: "+strings.Join(names, ", ")+".",
		"a %s is one key", what)
}

// placed gives a problem the place of the node it was found in, unless it has one.
func placed(n config.Node, err error) error {
	var e *fault.Error
	if errors.As(err, &e) && e.File == "" {
		at := *e
		p := n.Pos()
		at.File, at.Line, at.Col = p.File, p.Line, p.Col
		if at.Key == "" {
			at.Key = n.Path()
		} else {
			at.Key = n.Path() + "." + at.Key
		}
		return &at
	}
	return n.Fault("", "%v", err)
}

// Schema is the JSON Schema of a file of reports/.
func (c Catalog) Schema() map[string]any {
	s := config.Schema("A report of Millrace", &definitionFile{})
	choices := func(names []string, options func(i int) []any) map[string]any {
		var any1 []any
		var words []any
		for i, name := range names {
			sub := config.Schema("", options(i)...)
			delete(sub, "$schema")
			delete(sub, "title")
			any1 = append(any1, map[string]any{"type": "object", "properties": map[string]any{name: sub}, "required": []any{name}, "additionalProperties": false})
			words = append(words, name)
		}
		return map[string]any{"anyOf": append(any1, map[string]any{"enum": words})}
	}
	var sections, channels []string
	for _, k := range c.Sections {
		sections = append(sections, k.Name)
	}
	for _, k := range c.Channels {
		channels = append(channels, k.Name)
	}
	props, ok := s["properties"].(map[string]any)
	if !ok {
		return s
	}
	set := func(key string, items map[string]any) {
		if p, ok := props[key].(map[string]any); ok {
			props[key] = map[string]any{"type": "array", "description": p["description"], "items": items}
		}
	}
	set("sections", choices(sections, func(i int) []any { return []any{&sectionCommon{}, c.Sections[i].Options()} }))
	set("channels", choices(channels, func(i int) []any { return []any{c.Channels[i].Options()} }))
	action := config.Schema("", &Action{})
	delete(action, "$schema")
	delete(action, "title")
	set("actions", action)
	return s
}

package main

import (
	"context"
	"io"
	"sort"

	"millrace/extract"
	"millrace/extract/landing"
	"millrace/internal/fault"
	"millrace/internal/project"
	"millrace/transform"
)

// source is one source file of the project, decoded with what its connector expects.
type source struct {
	file      *project.Source
	connector extract.Connector
	options   any
	streams   []extract.StreamParams // enabled ones, in the order of the file
}

// sources decodes every source file against the catalog; all problems of all files come together.
func (a *app) sources(p *project.Project) ([]source, error) {
	known := map[string]extract.Connector{}
	var names []string
	var errs fault.List
	list, err := projectConnectors(p, a.logical)
	errs.Add(err)
	for _, c := range list {
		known[c.Name] = c
		names = append(names, c.Name)
	}
	var out []source
	for _, f := range p.Sources {
		c, ok := known[f.Connector]
		if !ok {
			pos := f.Node.Get("connector").Pos()
			errs.Add(&fault.Error{File: f.Path, Line: pos.Line, Col: pos.Col, Key: "connector", Value: f.Connector,
				Msg: "unknown connector", Hint: fault.DidYouMean(f.Connector, names)})
			continue
		}
		s := source{file: f, connector: c}
		// One that is switched off may lack its credentials; its streams still give typed, empty relations.
		if c.Options != nil && f.Enabled {
			s.options = c.Options()
			errs.Add(f.Config.Decode(s.options))
		}
		off := map[string]bool{}
		for _, e := range f.Streams {
			var common project.StreamConfig
			outs := []any{&common}
			var own any
			if c.StreamOptions != nil {
				own = c.StreamOptions()
				outs = append(outs, own)
			}
			if err := e.Node.Decode(outs...); err != nil {
				errs.Add(err)
				continue
			}
			if !common.Enabled {
				off[e.Name] = true
				continue
			}
			errs.Add(misnamedKey(p, f.Name, e, common))
			s.streams = append(s.streams, extract.StreamParams{
				Spec: extract.StreamSpec{
					Name: e.Name, Original: e.Original, Schema: common.Schema(),
					Disposition: landing.Disposition(common.Disposition),
					Contract:    extract.Contract{Columns: common.Contract.Columns, Types: common.Contract.Types},
					Optional:    common.Optional,
				},
				Options: own,
			})
		}
		if len(off) > 0 && len(s.streams) == 0 && c.Streams != nil {
			// Only streams to leave out are named: the rest of what the connector knows is read.
			specs, err := c.Streams()
			errs.Add(err)
			for _, spec := range specs {
				if !off[spec.Name] {
					s.streams = append(s.streams, extract.StreamParams{Spec: extract.StreamSpec{Name: spec.Name, Original: spec.Original}, Options: c.StreamOptions()})
				}
			}
		}
		out = append(out, s)
	}
	return out, errs.Or()
}

// openSources opens the enabled sources that keep says to; one that cannot be opened carries its error. Call close.
func (a *app) openSources(ctx context.Context, p *project.Project, list []source, keep func(source string) bool) (opened []extract.Sourced, closeAll func()) {
	var closers []io.Closer
	for _, s := range list {
		if !s.file.Enabled || keep != nil && !keep(s.file.Name) {
			continue
		}
		src, err := s.connector.Open(ctx, extract.OpenParams{Name: s.file.Name, Dir: p.Dir, Options: s.options, Streams: s.streams,
			Log: a.log.With("source", s.file.Name)})
		if err == nil {
			closers = append(closers, src)
		}
		opened = append(opened, extract.Sourced{Name: s.file.Name, Source: src, OpenErr: err})
	}
	return opened, func() {
		for _, c := range closers {
			if err := c.Close(); err != nil {
				a.log.Debug("close source", "error", err)
			}
		}
	}
}

// rawStreams are the streams that SQL can read: everything that has landed, everything that is configured, and everything
// that the catalog knows, typed and empty until it lands. So SQL over a tool that a company does not use still builds.
func (a *app) rawStreams(p *project.Project, list []source) ([]transform.RawStream, error) {
	landed, err := landing.List(p.RawDir())
	if err != nil {
		return nil, err
	}
	byName := map[string]transform.RawStream{}
	catalog, err := projectConnectors(p, a.logical)
	if err != nil {
		return nil, err
	}
	for _, c := range catalog {
		if c.Streams == nil {
			continue
		}
		specs, err := c.Streams()
		if err != nil {
			return nil, err
		}
		for _, spec := range specs {
			byName[c.Name+"."+spec.Name] = transform.RawStream{Schema: "raw_" + c.Name, Name: spec.Name, Source: c.Name,
				Columns: spec.Schema.Columns, Disposition: spec.Disposition, PrimaryKey: spec.Schema.PrimaryKey}
		}
	}
	for name, loads := range landed {
		if len(loads) == 0 {
			continue
		}
		last := loads[len(loads)-1]
		byName[name] = transform.RawStream{
			Schema: "raw_" + last.Source, Name: last.Stream, Source: last.Source, Columns: landing.Union(landing.Current(loads)).Columns, Loads: loads,
			Disposition: last.Disposition, PrimaryKey: last.Schema.PrimaryKey,
		}
	}
	for _, s := range list {
		for _, st := range s.streams {
			name := s.file.Name + "." + st.Spec.Name
			raw, ok := byName[name]
			if !ok {
				raw = transform.RawStream{Schema: "raw_" + s.file.Name, Name: st.Spec.Name, Source: s.file.Name,
					Columns: st.Spec.Schema.Columns, Disposition: st.Spec.Disposition, PrimaryKey: st.Spec.Schema.PrimaryKey}
			}
			if s.connector.Name != s.file.Name {
				raw.Alias = "raw_" + s.connector.Name
			}
			byName[name] = raw
		}
	}
	out := make([]transform.RawStream, 0, len(byName))
	for _, r := range byName {
		out = append(out, r)
	}
	sort.Slice(out, func(i, j int) bool {
		return out[i].Schema < out[j].Schema || out[i].Schema == out[j].Schema && out[i].Name < out[j].Name
	})
	return out, nil
}

package rest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"
	"sync"

	"millrace/extract"
	"millrace/internal/config"
	"millrace/internal/fault"
)

// ProjectDir is where a project keeps connectors of its own, below its folder. One with the name of a built-in connector
// takes its place.
const ProjectDir = "extract/connectors"

// Catalog makes one entry for each *.yml of a folder of connector files that ships with the program. A file is read when
// its entry is first used, so that a command which needs none of them does not wait for them.
func Catalog(files fs.FS, d Deps) ([]extract.Connector, error) {
	names, err := fs.Glob(files, "*.yml")
	if err != nil {
		return nil, fault.Wrap(err, "list connectors")
	}
	sort.Strings(names)
	out := make([]extract.Connector, 0, len(names))
	for _, file := range names {
		src, err := fs.ReadFile(files, file)
		if err != nil {
			return nil, fault.Wrap(err, "read connector %s", file)
		}
		load := sync.OnceValues(func() (extract.Connector, error) {
			a, err := Load(file, src, nil)
			if err != nil {
				return extract.Connector{}, err
			}
			return a.Connector(d), nil
		})
		out = append(out, extract.Connector{
			Name: strings.TrimSuffix(path.Base(file), ".yml"), Summary: summary(src),
			Options: func() any {
				c, err := load()
				if err != nil {
					return &commonOptions{} // Open gives the reason
				}
				return c.Options()
			},
			StreamOptions: func() any { return &StreamOptions{} },
			Streams: func() ([]extract.StreamSpec, error) {
				c, err := load()
				if err != nil {
					return nil, err
				}
				return c.Streams()
			},
			Open: func(ctx context.Context, p extract.OpenParams) (extract.Source, error) {
				c, err := load()
				if err != nil {
					return nil, err
				}
				return c.Open(ctx, p)
			},
		})
	}
	return out, nil
}

// summary finds the line of that name without reading the whole file as YAML.
func summary(src []byte) string {
	sc := bufio.NewScanner(bytes.NewReader(src))
	for sc.Scan() {
		if v, ok := strings.CutPrefix(sc.Text(), "summary:"); ok {
			return strings.Trim(strings.TrimSpace(v), `"'`)
		}
	}
	return ""
}

// Project reads the connectors of a project's own, from ProjectDir below dir. env resolves variables in them. All problems
// of all files come together; messages name files relative to the project.
func Project(dir string, env func(string) (string, bool)) ([]*API, error) {
	entries, err := os.ReadDir(filepath.Join(dir, filepath.FromSlash(ProjectDir)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.Wrap(err, "list the project's connectors")
	}
	var out []*API
	var errs fault.List
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); e.IsDir() || ext != ".yml" && ext != ".yaml" || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		file := path.Join(ProjectDir, e.Name())
		src, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(file)))
		if err != nil {
			errs.Add(fault.Wrap(err, "read %s", file))
			continue
		}
		a, err := Load(file, src, env)
		if err != nil {
			errs.Add(err)
			continue
		}
		out = append(out, a)
	}
	return out, errs.Or()
}

// FileSchema is the JSON Schema of connector files, for editors.
func FileSchema() map[string]any { return config.Schema("Millrace connector", &Definition{}) }

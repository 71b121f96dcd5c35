package project

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"

	"millrace/extract/landing"
	"millrace/internal/config"
	"millrace/internal/fault"
)

// Doc is a file of models/, activate/ or reports/ as it was written; the stage decodes it.
type Doc struct {
	Path string      // relative to the project, with slashes: "reports/weekly.yml"
	Name string      // slug of the file's name: "weekly"
	Node config.Node // the YAML; of a .md file its front matter, absent when there is none
	Body string      // of a .md file: the text after the front matter
	// BodyLine is the 1-based line at which Body begins.
	BodyLine int
}

// ValidName reports whether s may become a path element as it stands: [a-z][a-z0-9_]{0,62}.
func ValidName(s string) bool { return landing.ValidName(s) }

// Slug makes any name safe to be a path element. A name without one letter or digit is an error, because nothing of
// it would be left to recognise.
func Slug(s string) (string, error) {
	if strings.IndexFunc(s, func(r rune) bool { return !strings.ContainsRune("./\\ _-~", r) && r > ' ' }) < 0 {
		return "", &fault.Error{Msg: "is not a name", Value: s, Hint: "Use letters and digits."}
	}
	return landing.Slug(s), nil
}

// parse reads one YAML file of the project.
func (p *Project) parse(rel string) (config.Node, error) {
	src, err := p.read(rel)
	if err != nil {
		return config.Node{}, err
	}
	return config.Parse(rel, src, config.ParseOptions{Env: p.Env})
}

func (p *Project) read(rel string) ([]byte, error) {
	src, err := os.ReadFile(p.Path(rel))
	if err != nil {
		var pe *fs.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		return nil, &fault.Error{File: rel, Msg: "cannot be read", Err: err, Hint: "Check that the file is there and that you may read it."}
	}
	return src, nil
}

// room lists the files of one room by name. Files that editors leave behind are passed over.
func (p *Project) room(name string) ([]string, error) {
	items, err := os.ReadDir(filepath.Join(p.Dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, &fault.Error{File: name, Msg: "cannot be listed", Err: err}
	}
	var files []string
	for _, it := range items {
		n := it.Name()
		if it.IsDir() || strings.HasPrefix(n, ".") || strings.HasPrefix(n, "#") || strings.HasSuffix(n, "~") {
			continue
		}
		files = append(files, path.Join(name, n))
	}
	sort.Strings(files)
	return files, nil
}

func (p *Project) loadRooms() error {
	var errs fault.List
	p.loadSources(&errs)
	p.Models = p.docs("models", &errs)
	p.Activate = p.docs("activate", &errs)
	p.Reports = p.docs("reports", &errs)
	return errs.Or()
}

// yamlFiles lists the YAML files of a room and answers what does not belong there.
func (p *Project) yamlFiles(room string, errs *fault.List) []string {
	files, err := p.room(room)
	errs.Add(err)
	var out []string
	for _, f := range files {
		switch strings.ToLower(path.Ext(f)) {
		case ".yml", ".yaml":
			out = append(out, f)
		case ".sql":
			errs.Add(&fault.Error{File: f, Msg: "SQL does not live in " + room + "/",
				Hint: fmt.Sprintf("Move it into sql/: sql/metrics/%s becomes the relation metrics.%s.", path.Base(f), strings.TrimSuffix(path.Base(f), path.Ext(f)))})
		case ".md":
			if room == "reports" {
				out = append(out, f)
			}
		}
	}
	return out
}

func (p *Project) docs(room string, errs *fault.List) []*Doc {
	var docs []*Doc
	byName := map[string]string{}
	for _, f := range p.yamlFiles(room, errs) {
		name, err := Slug(strings.TrimSuffix(path.Base(f), path.Ext(f)))
		if err != nil {
			errs.Add(&fault.Error{File: f, Msg: "the file's name cannot name anything", Hint: "Rename it with letters and digits."})
			continue
		}
		if first, ok := byName[name]; ok {
			errs.Add(&fault.Error{File: f, Msg: fmt.Sprintf("has the same name as %s: %s", first, name), Hint: "Rename one of the two files."})
			continue
		}
		byName[name] = f
		doc := &Doc{Path: f, Name: name}
		if strings.EqualFold(path.Ext(f), ".md") {
			err = p.markdown(doc)
		} else {
			doc.Node, err = p.parse(f)
		}
		if err != nil {
			errs.Add(err)
			continue
		}
		docs = append(docs, doc)
	}
	return docs
}

// markdown splits front matter (between two lines of ---) from the text.
func (p *Project) markdown(doc *Doc) error {
	src, err := p.read(doc.Path)
	if err != nil {
		return err
	}
	src = bytes.ReplaceAll(bytes.TrimPrefix(src, []byte("\xef\xbb\xbf")), []byte("\r\n"), []byte("\n"))
	doc.Body, doc.BodyLine = string(src), 1
	rest, ok := strings.CutPrefix(doc.Body, "---\n")
	if !ok {
		return nil
	}
	head, body, ok := strings.Cut("\n"+rest, "\n---\n")
	if !ok {
		if head, ok = strings.CutSuffix("\n"+rest, "\n---"); !ok {
			return &fault.Error{File: doc.Path, Line: 1, Msg: "the front matter has no end", Hint: "Close it with a line of ---."}
		}
	}
	head = strings.TrimPrefix(head, "\n")
	doc.Body = body
	doc.BodyLine = 3 + strings.Count(head, "\n")
	if head != "" {
		doc.BodyLine++
	}
	doc.Node, err = config.Parse(doc.Path, []byte(head), config.ParseOptions{Env: p.Env, LineOffset: 1})
	return err
}

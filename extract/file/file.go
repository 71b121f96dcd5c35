// Package file reads files: CSV, JSON, NDJSON, Parquet and Excel, one or a folder or a glob of them, plain or gzip. It is
// incremental by file. Memory is bounded whatever the size of a file.
//
// Upholds P1 (the checkpoint of a batch covers exactly the rows up to it) and P2 (a line that is no row is handed on as a
// bad row with its line number and the reason). It must not know how rows are landed.
package file

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"millrace/extract"
	"millrace/extract/landing"
	"millrace/internal/fault"
)

// Options configure a source.
type Options struct {
	Path string `yaml:"path" doc:"folder that the streams' paths start from, relative to the project; without streams, each file in it is a stream" default:"."`
}

// StreamOptions configure one stream.
type StreamOptions struct {
	Path        string   `yaml:"path" doc:"file, folder or glob (deals-*.csv), relative to the source's path; the stream's name with any known ending when left out"`
	Format      string   `yaml:"format" doc:"what the files hold; by their names when left out" enum:"csv,json,ndjson,parquet,excel"`
	Delimiter   string   `yaml:"delimiter" doc:"one character between CSV fields; found by looking when left out"`
	Encoding    string   `yaml:"encoding" doc:"character set of CSV, JSON and NDJSON; a byte order mark wins" enum:"utf-8,windows-1252,latin1,utf-16,utf-16le,utf-16be" default:"utf-8"`
	Header      *bool    `yaml:"header" doc:"whether CSV and Excel have a row of names; without one, columns are column_1, column_2 and so on" default:"true"`
	HeaderRow   int      `yaml:"header_row" doc:"the row of an Excel sheet or CSV that holds the names, counted from 1" default:"1"`
	Sheet       string   `yaml:"sheet" doc:"the Excel sheet; the first when left out"`
	NullValues  []string `yaml:"null_values" doc:"texts of CSV and Excel that mean no value, beside the empty one"`
	Records     string   `yaml:"records" doc:"dotted path to the array of records in a JSON file"`
	DateFormats []string `yaml:"date_formats" doc:"how dates are written, as DD.MM.YYYY or MM/DD/YYYY HH:mm; ISO 8601 is always understood"`
}

// Connector is the catalog's entry.
func Connector() extract.Connector {
	return extract.Connector{
		Name:          "file",
		Summary:       "CSV, JSON, NDJSON, Parquet and Excel files in a folder, plain or gzip",
		Options:       func() any { return &Options{} },
		StreamOptions: func() any { return &StreamOptions{} },
		Open: func(ctx context.Context, p extract.OpenParams) (extract.Source, error) {
			return Open(ctx, p)
		},
	}
}

// Source is an opened folder.
type Source struct {
	name    string
	base    string
	log     *slog.Logger
	streams []stream
}

var (
	_ extract.Source   = (*Source)(nil)
	_ extract.Comparer = (*Source)(nil)
	_ extract.Checker  = (*Source)(nil)
)

// stream is one configured stream with its options checked.
type stream struct {
	spec extract.StreamSpec
	opt  StreamOptions
	// config identifies what decides how the files are read: when it changes, a replace stream is read again.
	config  string
	layouts map[string][]layout // declared DATE and TIMESTAMP columns by original name; "" for undeclared ones
	nulls   map[string]bool
}

// Open checks the options. It does not read files yet.
func Open(_ context.Context, p extract.OpenParams) (*Source, error) {
	opt, _ := p.Options.(*Options)
	if opt == nil {
		opt = &Options{}
	}
	base := opt.Path
	if !filepath.IsAbs(base) {
		base = filepath.Join(p.Dir, base)
	}
	s := &Source{name: p.Name, base: base, log: p.Log}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	for _, sp := range p.Streams {
		so, _ := sp.Options.(*StreamOptions)
		if so == nil {
			so = &StreamOptions{}
		}
		st, err := newStream(sp.Spec, *so)
		if err != nil {
			return nil, err
		}
		s.streams = append(s.streams, st)
	}
	if len(p.Streams) == 0 {
		if err := s.discover(); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func newStream(spec extract.StreamSpec, opt StreamOptions) (stream, error) {
	key := func(k string) string { return "streams." + spec.Name + "." + k }
	if spec.Original == "" {
		spec.Original = spec.Name
	}
	if spec.Disposition == "" {
		spec.Disposition = landing.Replace // a file is a table until somebody says otherwise
	}
	if !landing.ValidName(spec.Name) {
		spec.Name = landing.Slug(spec.Name)
	}
	if opt.Delimiter == `\t` || opt.Delimiter == "tab" {
		opt.Delimiter = "\t"
	}
	if len(opt.Delimiter) > 1 || opt.Delimiter == `"` || opt.Delimiter == "\n" {
		return stream{}, &fault.Error{Key: key("delimiter"), Value: opt.Delimiter, Msg: "a delimiter is one ASCII character", Hint: `Use one of , ; | or tab, or leave it out: it is found by looking.`}
	}
	if opt.Format != "" && !knownFormat(opt.Format) {
		return stream{}, &fault.Error{Key: key("format"), Value: opt.Format, Msg: "unknown format", Hint: fault.DidYouMean(opt.Format, formats())}
	}
	if _, err := decoder(opt.Encoding); err != nil {
		return stream{}, &fault.Error{Key: key("encoding"), Value: opt.Encoding, Msg: "unknown encoding", Hint: fault.DidYouMean(opt.Encoding, encodings())}
	}
	if opt.HeaderRow < 0 {
		return stream{}, &fault.Error{Key: key("header_row"), Value: fmt.Sprint(opt.HeaderRow), Msg: "rows are counted from 1", Hint: "Leave it out when the names are in the first row."}
	}
	st := stream{spec: spec, opt: opt, nulls: map[string]bool{"": true}, layouts: map[string][]layout{}}
	for _, n := range opt.NullValues {
		st.nulls[n] = true
	}
	var ls []layout
	for _, f := range opt.DateFormats {
		l, err := newLayout(f)
		if err != nil {
			return stream{}, &fault.Error{Key: key("date_formats"), Value: f, Msg: err.Error(), Hint: "Write YYYY, MM, DD, HH, mm, ss and the characters between them, such as DD.MM.YYYY."}
		}
		ls = append(ls, l)
	}
	st.layouts[""] = ls
	for _, c := range spec.Schema.Columns {
		if c.Type == landing.Date || c.Type == landing.Timestamp {
			continue
		}
		st.layouts[originalOf(c)] = nil // declared as something else: not a date
	}
	fingerprint, err := json.Marshal(struct {
		O StreamOptions
		S landing.Schema
		C extract.Contract
	}{opt, spec.Schema, spec.Contract})
	if err != nil {
		return stream{}, fmt.Errorf("stream %s: %w", spec.Name, err)
	}
	sum := sha256.Sum256(fingerprint)
	st.config = hex.EncodeToString(sum[:8])
	return st, nil
}

// layoutsOf are the date layouts of each column; a column that is declared as something else than a date has none.
func (st stream) layoutsOf(names []string) [][]layout {
	out := make([][]layout, len(names))
	for i, n := range names {
		ls, declared := st.layouts[n]
		if !declared {
			ls = st.layouts[""]
		}
		out[i] = ls
	}
	return out
}

func originalOf(c landing.Column) string {
	if c.Original != "" {
		return c.Original
	}
	return c.Name
}

// discover makes a stream of every readable file in the folder.
func (s *Source) discover() error {
	entries, err := os.ReadDir(s.base)
	if err != nil {
		return s.missing(s.base, err)
	}
	used := map[string]string{}
	for _, e := range entries {
		name := e.Name()
		if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "~$") || formatOf(name) == "" {
			continue
		}
		if info, err := os.Stat(filepath.Join(s.base, name)); err != nil || info.IsDir() {
			continue
		}
		stem := stemOf(name)
		slug := landing.Slug(stem)
		if other, twice := used[slug]; twice {
			return &fault.Error{File: filepath.Join(s.base, name), Msg: fmt.Sprintf("%s and %s would both be stream %s", other, name, slug),
				Hint: "List the source's streams with their paths."}
		}
		used[slug] = name
		st, err := newStream(extract.StreamSpec{Name: slug, Original: stem, Disposition: landing.Replace}, StreamOptions{Path: name})
		if err != nil {
			return err
		}
		s.streams = append(s.streams, st)
	}
	return nil
}

// Streams lists the configured streams, or one for each file of the folder.
func (s *Source) Streams(ctx context.Context) ([]extract.StreamSpec, error) {
	out := make([]extract.StreamSpec, len(s.streams))
	for i, st := range s.streams {
		out[i] = st.spec
	}
	return out, ctx.Err()
}

// Close does nothing: files are open only while they are read.
func (s *Source) Close() error { return nil }

func (s *Source) stream(name string) (stream, error) {
	var names []string
	for _, st := range s.streams {
		if st.spec.Name == name {
			return st, nil
		}
		names = append(names, st.spec.Name)
	}
	return stream{}, &fault.Error{Key: "stream", Value: name, Msg: "source " + s.name + " has no such stream", Hint: fault.DidYouMean(name, names)}
}

// input is one file to read.
type input struct {
	name   string // relative to the source's path, with forward slashes: part of row ids and checkpoints
	path   string
	size   int64
	mtime  int64 // nanoseconds since 1970
	format string
}

// list finds the stream's files, sorted by name.
func (s *Source) list(st stream) ([]input, error) {
	pattern := st.opt.Path
	if pattern == "" {
		pattern = st.spec.Original
		if found, err := s.byName(st.spec.Original, st.spec.Name); err == nil && found != "" {
			pattern = found
		}
	}
	full := pattern
	if !filepath.IsAbs(full) {
		full = filepath.Join(s.base, pattern)
	}
	var paths []string
	info, err := os.Stat(full)
	switch {
	case err == nil && info.IsDir():
		entries, err := os.ReadDir(full)
		if err != nil {
			return nil, fmt.Errorf("read folder %s: %w", full, err)
		}
		for _, e := range entries {
			if f := formatOf(e.Name()); strings.HasPrefix(e.Name(), ".") || strings.HasPrefix(e.Name(), "~$") || f == "" || st.opt.Format != "" && f != st.opt.Format {
				continue
			}
			paths = append(paths, filepath.Join(full, e.Name()))
		}
	case err == nil:
		paths = []string{full}
	case errors.Is(err, fs.ErrNotExist) && strings.ContainsAny(pattern, "*?["):
		found, err := filepath.Glob(full)
		if err != nil {
			return nil, &fault.Error{Key: "streams." + st.spec.Name + ".path", Value: pattern, Msg: "not a valid pattern", Err: err, Hint: "Use * for any characters and ? for one."}
		}
		paths = found
	case errors.Is(err, fs.ErrNotExist):
	default:
		return nil, fmt.Errorf("read %s: %w", full, err)
	}
	var out []input
	for _, p := range paths {
		info, err := os.Stat(p)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", p, err)
		}
		if !info.Mode().IsRegular() {
			continue
		}
		format := st.opt.Format
		if format == "" {
			format = formatOf(p)
		}
		if format == "" {
			return nil, &fault.Error{File: p, Msg: "its name does not say what it holds", Hint: "Add format: csv, json, ndjson, parquet or excel to stream " + st.spec.Name + "."}
		}
		name, err := filepath.Rel(s.base, p)
		if err != nil || strings.HasPrefix(name, "..") {
			name = filepath.Base(p)
		}
		out = append(out, input{name: filepath.ToSlash(name), path: p, size: info.Size(), mtime: info.ModTime().UnixNano(), format: format})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].name < out[j].name })
	if len(out) == 0 && !st.spec.Optional {
		return nil, s.missing(full, fs.ErrNotExist)
	}
	return out, nil
}

// byName finds the file that has the stream's name, when no path is configured.
func (s *Source) byName(original, slug string) (string, error) {
	entries, err := os.ReadDir(s.base)
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		if formatOf(e.Name()) != "" && (stemOf(e.Name()) == original || landing.Slug(stemOf(e.Name())) == slug) {
			return e.Name(), nil
		}
	}
	return "", nil
}

func (s *Source) missing(path string, err error) error {
	hint := "Check the path, or set optional: true if it may be missing."
	if entries, err := os.ReadDir(filepath.Dir(path)); err == nil {
		var names []string
		for _, e := range entries {
			names = append(names, e.Name())
		}
		if n := fault.Nearest(filepath.Base(path), names); n != "" {
			hint = fmt.Sprintf("Did you mean %q? ", n) + hint
		}
	} else if _, err := os.Stat(s.base); err != nil {
		hint = fmt.Sprintf("The source's folder %s does not exist. ", s.base) + hint
	}
	return &fault.Error{File: path, Msg: "no file to read", Err: err, Hint: hint}
}

// Check tells doctor whether the files are there.
func (s *Source) Check(ctx context.Context) []extract.Finding {
	var out []extract.Finding
	for _, st := range s.streams {
		f := extract.Finding{Name: s.name + "." + st.spec.Name + ": files readable"}
		files, err := s.list(st)
		var size int64
		for _, in := range files {
			size += in.size
			if err == nil {
				var h *os.File
				if h, err = os.Open(in.path); err == nil {
					h.Close()
				}
			}
		}
		if err != nil {
			f.Info, f.Hint = err.Error(), "Check the stream's path and the file's permissions."
		} else {
			f.OK, f.Info = true, fmt.Sprintf("%d files, %d bytes", len(files), size)
		}
		out = append(out, f)
		if ctx.Err() != nil {
			break
		}
	}
	return out
}

func formats() []string { return []string{"csv", "json", "ndjson", "parquet", "excel"} }

func knownFormat(f string) bool {
	for _, k := range formats() {
		if f == k {
			return true
		}
	}
	return false
}

// formatOf tells a file's format by its name, or "".
func formatOf(name string) string {
	switch strings.ToLower(filepath.Ext(strings.TrimSuffix(strings.ToLower(name), ".gz"))) {
	case ".csv", ".tsv", ".tab", ".txt":
		return "csv"
	case ".json":
		return "json"
	case ".ndjson", ".jsonl":
		return "ndjson"
	case ".parquet", ".pq":
		return "parquet"
	case ".xlsx", ".xlsm":
		return "excel"
	}
	return ""
}

// stemOf is a file's name without its endings.
func stemOf(name string) string {
	name = filepath.Base(name)
	if strings.EqualFold(filepath.Ext(name), ".gz") {
		name = name[:len(name)-3]
	}
	return strings.TrimSuffix(name, filepath.Ext(name))
}

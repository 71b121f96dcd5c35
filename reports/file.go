package reports

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"millrace/activate/receipt"
	"millrace/internal/atomicfile"
	"millrace/internal/fault"
)

// FileOptions are the keys of a channel that writes one file.
type FileOptions struct {
	Path string `yaml:"path" doc:"where the file goes, from the project's folder; {report}, {period} and {date} are filled in (default: out/{report}-{period} with the usual ending)"`
}

// FromShort lets `- html: out/page.html` stand for {path: out/page.html}.
func (o *FileOptions) FromShort(s string) error { o.Path = s; return nil }

// ShortSchema describes the short form.
func (o *FileOptions) ShortSchema() map[string]any { return map[string]any{"type": "string"} }

// FileKind is a channel that renders a document into one file. The file appears whole or not at all; the same document
// renders to the same bytes (P4).
func FileKind(name, summary, ending string, render func(*Document) ([]byte, error)) ChannelKind {
	options := func(v any) (FileOptions, error) {
		o, ok := v.(*FileOptions)
		if !ok {
			return FileOptions{}, fmt.Errorf("options of channel %s are %T", name, v)
		}
		out := *o
		if out.Path == "" {
			out.Path = "out/{report}-{period}" + ending
		}
		if filepath.Ext(out.Path) != ending {
			return out, &fault.Error{Key: "path", Value: o.Path, Msg: name + " writes files that end in " + ending, Hint: "Let the path end in " + ending + "."}
		}
		for _, h := range hole.FindAllString(out.Path, -1) {
			if h != "{report}" && h != "{period}" && h != "{date}" {
				return out, &fault.Error{Key: "path", Value: h, Msg: "unknown placeholder", Hint: "Use {report}, {period} or {date}."}
			}
		}
		return out, nil
	}
	return ChannelKind{
		Name: name, Summary: summary, Local: true,
		Options: func() any { return &FileOptions{} },
		Check:   func(v any) error { _, err := options(v); return err },
		Open: func(p ChannelParams) (Channel, error) {
			o, err := options(p.Options)
			if err != nil {
				return nil, err
			}
			return &fileChannel{kind: name, dir: p.Dir, out: p.Out, path: o.Path, render: render}, nil
		},
	}
}

var hole = regexp.MustCompile(`\{[^}]*\}`)

type fileChannel struct {
	kind, dir, out, path string
	render               func(*Document) ([]byte, error)
}

func (f *fileChannel) Name() string { return f.kind }

func (f *fileChannel) Target() string {
	if f.out != "" {
		return filepath.Join(f.out, filepath.Base(f.path))
	}
	return f.path
}

func (f *fileChannel) target(d *Document) string {
	p := strings.NewReplacer("{report}", d.Report, "{period}", d.PeriodKey, "{date}", d.At.Format("2006-01-02")).Replace(f.path)
	switch {
	case f.out != "":
		return filepath.Join(f.out, filepath.Base(p))
	case filepath.IsAbs(p):
		return p
	}
	return filepath.Join(f.dir, p)
}

func (f *fileChannel) Deliver(_ context.Context, _ string, d *Document) (receipt.Receipt, error) {
	path := f.target(d)
	r := receipt.Receipt{Ref: path, Status: receipt.Rejected}
	data, err := f.render(d)
	if err != nil {
		return r, fmt.Errorf("render: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return r, &fault.Error{Msg: "create the folder of the report", Err: err, Hint: "Make the folder writable, or name another with --out."}
	}
	if err := atomicfile.Write(path, data, 0o644); err != nil {
		return r, &fault.Error{Msg: "write the report", Err: err, Hint: "Make the folder writable, or name another with --out."}
	}
	sum := sha256.Sum256(data)
	r.Status, r.Digest, r.Bytes = receipt.Delivered, hex.EncodeToString(sum[:]), int64(len(data))
	return r, nil
}

// Present reports whether the delivered file is still there, byte for byte.
func (f *fileChannel) Present(r receipt.Receipt) bool {
	data, err := os.ReadFile(r.Ref)
	if err != nil {
		return false
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]) == r.Digest
}

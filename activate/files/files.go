// Package files is the destination of tables that are kept as files in the project's folder: .csv with a header, or .ndjson
// with one object a line. Rows have a key; a batch rewrites the file beside itself and renames it, so readers see the old
// file or the new one, never a part (undo class exact). Columns, members and rows of others stay as they are, in their order.
//
// Memory is bounded by a batch and one row, whatever the size of the file; time is one pass over the file for each read
// and each batch.
//
// It must not leave the project's folder: not by .., not by a symbolic link; and it writes no hidden folder.
package files

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"millrace/activate"
	"millrace/internal/atomicfile"
	"millrace/internal/fault"
	"millrace/internal/httpx"
)

// Options is what `config:` holds.
type Options struct {
	Guard bool `yaml:"guard_formulas" doc:"in .csv, put an apostrophe before texts that begin with = + - @, which a spreadsheet would run"`
}

// Connector is the catalog's entry.
func Connector() activate.Connector {
	return activate.Connector{Name: "files", Summary: "files: a table kept as .csv or .ndjson in the project's folder", Options: func() any { return &Options{} }, Open: open}
}

type destination struct {
	opt   Options
	dir   string // of the project; empty: nothing can be checked or written
	now   func() time.Time
	write func(path string, perm os.FileMode, fill func(f *os.File) error) error
}

const (
	maxBatch = 10_000
	maxBytes = 64 << 20
	// stale is the age from which a file that a killed process left half-written beside its target is removed.
	stale = time.Hour
)

var endings = []string{".csv", ".ndjson"}

func open(p activate.OpenParams) (activate.Destination, error) {
	o, ok := p.Options.(*Options)
	if !ok {
		return nil, fmt.Errorf("files: options are %T", p.Options)
	}
	return &destination{opt: *o, dir: p.Dir, now: p.Now, write: atomicfile.WriteTo}, nil
}

// Close has nothing to release.
func (d *destination) Close() error { return nil }

// Capabilities declares keyed rows. The ledger belongs to the file, wherever the project's folder lies.
func (d *destination) Capabilities(object string) (activate.Capabilities, error) {
	if err := allowed(object); err != nil {
		return activate.Capabilities{}, err
	}
	return activate.Capabilities{Account: "project", Ops: []activate.Op{activate.Upsert, activate.Update, activate.Insert, activate.Archive},
		MaxBatch: maxBatch, MaxBytes: maxBytes, PerRow: true, TellsNew: true, Repeat: true, Undo: activate.UndoExact}, nil
}

// allowed refuses paths by their spelling.
func allowed(object string) error {
	bad := func(msg, hint string) error {
		return &fault.Error{Key: "object", Value: object, Msg: msg, Hint: hint}
	}
	switch {
	case !filepath.IsLocal(object) || strings.Contains(object, `\`) || filepath.Clean(object) != object:
		return bad("not a path inside the project's folder", "Write it from there with /, such as exports/hot_leads.csv.")
	case !slices.Contains(endings, filepath.Ext(object)):
		return bad("not a kind of file that can be kept", "End it in .csv or .ndjson.")
	}
	for _, part := range strings.Split(object, "/") {
		if strings.HasPrefix(part, ".") {
			return bad("hidden files and folders are not written", "Write a path such as exports/hot_leads.csv.")
		}
	}
	return nil
}

// path gives the real path of an object after a look at every folder on the way. The file need not be there.
func (d *destination) path(object string) (string, error) {
	if err := allowed(object); err != nil {
		return "", err
	}
	if d.dir == "" {
		return "", fmt.Errorf("files: the project's folder is not known")
	}
	root, err := filepath.EvalSymlinks(d.dir)
	if err != nil {
		return "", fmt.Errorf("files: look at the project's folder: %w", err)
	}
	parts := strings.Split(object, "/")
	at := root
	for i, part := range parts {
		at = filepath.Join(at, part)
		info, err := os.Lstat(at)
		if errors.Is(err, fs.ErrNotExist) {
			return filepath.Join(root, filepath.FromSlash(object)), nil
		}
		if err != nil {
			return "", fmt.Errorf("files: look at %s: %w", object, err)
		}
		here := strings.Join(parts[:i+1], "/")
		switch last := i == len(parts)-1; {
		case info.Mode()&fs.ModeSymlink != 0:
			return "", &fault.Error{Key: "object", Value: object, Msg: here + " is a symbolic link, and may lead out of the project's folder", Hint: "Put a folder or file there in its place."}
		case last && !info.Mode().IsRegular():
			return "", &fault.Error{Key: "object", Value: object, Msg: here + " is not a file", Hint: "Choose another name."}
		case !last && !info.IsDir():
			return "", &fault.Error{Key: "object", Value: object, Msg: here + " is not a folder", Hint: "Choose another name."}
		}
	}
	return at, nil
}

// Check looks at the path and, where there is a file, at its header.
func (d *destination) Check(_ context.Context, t activate.Target) error {
	path, err := d.path(t.Object)
	if err != nil {
		return err
	}
	if t.Key == "" || len(t.Fields) == 0 {
		return &fault.Error{Key: "mapping", Msg: "nothing would be written", Hint: "Map at least one field."}
	}
	for _, f := range append([]string{t.Key}, t.Fields...) {
		if strings.TrimSpace(f) != f || strings.ContainsAny(f, "\r\n\x00") {
			return &fault.Error{Key: "mapping." + f, Value: f, Msg: "not a name of a column", Hint: "Leave out spaces around it and line ends."}
		}
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("files: open %s: %w", t.Object, err)
	}
	defer f.Close()
	_, err = d.format(t).reader(f)
	return err
}

// failed gives an error its class: nothing was written.
func failed(what, object string, class httpx.Class, err error) error {
	var f *fault.Error
	if errors.As(err, &f) || errors.Is(err, fs.ErrPermission) {
		class = httpx.Config
	}
	return &httpx.Error{Class: class, Method: what, URL: object, Message: err.Error(), Hint: hint(err), Err: err}
}

func hint(err error) string {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return "Let the user that runs Millrace read and write the file and its folder."
	case errors.Is(err, errChanged):
		return "Close the program that writes the file; the rows are tried again."
	}
	return ""
}

var errNothing = errors.New("nothing to write")

var errChanged = errors.New("the file was changed by somebody else while it was being rewritten")

// keyOf is the key under which a row stands in the file.
func keyOf(op activate.Op, r activate.Row) string {
	if r.RemoteID != "" && (r.Key == "" || op == activate.Update || op == activate.Archive) {
		return r.RemoteID // as it was when it was written
	}
	return r.Key
}

// Send rewrites the file with a batch's rows.
func (d *destination) Send(ctx context.Context, b activate.Batch) (activate.Answer, error) {
	path, err := d.path(b.Target.Object)
	if err != nil {
		return activate.Answer{}, failed("write", b.Target.Object, httpx.Config, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return activate.Answer{}, failed("write", b.Target.Object, httpx.Transient, err)
	}
	d.sweep(path)
	e := &edit{format: d.format(b.Target), op: b.Op, rows: map[string]activate.Row{}, result: map[string]activate.Result{}}
	for _, r := range b.Rows {
		key := keyOf(b.Op, r)
		if key == "" || strings.ContainsAny(key, "\r\n") {
			e.result[r.ID] = activate.Result{ID: r.ID, Status: activate.Rejected, Class: "row", Message: "the key is empty or has a line end, so it names no row of a file"}
			continue
		}
		e.rows[key] = r
		e.order = append(e.order, key)
	}
	perm := os.FileMode(0o600)
	old, err := os.Open(path)
	var seen fs.FileInfo
	switch {
	case err == nil:
		defer old.Close()
		if seen, err = old.Stat(); err != nil {
			return activate.Answer{}, failed("write", b.Target.Object, httpx.Transient, err)
		}
		perm = seen.Mode().Perm()
	case !errors.Is(err, fs.ErrNotExist):
		return activate.Answer{}, failed("write", b.Target.Object, httpx.Transient, err)
	}
	filled := false
	err = d.write(path, perm, func(f *os.File) error {
		var from io.Reader
		if old != nil {
			from = old
		}
		if err := e.run(ctx, from, f); err != nil {
			return err
		}
		if !e.changed {
			return errNothing
		}
		if !unchanged(path, seen) {
			return errChanged
		}
		filled = true
		return nil
	})
	switch {
	case errors.Is(err, errNothing):
	case err != nil && filled: // the rename may have happened: a read will tell
		return activate.Answer{}, failed("write", b.Target.Object, httpx.Unknown, err)
	case err != nil && ctx.Err() != nil:
		return activate.Answer{}, failed("write", b.Target.Object, httpx.Transient, ctx.Err())
	case err != nil:
		return activate.Answer{}, failed("write", b.Target.Object, httpx.Transient, err)
	}
	var a activate.Answer
	for _, r := range b.Rows {
		a.Results = append(a.Results, e.result[r.ID])
	}
	return a, nil
}

// unchanged reports whether the file is still the one that was read.
func unchanged(path string, seen fs.FileInfo) bool {
	now, err := os.Lstat(path)
	if seen == nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	return err == nil && os.SameFile(seen, now) && now.Size() == seen.Size() && now.ModTime().Equal(seen.ModTime())
}

// sweep removes what killed processes left beside the file. It is a courtesy: what cannot be removed stays.
func (d *destination) sweep(path string) {
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		return
	}
	for _, e := range left {
		if !strings.HasPrefix(e.Name(), "."+filepath.Base(path)+".tmp-") {
			continue
		}
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() && d.now().Sub(info.ModTime()) > stale {
			_ = os.Remove(filepath.Join(filepath.Dir(path), e.Name()))
		}
	}
}

// Erase takes rows out of the file for good.
func (d *destination) Erase(ctx context.Context, t activate.Target, rows []activate.Row) (activate.Answer, error) {
	return d.Send(ctx, activate.Batch{Target: t, Op: activate.Archive, Rows: rows})
}

// Package listfile reads lists that people keep in files (CSV, Excel, Parquet, JSON) as rows of text and writes them back
// with columns added. A file is recognised by what it holds, not by its ending. Memory does not grow with the number of
// rows. It must not know what the columns mean.
package listfile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"millrace/internal/fault"
)

// Formats by what a file holds.
const (
	CSV     = "csv"
	Excel   = "excel"
	Parquet = "parquet"
	JSON    = "json" // an array of objects, or one object a line
)

// Options say what cannot be seen in a file.
type Options struct {
	Sheet     string // of an Excel workbook; the first that holds a list when empty
	HeaderRow int    // row that holds the names, from 1; found by looking when 0
	TempDir   string // where DuckDB may spill
}

// Column is one column of a file.
type Column struct {
	Name   string // distinct within the file; nameless ones are column_3, a second "name" is "name 2"
	Header string // as it stands in the file
	Number bool   // the file itself stores numbers here (Parquet, JSON)
}

// File is a list that can be read any number of times. It keeps nothing open between reads.
type File struct {
	Path    string
	Format  string
	Sheet   string // of a workbook
	Columns []Column
	Rows    int // below the row of names
	// Notes say what was noticed or assumed while looking: the character set, the row of names, other sheets.
	Notes []string

	size  int64
	mtime time.Time
	opt   Options
	csv   csvShape
	head  int // row of names of a sheet, from 1
}

// Cell is a value as text; nil is no value at all.
type Cell = *string

// Open looks at a file: its format, columns and rows of names. It reads CSV once whole, to know its character set.
func Open(ctx context.Context, path string, o Options) (*File, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, missing(path, err)
	}
	if st.IsDir() {
		return nil, &fault.Error{File: path, Msg: "is a folder", Hint: "Give one file."}
	}
	f := &File{Path: path, opt: o, size: st.Size(), mtime: st.ModTime()}
	head, err := peek(path)
	if err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(bytes.TrimPrefix(head, []byte("\xEF\xBB\xBF")))) == 0 && st.Size() < sniffBytes {
		return nil, &fault.Error{File: path, Msg: "is empty", Hint: "Give a file with a row of names and rows below it."}
	}
	f.Format, err = format(path, head)
	if err != nil {
		return nil, err
	}
	if o.Sheet != "" && f.Format != Excel {
		return nil, &fault.Error{Key: "--sheet", Value: o.Sheet, Msg: fmt.Sprintf("%s is no Excel workbook", path), Hint: "Leave --sheet out."}
	}
	switch f.Format {
	case CSV:
		err = f.openCSV()
	case Excel:
		err = f.openExcel()
	default:
		err = f.openDuck(ctx)
	}
	if err != nil {
		return nil, err
	}
	if len(f.Columns) == 0 {
		return nil, &fault.Error{File: path, Msg: "has no columns", Hint: "Give a file with a row of names and rows below it."}
	}
	return f, nil
}

// Each calls fn for every row in the file's order, with the row's number from 1. The slice is reused between calls; its
// cells are not. An error of fn ends the reading and is returned.
func (f *File) Each(ctx context.Context, fn func(n int, row []Cell) error) error {
	st, err := os.Stat(f.Path)
	if err != nil {
		return missing(f.Path, err)
	}
	if st.Size() != f.size || !st.ModTime().Equal(f.mtime) {
		return &fault.Error{File: f.Path, Msg: "was changed while it was read", Hint: "Run again when nobody writes to it."}
	}
	n := 0
	row := func(cells []Cell) error {
		n++
		if n%1024 == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
		}
		return fn(n, cells)
	}
	switch f.Format {
	case CSV:
		return f.eachCSV(row)
	case Excel:
		return f.eachExcel(row)
	}
	return f.eachDuck(ctx, row)
}

// Sample reads about n rows: half of them the first, the others spread evenly over the rest.
func (f *File) Sample(ctx context.Context, n int) ([][]Cell, error) {
	var out [][]Cell
	step := max(1, 2*f.Rows/max(n, 1))
	err := f.Each(ctx, func(at int, row []Cell) error {
		if at <= n/2 || f.Rows <= n || at%step == 0 {
			out = append(out, append([]Cell(nil), row...))
		}
		return nil
	})
	return out, err
}

// Names are the distinct names of the columns.
func (f *File) Names() []string {
	out := make([]string, len(f.Columns))
	for i, c := range f.Columns {
		out[i] = c.Name
	}
	return out
}

func missing(path string, err error) error {
	e := &fault.Error{File: path, Msg: "cannot be read", Err: err, Hint: "Check that the file is there and may be read."}
	if errors.Is(err, fs.ErrNotExist) {
		e.Msg, e.Err, e.Hint = "there is no such file", nil, "Check the path."
		if entries, rerr := os.ReadDir(filepath.Dir(path)); rerr == nil {
			var names []string
			for _, x := range entries {
				names = append(names, x.Name())
			}
			if n := fault.Nearest(filepath.Base(path), names); n != "" {
				e.Hint = fmt.Sprintf("Did you mean %q?", filepath.Join(filepath.Dir(path), n))
			}
		}
	}
	return e
}

// sniffBytes is how much of a file is looked at to tell what it is.
const sniffBytes = 64 << 10

func peek(path string) ([]byte, error) {
	r, err := os.Open(path)
	if err != nil {
		return nil, missing(path, err)
	}
	defer r.Close()
	head, err := io.ReadAll(io.LimitReader(r, sniffBytes))
	if err != nil {
		return nil, missing(path, err)
	}
	return head, nil
}

// format tells what a file holds by its first bytes, and answers what is no list with what to do.
func format(path string, head []byte) (string, error) {
	no := func(what, hint string) (string, error) {
		return "", &fault.Error{File: path, Msg: "is no list but " + what, Hint: hint}
	}
	text := bytes.TrimSpace(bytes.TrimPrefix(head, []byte("\xEF\xBB\xBF")))
	switch {
	case bytes.HasPrefix(head, []byte("PAR1")):
		return Parquet, nil
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		return Excel, nil
	case bytes.HasPrefix(head, []byte("\xD0\xCF\x11\xE0")):
		return no("an old or encrypted Office file", "Open it in Excel and save it as .xlsx without a password.")
	case bytes.HasPrefix(head, []byte("%PDF")):
		return no("a PDF", "Export the list as CSV or Excel.")
	case bytes.HasPrefix(head, []byte("SQLite format 3")):
		return no("a SQLite database", "Export the table as CSV.")
	case bytes.HasPrefix(head, []byte("\x1f\x8b")), bytes.HasPrefix(head, []byte{0xFF, 0xFE}), bytes.HasPrefix(head, []byte{0xFE, 0xFF}):
		return CSV, nil // gzip and UTF-16 are undone by the reader of text
	case bytes.HasPrefix(text, []byte("<")):
		return no("a page or XML", "Export the list as CSV or Excel.")
	case bytes.HasPrefix(text, []byte("{")), bytes.HasPrefix(text, []byte("[")) && bytes.Contains(text, []byte("{")):
		return JSON, nil
	case bytes.IndexByte(head, 0) >= 0:
		return no("a binary file", "Give CSV, Excel, Parquet or JSON.")
	}
	return CSV, nil
}

// columns gives nameless columns their position and repeated names a number.
func columns(headers []string) []Column {
	used := map[string]bool{}
	for _, h := range headers {
		used[strings.ToLower(strings.TrimSpace(h))] = true
	}
	seen := map[string]bool{}
	out := make([]Column, len(headers))
	for i, h := range headers {
		trimmed := strings.TrimSpace(h)
		base := trimmed
		if base == "" {
			base = "column_" + strconv.Itoa(i+1)
		}
		name := base
		for k := 2; seen[strings.ToLower(name)] || name != trimmed && used[strings.ToLower(name)]; k++ {
			name = base + " " + strconv.Itoa(k)
		}
		seen[strings.ToLower(name)] = true
		out[i] = Column{Name: name, Header: h}
	}
	return out
}

// note records what was noticed, once.
func (f *File) note(format string, args ...any) {
	s := fmt.Sprintf(format, args...)
	for _, n := range f.Notes {
		if n == s {
			return
		}
	}
	f.Notes = append(f.Notes, s)
}

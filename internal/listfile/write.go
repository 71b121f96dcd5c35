package listfile

import (
	"bufio"
	"context"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"

	pq "github.com/parquet-go/parquet-go"
	"github.com/xuri/excelize/v2"

	"millrace/internal/atomicfile"
	"millrace/internal/duck"
	"millrace/internal/fault"
)

// Limits of an Excel sheet. Source: Excel specifications and limits, Microsoft.
const (
	excelRows    = 1_048_576
	excelColumns = 16_384
	excelCell    = 32_767 // characters
)

// Extra is a column that is added to the right of those of the lists.
type Extra struct {
	Name   string
	Number bool // its cells are int or float64; otherwise string
}

// Outputs are the endings of files that can be written.
func Outputs() []string { return []string{".csv", ".xlsx", ".parquet"} }

// CheckOutput refuses a path that cannot be written before any work is done: an ending that says no format, a folder that
// is not there, or one of the files that are read.
func CheckOutput(key, path string, inputs ...string) error {
	ext := strings.ToLower(filepath.Ext(path))
	known := false
	for _, o := range Outputs() {
		known = known || o == ext
	}
	if !known {
		return &fault.Error{Key: key, Value: path, Msg: "the ending says no format that can be written", Hint: "End the name with " + strings.Join(Outputs(), ", ") + "."}
	}
	return CheckPath(key, path, inputs...)
}

// CheckPath refuses a path that is one of the files that are read, is a folder, or stands in a folder that is not there.
func CheckPath(key, path string, inputs ...string) error {
	out, outErr := os.Stat(path)
	if outErr == nil && out.IsDir() {
		return &fault.Error{Key: key, Value: path, Msg: "is a folder", Hint: "Name a file in it."}
	}
	for _, in := range inputs {
		st, err := os.Stat(in)
		if err == nil && outErr == nil && os.SameFile(st, out) {
			return &fault.Error{Key: key, Value: path, Msg: "is a file that is read: it would be overwritten", Hint: "Choose another name."}
		}
	}
	if st, err := os.Stat(filepath.Dir(path)); err != nil || !st.IsDir() {
		return &fault.Error{Key: key, Value: path, Msg: "the folder is not there", Hint: "Make it, or choose another."}
	}
	return nil
}

// union is how the columns of several lists stand in one: columns of one name share a place.
type union struct {
	headers []string // distinct
	place   [][]int  // by file and column: index into headers
	numbers []bool
}

func unite(files []*File) union {
	var u union
	at := map[string]int{}
	for _, f := range files {
		places := make([]int, len(f.Columns))
		for i, c := range f.Columns {
			k := strings.ToLower(c.Name)
			p, ok := at[k]
			if !ok {
				p = len(u.headers)
				at[k] = p
				u.headers = append(u.headers, c.Name)
				u.numbers = append(u.numbers, c.Number)
			}
			u.numbers[p] = u.numbers[p] && c.Number
			places[i] = p
		}
		u.place = append(u.place, places)
	}
	return u
}

// FreeNames gives the extra columns names that no column of the lists has: "cluster_id 2" where cluster_id is taken.
func FreeNames(files []*File, extra []Extra) []Extra {
	taken := map[string]bool{}
	for _, f := range files {
		for _, c := range f.Columns {
			taken[strings.ToLower(c.Name)] = true
		}
	}
	out := append([]Extra(nil), extra...)
	for i := range out {
		name := out[i].Name
		for k := 2; taken[strings.ToLower(out[i].Name)]; k++ {
			out[i].Name = fmt.Sprintf("%s_%d", name, k)
		}
		taken[strings.ToLower(out[i].Name)] = true
	}
	return out
}

// Write writes every row of the lists, in their order and with all their columns as they are, and the extra columns. cells
// gives the extra cells of row n (from 1) of a list. The file at out is whole or as it was before.
func Write(ctx context.Context, out string, files []*File, extra []Extra, cells func(file, n int) []any) error {
	u := unite(files)
	rows := 0
	for _, f := range files {
		rows += f.Rows
	}
	ext := strings.ToLower(filepath.Ext(out))
	if ext == ".xlsx" && (rows+1 > excelRows || len(u.headers)+len(extra) > excelColumns) {
		return &fault.Error{Key: "--out", Value: out, Msg: fmt.Sprintf("%d rows and %d columns do not fit an Excel sheet", rows, len(u.headers)+len(extra)), Hint: "Write .csv or .parquet."}
	}
	return atomicfile.WriteTo(out, 0o644, func(w *os.File) error {
		switch {
		case ext == ".parquet" && len(files) == 1 && files[0].Format == Parquet:
			return files[0].copyParquet(ctx, w.Name(), extra, cells)
		case ext == ".parquet":
			return writeParquet(ctx, w, files, u, extra, cells)
		case ext == ".xlsx" && len(files) == 1 && files[0].Format == Excel && rows*len(u.headers) <= copyCells:
			return files[0].copyExcel(w, extra, cells)
		case ext == ".xlsx":
			return writeExcel(ctx, w, files, u, extra, cells)
		}
		return writeCSV(ctx, w, files, u, extra, cells)
	})
}

// rowsOf calls fn with each row of each list, cells in the places of the union.
func rowsOf(ctx context.Context, files []*File, u union, fn func(file, n int, row []Cell) error) error {
	all := make([]Cell, len(u.headers))
	for i, f := range files {
		err := f.Each(ctx, func(n int, row []Cell) error {
			clear(all)
			for k, c := range row {
				all[u.place[i][k]] = c
			}
			return fn(i, n, all)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func writeCSV(ctx context.Context, w *os.File, files []*File, u union, extra []Extra, cells func(int, int) []any) error {
	buf := bufio.NewWriterSize(w, 1<<16)
	out := csv.NewWriter(buf)
	if len(files) == 1 {
		out.Comma = files[0].comma()
	}
	headers := append([]string(nil), u.headers...)
	if len(files) == 1 { // as they stand in the file
		for i, c := range files[0].Columns {
			headers[i] = c.Header
		}
	}
	for _, x := range extra {
		headers = append(headers, x.Name)
	}
	if err := out.Write(headers); err != nil {
		return err
	}
	rec := make([]string, len(headers))
	err := rowsOf(ctx, files, u, func(file, n int, row []Cell) error {
		for i, c := range row {
			rec[i] = ""
			if c != nil {
				rec[i] = *c
			}
		}
		for i, v := range cells(file, n) {
			rec[len(row)+i] = Text(v)
		}
		return out.Write(rec)
	})
	if err != nil {
		return err
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return err
	}
	return buf.Flush()
}

// comma is the character between fields when the file is written again: a list with semicolons keeps them.
func (f *File) comma() rune {
	if f.Format == CSV && f.csv.delim != 0 {
		return f.csv.delim
	}
	return ','
}

// Text is a cell of an extra column as text.
func Text(v any) string {
	switch x := v.(type) {
	case nil:
		return ""
	case string:
		return x
	case float64:
		return strconv.FormatFloat(x, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}

func writeExcel(ctx context.Context, w *os.File, files []*File, u union, extra []Extra, cells func(int, int) []any) error {
	f := excelize.NewFile()
	defer f.Close()
	s, bold, err := sheetWriter(f, "List", len(u.headers)+len(extra))
	if err != nil {
		return err
	}
	line := make([]any, 0, len(u.headers)+len(extra))
	for _, h := range u.headers {
		line = append(line, excelize.Cell{StyleID: bold, Value: h})
	}
	for _, x := range extra {
		line = append(line, excelize.Cell{StyleID: bold, Value: x.Name})
	}
	if err := s.SetRow("A1", line); err != nil {
		return err
	}
	at := 1
	err = rowsOf(ctx, files, u, func(file, n int, row []Cell) error {
		line = line[:0]
		for i, c := range row {
			switch {
			case c == nil:
				line = append(line, nil)
			case len(*c) > excelCell && utf8.RuneCountInString(*c) > excelCell:
				return tooLongForExcel(files[file], n, u.headers[i], *c)
			default:
				line = append(line, excelValue(*c, u.numbers[i] || files[file].Format == Excel))
			}
		}
		line = append(line, cells(file, n)...)
		at++
		return s.SetRow("A"+strconv.Itoa(at), line)
	})
	if err != nil {
		return err
	}
	if err := s.Flush(); err != nil {
		return err
	}
	return f.Write(w)
}

func tooLongForExcel(f *File, n int, column, value string) error {
	return &fault.Error{File: f.Path, Key: column, Msg: fmt.Sprintf("row %d has %d characters, an Excel cell holds %d", n, utf8.RuneCountInString(value), excelCell), Hint: "Write .csv or .parquet."}
}

// excelValue is a number where the list holds numbers and this one is written as Excel would write it: "0042" stays text.
func excelValue(s string, numbers bool) any {
	if !numbers || len(s) > 15 {
		return s
	}
	if n, err := strconv.ParseFloat(s, 64); err == nil && strconv.FormatFloat(n, 'f', -1, 64) == s {
		return n
	}
	return s
}

// copyCells is up to how many cells a workbook is copied whole, with its looks, formulas and other sheets; the library
// keeps it in memory, about 500 bytes a cell.
const copyCells = 500_000

// copyExcel adds the columns to the sheet in a copy of the workbook.
func (f *File) copyExcel(w *os.File, extra []Extra, cells func(int, int) []any) error {
	book, err := excelize.OpenFile(f.Path, excelize.Options{UnzipXMLSizeLimit: 16 << 20, UnzipSizeLimit: 16 << 30})
	if err != nil {
		return err
	}
	defer book.Close()
	put := func(row, i int, v any) error {
		cell, err := excelize.CoordinatesToCellName(len(f.Columns)+1+i, row)
		if err != nil {
			return err
		}
		return book.SetCellValue(f.Sheet, cell, v)
	}
	last, err := excelize.CoordinatesToCellName(len(f.Columns), f.head)
	if err != nil {
		return err
	}
	style, err := book.GetCellStyle(f.Sheet, last)
	if err != nil {
		return err
	}
	for i, x := range extra {
		if err := put(f.head, i, x.Name); err != nil {
			return err
		}
		cell, err := excelize.CoordinatesToCellName(len(f.Columns)+1+i, f.head)
		if err != nil {
			return err
		}
		if err := book.SetCellStyle(f.Sheet, cell, cell, style); err != nil {
			return err
		}
	}
	n := 0
	err = f.eachExcelAt(func(at int, _ []Cell) error {
		n++
		for i, v := range cells(0, n) {
			if err := put(at, i, v); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return book.Write(w)
}

// writeParquet writes texts; extra numbers are INT64 or DOUBLE.
func writeParquet(ctx context.Context, w *os.File, files []*File, u union, extra []Extra, cells func(int, int) []any) error {
	names := append([]string(nil), u.headers...)
	var first []any
	if len(files) > 0 && files[0].Rows > 0 {
		first = cells(0, 1)
	}
	root := orderedGroup{Group: pq.Group{}}
	for _, n := range u.headers {
		root.add(n, pq.Optional(pq.Compressed(pq.String(), &pq.Snappy)))
	}
	for i, x := range extra {
		names = append(names, x.Name)
		root.add(x.Name, extraNode(x, first, i))
	}
	out := pq.NewWriter(w, pq.NewSchema("list", root), pq.MaxRowsPerRowGroup(122_880))
	row := make(pq.Row, len(names))
	err := rowsOf(ctx, files, u, func(file, n int, in []Cell) error {
		for i, c := range in {
			row[i] = pq.NullValue().Level(0, 0, i)
			if c != nil {
				row[i] = pq.ByteArrayValue([]byte(*c)).Level(0, 1, i)
			}
		}
		for k, v := range cells(file, n) {
			i := len(in) + k
			row[i] = parquetValue(v, i)
		}
		_, err := out.WriteRows([]pq.Row{row})
		return err
	})
	if err != nil {
		return err
	}
	return out.Close()
}

// orderedGroup is a group whose fields stand in the order in which they were added; the library's own sorts them by name.
type orderedGroup struct {
	pq.Group
	order []string
}

func (g *orderedGroup) add(name string, n pq.Node) {
	g.Group[name] = n
	g.order = append(g.order, name)
}

// Fields lists the fields in order.
func (g orderedGroup) Fields() []pq.Field {
	byName := map[string]pq.Field{}
	for _, f := range g.Group.Fields() {
		byName[f.Name()] = f
	}
	out := make([]pq.Field, len(g.order))
	for i, n := range g.order {
		out[i] = byName[n]
	}
	return out
}

// copyParquet lets DuckDB write the file's columns with their types, and the extra ones beside them.
func (f *File) copyParquet(ctx context.Context, out string, extra []Extra, cells func(int, int) []any) error {
	db, err := f.duck(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	var cols []string
	for i, x := range extra {
		typ := "varchar"
		if x.Number {
			typ = "double"
			if f.Rows > 0 {
				if _, ok := cells(0, 1)[i].(int); ok {
					typ = "bigint"
				}
			}
		}
		cols = append(cols, duck.Ident(x.Name)+" "+typ)
	}
	if err := db.Exec(ctx, "create table extra ("+strings.Join(cols, ", ")+")"); err != nil {
		return err
	}
	app, err := db.NewAppender(ctx, "main", "extra")
	if err != nil {
		return err
	}
	for n := 1; n <= f.Rows; n++ {
		if err := app.Append(cells(0, n)); err != nil {
			app.Abort()
			return err
		}
	}
	if err := app.Close(); err != nil {
		return err
	}
	return db.Exec(ctx, fmt.Sprintf("copy (select * from %s positional join extra) to %s (format parquet, compression zstd)", f.relation(), duck.Quote(out)))
}

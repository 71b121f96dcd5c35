package file

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/xuri/excelize/v2"

	"millrace/extract"
	"millrace/internal/fault"
	"millrace/internal/sheet"
)

// excelReader reads one sheet row by row. Dates come as ISO 8601 text, numbers as the number that the cell holds and not
// as it is formatted, truth values as TRUE and FALSE.
type excelReader struct {
	st    stream
	in    input
	f     *excelize.File
	rows  *excelize.Rows
	names []string
	dates [][]layout
	row   int64 // number of the row last read, from 1
	n     int64 // rows handed on
	skip  int64
}

func openExcel(st stream, p plan) (reader, error) {
	f, err := excelize.OpenFile(p.in.path, excelize.Options{UnzipXMLSizeLimit: 16 << 20, UnzipSizeLimit: 16 << 30})
	if err != nil {
		return nil, &fault.Error{File: p.in.path, Msg: "is not an Excel workbook that can be read", Err: err, Hint: "Save it as .xlsx without a password."}
	}
	r := &excelReader{st: st, in: p.in, f: f, skip: p.at.Rows}
	if err := r.open(); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

func (r *excelReader) close() error {
	if r.rows != nil {
		r.rows.Close()
	}
	return r.f.Close()
}

func (r *excelReader) position() position { return position{Rows: r.n} }

func (r *excelReader) open() error {
	sheets := r.f.GetSheetList()
	name := r.st.opt.Sheet
	if name == "" {
		if len(sheets) == 0 {
			return &fault.Error{File: r.in.path, Msg: "has no sheet", Hint: "Check the workbook."}
		}
		name = sheets[0]
	}
	if i, err := r.f.GetSheetIndex(name); err != nil || i < 0 {
		return &fault.Error{File: r.in.path, Key: "sheet", Value: name, Msg: "the workbook has no such sheet", Hint: fault.DidYouMean(name, sheets)}
	}
	if err := sheet.Plain(r.f); err != nil {
		return err
	}
	rows, err := r.f.Rows(name)
	if err != nil {
		return fmt.Errorf("read sheet %s: %w", name, err)
	}
	r.rows = rows
	headerless := r.st.opt.Header != nil && !*r.st.opt.Header
	at := max(1, r.st.opt.HeaderRow)
	for !headerless {
		cells, ok, err := r.next()
		if err != nil {
			return err
		}
		if !ok {
			return nil
		}
		if r.row < int64(at) || strings.Join(cells, "") == "" {
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		r.names = distinct(cells)
		break
	}
	return nil
}

// next reads one row; ok is false at the end.
func (r *excelReader) next() (cells []string, ok bool, err error) {
	if !r.rows.Next() {
		if err := r.rows.Error(); err != nil {
			return nil, false, &fault.Error{File: r.in.path, Msg: fmt.Sprintf("the sheet cannot be read after row %d", r.row), Err: err, Hint: "Open it in Excel and save it again."}
		}
		return nil, false, nil
	}
	r.row++
	cells, err = r.rows.Columns()
	if err != nil {
		return nil, false, &fault.Error{File: r.in.path, Msg: fmt.Sprintf("row %d cannot be read", r.row), Err: err, Hint: "Open it in Excel and save it again."}
	}
	return cells, true, nil
}

func (r *excelReader) fill(b *extract.Batch) (bool, error) {
	b.Text = true
	size := 0
	for len(b.Rows) < batchRows && size < batchBytes {
		cells, ok, err := r.next()
		if err != nil {
			return false, err
		}
		if !ok {
			b.Columns = r.names
			return false, nil
		}
		if r.names == nil {
			for i := range cells {
				r.names = append(r.names, "column_"+strconv.Itoa(i+1))
			}
		}
		if r.dates == nil {
			r.dates = r.st.layoutsOf(r.names)
		}
		if strings.Join(cells, "") == "" {
			continue
		}
		r.n++
		if r.skip > 0 {
			r.skip--
			continue
		}
		id := r.in.name + ":" + strconv.FormatInt(r.row, 10)
		for len(cells) > len(r.names) && cells[len(cells)-1] == "" {
			cells = cells[:len(cells)-1]
		}
		if len(cells) > len(r.names) {
			b.Bad = append(b.Bad, extract.BadRow{RowID: id, Reason: fmt.Sprintf("row %d: expected %d cells as in the row of names, found %d", r.row, len(r.names), len(cells)), Raw: []byte(strings.Join(cells, "\t"))})
			continue
		}
		row := make([]any, len(r.names))
		for i, c := range cells {
			size += len(c)
			if r.st.nulls[c] {
				continue
			}
			if r.dates[i] != nil {
				c = iso(c, r.dates[i])
			}
			row[i] = c
		}
		b.Rows = append(b.Rows, row)
		b.RowIDs = append(b.RowIDs, id)
	}
	b.Columns = r.names
	return true, nil
}

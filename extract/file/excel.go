package file

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/xuri/excelize/v2"

	"millrace/extract"
	"millrace/internal/fault"
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
	sheet := r.st.opt.Sheet
	if sheet == "" {
		if len(sheets) == 0 {
			return &fault.Error{File: r.in.path, Msg: "has no sheet", Hint: "Check the workbook."}
		}
		sheet = sheets[0]
	}
	if i, err := r.f.GetSheetIndex(sheet); err != nil || i < 0 {
		return &fault.Error{File: r.in.path, Key: "sheet", Value: sheet, Msg: "the workbook has no such sheet", Hint: fault.DidYouMean(sheet, sheets)}
	}
	if err := r.plainFormats(); err != nil {
		return err
	}
	rows, err := r.f.Rows(sheet)
	if err != nil {
		return fmt.Errorf("read sheet %s: %w", sheet, err)
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

// plainFormats makes the library give date cells as ISO 8601 and other numbers as they are stored. It does so by changing
// the number formats of the opened copy; the file is not written.
func (r *excelReader) plainFormats() error {
	day, moment := "yyyy-mm-dd", "yyyy-mm-dd hh:mm:ss"
	dayStyle, err := r.f.NewStyle(&excelize.Style{CustomNumFmt: &day})
	if err != nil {
		return fmt.Errorf("read styles: %w", err)
	}
	momentStyle, err := r.f.NewStyle(&excelize.Style{CustomNumFmt: &moment})
	if err != nil {
		return fmt.Errorf("read styles: %w", err)
	}
	xfs := r.f.Styles.CellXfs.Xf
	dayID, momentID, none := *xfs[dayStyle].NumFmtID, *xfs[momentStyle].NumFmtID, 9999
	codes := map[int]string{}
	if r.f.Styles.NumFmts != nil {
		for _, n := range r.f.Styles.NumFmts.NumFmt {
			codes[n.NumFmtID] = n.FormatCode
		}
	}
	for i := range xfs {
		if xfs[i].NumFmtID == nil {
			continue
		}
		id := *xfs[i].NumFmtID
		hasDay, hasClock := dateParts(id, codes[id])
		switch {
		case hasDay && hasClock:
			xfs[i].NumFmtID = &momentID
		case hasDay:
			xfs[i].NumFmtID = &dayID
		case hasClock: // a time of day or a duration: as it is shown
		default:
			xfs[i].NumFmtID = &none // a format that nothing defines: the stored number
		}
	}
	return nil
}

// dateParts tells whether a number format shows a day and whether it shows a time. Source: ECMA-376 part 1, 18.8.30
// (built-in formats) and 18.8.31 (format codes).
func dateParts(id int, code string) (day, clock bool) {
	switch {
	case code != "":
	case id >= 14 && id <= 17, id >= 27 && id <= 31, id == 36, id >= 50 && id <= 54, id >= 57 && id <= 58:
		return true, false
	case id == 22:
		return true, true
	case id >= 18 && id <= 21, id >= 32 && id <= 35, id >= 45 && id <= 47, id >= 55 && id <= 56:
		return false, true
	}
	code, _, _ = strings.Cut(code, ";") // the format of positive numbers
	for i := 0; i < len(code); i++ {
		switch c := code[i] | 0x20; {
		case code[i] == '"':
			if n := strings.IndexByte(code[i+1:], '"'); n >= 0 {
				i += n + 1
			}
		case code[i] == '[':
			if n := strings.IndexByte(code[i:], ']'); n >= 0 {
				if inner := strings.Trim(strings.ToLower(code[i+1:i+n]), "hms"); inner == "" {
					clock = true // [h]:mm is a duration
				}
				i += n
			}
		case code[i] == '\\', code[i] == '_', code[i] == '*':
			i++
		case c == 'g' && len(code) >= i+7 && strings.EqualFold(code[i:i+7], "general"):
			i += 6
		case c == 'y', c == 'd':
			day = true
		case c == 'h', c == 's':
			clock = true
		}
	}
	return day, clock
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

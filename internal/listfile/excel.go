package listfile

import (
	"fmt"
	"strings"

	"github.com/xuri/excelize/v2"

	"millrace/internal/fault"
	"millrace/internal/sheet"
)

// workbook opens the file for reading; dates come as ISO 8601 and numbers as they are stored.
func (f *File) workbook() (*excelize.File, error) {
	w, err := excelize.OpenFile(f.Path, excelize.Options{UnzipXMLSizeLimit: 16 << 20, UnzipSizeLimit: 16 << 30})
	if err != nil {
		return nil, &fault.Error{File: f.Path, Msg: "is not an Excel workbook that can be read", Err: err, Hint: "Save it as .xlsx without a password."}
	}
	if err := sheet.Plain(w); err != nil {
		w.Close()
		return nil, &fault.Error{File: f.Path, Err: err}
	}
	return w, nil
}

// openExcel finds the sheet that holds the list, and in it the row of names.
func (f *File) openExcel() error {
	w, err := f.workbook()
	if err != nil {
		return err
	}
	defer w.Close()
	all := w.GetSheetList()
	type found struct {
		name   string
		top    [][]string
		at     []int // row of the sheet of each of top
		filled int   // rows that hold something
	}
	var lists []found
	for _, name := range all {
		if f.opt.Sheet != "" && !strings.EqualFold(name, f.opt.Sheet) {
			continue
		}
		x := found{name: name}
		err := eachSheetRow(w, f.Path, name, func(n int, cells []string) error {
			if x.filled++; len(x.top) < 20 {
				x.top, x.at = append(x.top, append([]string(nil), cells...)), append(x.at, n)
			}
			return nil
		})
		if err != nil {
			return err
		}
		if x.filled > 0 {
			lists = append(lists, x)
		}
	}
	if len(lists) == 0 {
		if f.opt.Sheet != "" {
			hint := fault.DidYouMean(f.opt.Sheet, all)
			for _, name := range all {
				if strings.EqualFold(name, f.opt.Sheet) {
					return &fault.Error{File: f.Path, Key: "--sheet", Value: f.opt.Sheet, Msg: "the sheet is empty", Hint: "Choose another sheet: " + strings.Join(all, ", ") + "."}
				}
			}
			return &fault.Error{File: f.Path, Key: "--sheet", Value: f.opt.Sheet, Msg: "the workbook has no such sheet", Hint: hint}
		}
		return &fault.Error{File: f.Path, Msg: "no sheet holds anything", Hint: "Give a workbook with a row of names and rows below it."}
	}
	pick := lists[0]
	for _, x := range lists[1:] { // the first that is a list: a cover sheet comes before it
		if pick.filled < 2 || headerWidth(pick.top) < 2 && headerWidth(x.top) >= 2 {
			pick = x
		}
	}
	if len(lists) > 1 {
		var others []string
		for _, x := range lists {
			if x.name != pick.name {
				others = append(others, fmt.Sprintf("%s (%d rows)", x.name, x.filled))
			}
		}
		f.note("sheet %s is read; not read: %s. Choose with --sheet", pick.name, strings.Join(others, ", "))
	}
	f.Sheet = pick.name
	i := 0
	if f.opt.HeaderRow > 0 {
		for i < len(pick.at) && pick.at[i] != f.opt.HeaderRow {
			i++
		}
		if i == len(pick.at) {
			return &fault.Error{File: f.Path, Key: "--header-row", Value: fmt.Sprint(f.opt.HeaderRow), Msg: fmt.Sprintf("the row is empty or too far down in sheet %s", pick.name), Hint: "Give the number that Excel shows beside the row of names."}
		}
	} else {
		i = headerRow(pick.top) - 1
	}
	f.head = pick.at[i]
	if i > 0 {
		f.note("row %d holds the names; what stands above it is no row of the list", f.head)
	}
	f.Rows = pick.filled - i - 1
	f.Columns = columns(pick.top[i])
	f.noteHeaders()
	return nil
}

func headerWidth(top [][]string) int {
	if len(top) == 0 {
		return 0
	}
	return filled(top[headerRow(top)-1])
}

// eachSheetRow calls fn with each row that holds something, and its number as Excel shows it.
func eachSheetRow(w *excelize.File, path, name string, fn func(n int, cells []string) error) error {
	rows, err := w.Rows(name)
	if err != nil {
		return &fault.Error{File: path, Msg: fmt.Sprintf("sheet %s cannot be read", name), Err: err, Hint: "Open it in Excel and save it again."}
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		n++
		cells, err := rows.Columns()
		if err != nil {
			return &fault.Error{File: path, Msg: fmt.Sprintf("row %d of sheet %s cannot be read", n, name), Err: err, Hint: "Open it in Excel and save it again."}
		}
		if strings.TrimSpace(strings.Join(cells, "")) == "" {
			continue
		}
		if err := fn(n, cells); err != nil {
			return err
		}
	}
	if err := rows.Error(); err != nil {
		return &fault.Error{File: path, Msg: fmt.Sprintf("sheet %s cannot be read after row %d", name, n), Err: err, Hint: "Open it in Excel and save it again."}
	}
	return nil
}

func (f *File) eachExcel(fn func([]Cell) error) error {
	return f.eachExcelAt(func(_ int, row []Cell) error { return fn(row) })
}

// eachExcelAt also gives the row's number as Excel shows it.
func (f *File) eachExcelAt(fn func(at int, row []Cell) error) error {
	w, err := f.workbook()
	if err != nil {
		return err
	}
	defer w.Close()
	cells := make([]Cell, len(f.Columns))
	return eachSheetRow(w, f.Path, f.Sheet, func(n int, row []string) error {
		if n <= f.head {
			return nil
		}
		for len(row) > len(cells) && strings.TrimSpace(row[len(row)-1]) == "" {
			row = row[:len(row)-1]
		}
		if len(row) > len(cells) {
			return &fault.Error{File: f.Path, Value: row[len(cells)], Msg: fmt.Sprintf("row %d of sheet %s has a cell to the right of the last name", n, f.Sheet), Hint: "Give that column a name, or clear the cell."}
		}
		for i := range cells {
			cells[i] = nil
			if i < len(row) && row[i] != "" {
				s := row[i]
				cells[i] = &s
			}
		}
		return fn(n, cells)
	})
}

package listfile

import (
	"bufio"
	"context"
	"encoding/csv"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	pq "github.com/parquet-go/parquet-go"
	"github.com/xuri/excelize/v2"

	"millrace/internal/atomicfile"
	"millrace/internal/fault"
)

// Table is rows that are made, not read.
type Table struct {
	Columns []Extra
	Rows    int
	Row     func(i int) []any // row i from 0: cells as Extra says
}

// Write writes the table in the format that the path's ending names. The file is whole or as it was before.
func (t *Table) Write(ctx context.Context, path string) error {
	ext := strings.ToLower(filepath.Ext(path))
	if ext == ".xlsx" && t.Rows+1 > excelRows {
		return &fault.Error{Value: path, Msg: strconv.Itoa(t.Rows) + " rows do not fit an Excel sheet", Hint: "Write .csv or .parquet."}
	}
	return atomicfile.WriteTo(path, 0o644, func(w *os.File) error {
		switch ext {
		case ".xlsx":
			return t.excel(ctx, w)
		case ".parquet":
			return t.parquet(ctx, w)
		}
		return t.csv(ctx, w)
	})
}

func (t *Table) each(ctx context.Context, fn func(i int, row []any) error) error {
	for i := range t.Rows {
		if i%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if err := fn(i, t.Row(i)); err != nil {
			return err
		}
	}
	return nil
}

func (t *Table) csv(ctx context.Context, w *os.File) error {
	buf := bufio.NewWriterSize(w, 1<<16)
	out := csv.NewWriter(buf)
	rec := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		rec[i] = c.Name
	}
	if err := out.Write(rec); err != nil {
		return err
	}
	err := t.each(ctx, func(_ int, row []any) error {
		for i, v := range row {
			rec[i] = Text(v)
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

func (t *Table) excel(ctx context.Context, w *os.File) error {
	f := excelize.NewFile()
	defer f.Close()
	s, bold, err := sheetWriter(f, "Pairs", len(t.Columns))
	if err != nil {
		return err
	}
	line := make([]any, len(t.Columns))
	for i, c := range t.Columns {
		line[i] = excelize.Cell{StyleID: bold, Value: c.Name}
	}
	if err := s.SetRow("A1", line); err != nil {
		return err
	}
	if err := t.each(ctx, func(i int, row []any) error { return s.SetRow("A"+strconv.Itoa(i+2), row) }); err != nil {
		return err
	}
	if err := s.Flush(); err != nil {
		return err
	}
	return f.Write(w)
}

// sheetWriter starts the workbook's one sheet: the first row stands still and is bold.
func sheetWriter(f *excelize.File, name string, columns int) (*excelize.StreamWriter, int, error) {
	if err := f.SetSheetName("Sheet1", name); err != nil {
		return nil, 0, err
	}
	bold, err := f.NewStyle(&excelize.Style{Font: &excelize.Font{Bold: true}})
	if err != nil {
		return nil, 0, err
	}
	s, err := f.NewStreamWriter(name)
	if err != nil {
		return nil, 0, err
	}
	if err := s.SetPanes(&excelize.Panes{Freeze: true, YSplit: 1, TopLeftCell: "A2", ActivePane: "bottomLeft"}); err != nil {
		return nil, 0, err
	}
	return s, bold, s.SetColWidth(1, columns, 16)
}

func (t *Table) parquet(ctx context.Context, w *os.File) error {
	root := orderedGroup{Group: pq.Group{}}
	var first []any
	if t.Rows > 0 {
		first = t.Row(0)
	}
	for i, c := range t.Columns {
		root.add(c.Name, extraNode(c, first, i))
	}
	out := pq.NewWriter(w, pq.NewSchema("pairs", root), pq.MaxRowsPerRowGroup(122_880))
	row := make(pq.Row, len(t.Columns))
	err := t.each(ctx, func(_ int, cells []any) error {
		for i, v := range cells {
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

// extraNode is the type of an extra column: as its first cell is, for numbers.
func extraNode(c Extra, first []any, i int) pq.Node {
	if !c.Number {
		return pq.Optional(pq.Compressed(pq.String(), &pq.Snappy))
	}
	if i < len(first) {
		if _, ok := first[i].(int); ok {
			return pq.Optional(pq.Leaf(pq.Int64Type))
		}
	}
	return pq.Optional(pq.Leaf(pq.DoubleType))
}

func parquetValue(v any, i int) pq.Value {
	switch x := v.(type) {
	case nil:
		return pq.NullValue().Level(0, 0, i)
	case int:
		return pq.Int64Value(int64(x)).Level(0, 1, i)
	case float64:
		return pq.DoubleValue(x).Level(0, 1, i)
	}
	return pq.ByteArrayValue([]byte(Text(v))).Level(0, 1, i)
}

package listfile

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"millrace/internal/duck"
	"millrace/internal/fault"
)

// Parquet and JSON are read by DuckDB, within this much memory.
const memoryLimit = "1GB"

func (f *File) duck(ctx context.Context) (*duck.DB, error) {
	return duck.Open(ctx, "", duck.Options{MemoryLimit: memoryLimit, TempDir: f.opt.TempDir, Threads: 2})
}

// relation is the file as DuckDB reads it. Texts in JSON stay texts: nothing is taken for a date.
func (f *File) relation() string {
	if f.Format == Parquet {
		return fmt.Sprintf("read_parquet(%s)", duck.Quote(glob(f.Path)))
	}
	if len(f.Columns) == 0 {
		return fmt.Sprintf("read_json(%s, sample_size=-1, maximum_object_size=67108864)", duck.Quote(glob(f.Path)))
	}
	var cols []string
	for _, c := range f.Columns {
		cols = append(cols, duck.Quote(c.Header)+": 'JSON'")
	}
	return fmt.Sprintf("read_json(%s, columns={%s}, maximum_object_size=67108864)", duck.Quote(glob(f.Path)), strings.Join(cols, ", "))
}

// glob keeps DuckDB from taking signs of a file's name for a pattern.
func glob(path string) string {
	return strings.NewReplacer("[", "[[]", "*", "[*]", "?", "[?]").Replace(path)
}

var numberType = regexp.MustCompile(`^(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|FLOAT|DOUBLE|DECIMAL.*)$`)

func (f *File) openDuck(ctx context.Context) error {
	db, err := f.duck(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	res, err := db.Query(ctx, "describe select * from "+f.relation())
	if err != nil {
		return f.duckError(err)
	}
	var headers []string
	for _, r := range res.Rows {
		headers = append(headers, fmt.Sprint(r[0]))
	}
	cols := columns(headers)
	for i, r := range res.Rows {
		cols[i].Number = numberType.MatchString(fmt.Sprint(r[1]))
	}
	if f.Format == JSON && len(cols) == 1 && cols[0].Header == "json" {
		return &fault.Error{File: f.Path, Msg: "holds no objects", Hint: "Give an array of objects, or one object a line."}
	}
	f.Columns = cols
	res, err = db.Query(ctx, "select count(*) from "+f.relation())
	if err != nil {
		return f.duckError(err)
	}
	if n, ok := res.Rows[0][0].(int64); ok {
		f.Rows = int(n)
	}
	return nil
}

func (f *File) duckError(err error) error {
	what := map[string]string{Parquet: "a Parquet file", JSON: "JSON"}[f.Format]
	return &fault.Error{File: f.Path, Msg: fmt.Sprintf("is not %s that can be read", what), Err: err, Hint: "The file is damaged or was cut off: write or copy it again."}
}

func (f *File) eachDuck(ctx context.Context, fn func([]Cell) error) error {
	db, err := f.duck(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	var exprs []string
	for _, c := range f.Columns {
		if f.Format == JSON { // a text without its quotes, anything else as it is written
			exprs = append(exprs, fmt.Sprintf("%s ->> '$'", duck.Ident(c.Header)))
		} else {
			exprs = append(exprs, fmt.Sprintf("cast(%s as varchar)", duck.Ident(c.Header)))
		}
	}
	cells := make([]Cell, len(f.Columns))
	var inner error
	err = db.Each(ctx, fmt.Sprintf("select %s from %s", strings.Join(exprs, ", "), f.relation()), func(row []any) error {
		for i, v := range row {
			cells[i] = nil
			if s, ok := v.(string); ok {
				cells[i] = &s
			}
		}
		inner = fn(cells)
		return inner
	})
	if inner != nil {
		return inner
	}
	if err != nil {
		return f.duckError(err)
	}
	return nil
}

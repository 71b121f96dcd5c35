package e2e

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	pq "github.com/parquet-go/parquet-go"

	"millrace/extract/landing"
)

// record is one landed row. Values are string (also for JSON), int64, bool, time.Time and *big.Rat (decimals, and
// floating-point numbers at their exact value); a column that is NULL is absent.
type record map[string]any

func (r record) text(col string) string {
	s, _ := r[col].(string)
	return s
}

func (r record) int(col string) (int64, bool) {
	n, ok := r[col].(int64)
	return n, ok
}

func (r record) time(col string) (time.Time, bool) {
	v, ok := r[col].(time.Time)
	return v, ok
}

func (r record) bool(col string) bool {
	b, _ := r[col].(bool)
	return b
}

func (r record) rat(col string) *big.Rat {
	switch v := r[col].(type) {
	case *big.Rat:
		return v
	case int64:
		return new(big.Rat).SetInt64(v)
	}
	return nil
}

// lake is the landed rows of a project, read without DuckDB and without the project's SQL: Parquet files, manifests,
// and the rules of extract/landing.
type lake struct {
	dir    string
	until  time.Time                     // what landed from then on is left out; zero takes everything
	change func(stream string, r record) // alters rows as they are read, for tests of the tests; nil leaves them
}

// runs are the moments at which each run that landed anything began to read, in order.
func (l lake) runs() ([]time.Time, error) {
	all, err := landing.List(l.dir)
	if err != nil {
		return nil, err
	}
	began := map[string]time.Time{}
	for _, loads := range all {
		for _, m := range loads {
			if t, ok := began[m.RunID]; !ok || m.StartedAt.Before(t) {
				began[m.RunID] = m.StartedAt
			}
		}
	}
	return slices.SortedFunc(maps.Values(began), time.Time.Compare), nil
}

// stream returns the rows of "source.stream" that count now: every row of an append stream, the rows of the last
// complete read of a replace stream, the last row per primary key of a merge stream. A stream that never landed has none.
func (l lake) stream(name string) ([]record, error) {
	source, stream, _ := strings.Cut(name, ".")
	loads, err := landing.Loads(l.dir, source, stream)
	if err != nil {
		return nil, err
	}
	if !l.until.IsZero() {
		for _, m := range loads {
			if len(m.Replaces) > 0 {
				return nil, fmt.Errorf("%s: load %s holds compacted rows, so what had landed by %s cannot be told", name, m.LoadID, l.until)
			}
		}
		loads = slices.DeleteFunc(loads, func(m landing.Manifest) bool { return !m.StartedAt.Before(l.until) })
	}
	type placed struct {
		load string
		row  record
	}
	var (
		out []placed
		at  = map[string]int{}
		key []string
	)
	for _, m := range landing.Current(loads) {
		key = m.Schema.PrimaryKey
		for _, f := range m.Files {
			rows, err := readPart(m, f)
			if err != nil {
				return nil, err
			}
			if int64(len(rows)) != f.Rows {
				return nil, fmt.Errorf("%s/%s holds %d rows and its manifest says %d", m.LoadID, f.Name, len(rows), f.Rows)
			}
			for _, r := range rows {
				p := placed{load: r.text(landing.ColLoadID), row: r}
				if m.Disposition != landing.Merge {
					out = append(out, p)
					continue
				}
				parts := make([]string, len(key))
				for i, k := range key {
					parts[i] = fmt.Sprintf("%T %v", r[k], r[k])
				}
				id := strings.Join(parts, "\x00")
				i, seen := at[id]
				switch {
				case !seen:
					at[id] = len(out)
					out = append(out, p)
				case p.load >= out[i].load: // loads, files and rows come in order; an older row landed late does not win
					out[i] = p
				}
			}
		}
	}
	rows := make([]record, len(out))
	for i, p := range out {
		rows[i] = p.row
		if l.change != nil {
			l.change(name, p.row)
		}
	}
	return rows, nil
}

// readPart reads one part file, with the types that its load's manifest gives.
func readPart(m landing.Manifest, f landing.File) (rows []record, err error) {
	path := filepath.Join(m.Dir, f.Name)
	defer func() {
		if err != nil {
			err = fmt.Errorf("read %s: %w", path, err)
		}
	}()
	types := map[string]landing.Type{landing.ColLoadID: landing.Varchar, landing.ColExtractedAt: landing.Timestamp}
	for _, c := range m.Schema.Columns {
		types[c.Name] = c.Type
	}
	for name, t := range f.Columns {
		types[name] = t
	}
	h, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer h.Close()
	info, err := h.Stat()
	if err != nil {
		return nil, err
	}
	file, err := pq.OpenFile(h, info.Size())
	if err != nil {
		return nil, err
	}
	type column struct {
		name string
		at   int
		kind landing.Type
	}
	var cols []column
	for name, kind := range types {
		if leaf, ok := file.Schema().Lookup(name); ok {
			cols = append(cols, column{name: name, at: int(leaf.ColumnIndex), kind: kind})
		}
	}
	for _, g := range file.RowGroups() {
		reader := g.Rows()
		buf := make([]pq.Row, 512)
		for {
			n, err := reader.ReadRows(buf)
			for _, raw := range buf[:n] {
				r := record{}
				for _, c := range cols {
					if v := raw[c.at]; !v.IsNull() {
						if r[c.name], err = value(v, c.kind); err != nil {
							reader.Close()
							return nil, fmt.Errorf("column %s: %w", c.name, err)
						}
					}
				}
				rows = append(rows, r)
			}
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				reader.Close()
				return nil, err
			}
		}
		if err := reader.Close(); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

func value(v pq.Value, kind landing.Type) (any, error) {
	if _, scale, ok := kind.IsDecimal(); ok {
		n := new(big.Int)
		switch v.Kind() {
		case pq.Int32, pq.Int64:
			n.SetInt64(v.Int64())
		default: // big-endian two's complement
			b := v.ByteArray()
			n.SetBytes(b)
			if len(b) > 0 && b[0]&0x80 != 0 {
				n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
			}
		}
		return new(big.Rat).SetFrac(n, new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil)), nil
	}
	switch kind {
	case landing.Varchar, landing.JSON:
		return string(v.ByteArray()), nil
	case landing.BigInt:
		return v.Int64(), nil
	case landing.Boolean:
		return v.Boolean(), nil
	case landing.Double:
		if r := new(big.Rat).SetFloat64(v.Double()); r != nil {
			return r, nil
		}
		return nil, fmt.Errorf("%v is not a number", v.Double())
	case landing.Date:
		return time.Unix(int64(v.Int32())*86400, 0).UTC(), nil
	case landing.Timestamp:
		return time.UnixMicro(v.Int64()).UTC(), nil
	}
	return nil, fmt.Errorf("type %s is not one of the landing's", kind)
}

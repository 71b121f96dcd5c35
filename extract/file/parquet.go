package file

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"strconv"
	"strings"
	"time"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"

	"millrace/extract"
	"millrace/internal/fault"
)

// parquetReader reads a Parquet file row group by row group. Columns of simple types keep them; nested ones become JSON.
type parquetReader struct {
	in     input
	file   *os.File
	groups []pq.RowGroup
	rows   pq.Rows
	flat   []leaf     // by leaf column index
	nested *pq.Schema // set when any column is nested: rows are rebuilt whole
	names  []string
	buf    []pq.Row
	n      int64
	skip   int64
}

// leaf is one flat column.
type leaf struct {
	at      int // index in names
	convert func(pq.Value) any
}

func openParquet(p plan) (reader, error) {
	f, err := os.Open(p.in.path)
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	pf, err := pq.OpenFile(f, p.in.size, pq.SkipBloomFilters(true), pq.ReadBufferSize(256<<10))
	if err != nil {
		f.Close()
		return nil, &fault.Error{File: p.in.path, Msg: "is not a Parquet file that can be read", Err: err, Hint: "The file is damaged or was cut off: write or copy it again."}
	}
	r := &parquetReader{in: p.in, file: f, groups: pf.RowGroups(), skip: p.at.Rows, buf: make([]pq.Row, 512)}
	r.names, r.flat, r.nested = leaves(pf.Schema())
	return r, nil
}

// leaves describes the columns of a Parquet schema.
func leaves(s *pq.Schema) (names []string, flat []leaf, nested *pq.Schema) {
	for i, field := range s.Fields() {
		names = append(names, field.Name())
		if !field.Leaf() || field.Repeated() {
			nested = s
			continue
		}
		flat = append(flat, leaf{at: i, convert: converter(field)})
	}
	return names, flat, nested
}

// converter turns one column's values into cells. Source: Parquet format, LogicalTypes.md.
func converter(n pq.Node) func(pq.Value) any {
	t := n.Type()
	if lt := t.LogicalType(); lt != nil {
		switch x := lt.Value.(type) {
		case *format.DecimalType:
			return func(v pq.Value) any { return decimalText(v, int(x.Scale)) }
		case *format.DateType:
			return func(v pq.Value) any {
				return time.Unix(int64(v.Int32())*86400, 0).UTC()
			}
		case *format.TimestampType:
			unit := time.Millisecond
			switch x.Unit.Value.(type) {
			case *format.MicroSeconds:
				unit = time.Microsecond
			case *format.NanoSeconds:
				unit = time.Nanosecond
			}
			return func(v pq.Value) any {
				n := v.Int64()
				per := int64(time.Second / unit)
				sec, rest := n/per, n%per
				if rest < 0 {
					sec, rest = sec-1, rest+per
				}
				return time.Unix(sec, rest*int64(unit)).UTC()
			}
		case *format.TimeType:
			return func(v pq.Value) any {
				d := time.Duration(v.Int64()) * time.Microsecond
				switch x.Unit.Value.(type) {
				case *format.MilliSeconds:
					d = time.Duration(v.Int32()) * time.Millisecond
				case *format.NanoSeconds:
					d = time.Duration(v.Int64())
				}
				return time.Unix(0, 0).UTC().Add(d).Format("15:04:05.999999999")
			}
		case *format.JsonType:
			return func(v pq.Value) any { return json.RawMessage(append([]byte(nil), v.ByteArray()...)) }
		case *format.UUIDType:
			return func(v pq.Value) any {
				h := hex.EncodeToString(v.ByteArray())
				if len(h) != 32 {
					return h
				}
				return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
			}
		case *format.IntType:
			if !x.IsSigned && x.BitWidth == 64 {
				return func(v pq.Value) any {
					if u := v.Uint64(); u > 1<<63-1 {
						return json.Number(strconv.FormatUint(u, 10))
					}
					return v.Int64()
				}
			}
			if !x.IsSigned && x.BitWidth == 32 {
				return func(v pq.Value) any { return int64(v.Uint32()) }
			}
		}
	}
	switch t.Kind() {
	case pq.Boolean:
		return func(v pq.Value) any { return v.Boolean() }
	case pq.Int32:
		return func(v pq.Value) any { return int64(v.Int32()) }
	case pq.Int64:
		return func(v pq.Value) any { return v.Int64() }
	case pq.Int96:
		return func(v pq.Value) any { return int96Time(v) }
	case pq.Float:
		return func(v pq.Value) any {
			f, err := strconv.ParseFloat(strconv.FormatFloat(float64(v.Float()), 'g', -1, 32), 64)
			if err != nil {
				return float64(v.Float())
			}
			return f // 0.1 as people wrote it, not 0.10000000149011612
		}
	case pq.Double:
		return func(v pq.Value) any { return v.Double() }
	}
	return func(v pq.Value) any { return string(v.ByteArray()) }
}

// int96Time is Impala's old timestamp: nanoseconds of the day, then the Julian day number.
func int96Time(v pq.Value) any {
	i := v.Int96()
	nanos := int64(i[1])<<32 | int64(i[0])
	return time.Unix((int64(i[2])-2440588)*86400, nanos).UTC()
}

func decimalText(v pq.Value, scale int) any {
	n := new(big.Int)
	switch v.Kind() {
	case pq.Int32:
		n.SetInt64(int64(v.Int32()))
	case pq.Int64:
		n.SetInt64(v.Int64())
	default:
		b := v.ByteArray()
		n.SetBytes(b)
		if len(b) > 0 && b[0]&0x80 != 0 {
			n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
		}
	}
	s := new(big.Int).Abs(n).String()
	if scale > 0 {
		if len(s) <= scale {
			s = strings.Repeat("0", scale-len(s)+1) + s
		}
		s = s[:len(s)-scale] + "." + s[len(s)-scale:]
	}
	if n.Sign() < 0 {
		s = "-" + s
	}
	return json.Number(s)
}

func (r *parquetReader) close() error {
	if r.rows != nil {
		r.rows.Close()
	}
	return r.file.Close()
}

func (r *parquetReader) position() position { return position{Rows: r.n} }

func (r *parquetReader) fill(b *extract.Batch) (bool, error) {
	b.Columns = r.names
	size := 0
	for len(b.Rows) < batchRows && size < batchBytes {
		if r.rows == nil {
			if len(r.groups) == 0 {
				return false, nil
			}
			g := r.groups[0]
			r.groups = r.groups[1:]
			if n := g.NumRows(); r.skip >= n {
				r.skip -= n
				r.n += n
				continue
			}
			r.rows = g.Rows()
			if r.skip > 0 {
				if err := r.rows.SeekToRow(r.skip); err != nil {
					return false, r.trouble(err)
				}
				r.n += r.skip
				r.skip = 0
			}
		}
		n, err := r.rows.ReadRows(r.buf)
		for _, row := range r.buf[:n] {
			cells := make([]any, len(r.names))
			if err := r.cells(row, cells); err != nil {
				return false, r.trouble(err)
			}
			for _, c := range cells {
				if s, ok := c.(string); ok {
					size += len(s)
				}
			}
			r.n++
			b.Rows = append(b.Rows, cells)
			b.RowIDs = append(b.RowIDs, r.in.name+":"+strconv.FormatInt(r.n, 10))
		}
		if errors.Is(err, io.EOF) {
			if err := r.rows.Close(); err != nil {
				return false, r.trouble(err)
			}
			r.rows = nil
		} else if err != nil {
			return false, r.trouble(err)
		}
	}
	return true, nil
}

func (r *parquetReader) trouble(err error) error {
	return &fault.Error{File: r.in.path, Msg: fmt.Sprintf("cannot be read after row %d", r.n), Err: err, Hint: "The file is damaged: write or copy it again."}
}

func (r *parquetReader) cells(row pq.Row, cells []any) error {
	if r.nested == nil {
		for i, v := range row {
			if i < len(r.flat) && !v.IsNull() {
				cells[r.flat[i].at] = r.flat[i].convert(v)
			}
		}
		return nil
	}
	whole := map[string]any{}
	if err := r.nested.Reconstruct(&whole, row); err != nil {
		return err
	}
	// Flat columns are converted like those of a flat file; the leaf index follows the order of the schema.
	at := 0
	for i, field := range r.nested.Fields() {
		width := leafCount(field)
		if field.Leaf() && !field.Repeated() {
			for _, v := range row {
				if v.Column() == at && !v.IsNull() {
					cells[i] = converter(field)(v)
				}
			}
		} else if v := whole[field.Name()]; v != nil {
			raw, err := json.Marshal(jsonable(v))
			if err != nil {
				return err
			}
			if string(raw) != "null" {
				cells[i] = json.RawMessage(raw)
			}
		}
		at += width
	}
	return nil
}

func leafCount(n pq.Node) int {
	if n.Leaf() {
		return 1
	}
	c := 0
	for _, f := range n.Fields() {
		c += leafCount(f)
	}
	return c
}

// jsonable writes byte strings as text, which is what they hold nearly always.
func jsonable(v any) any {
	switch x := v.(type) {
	case []byte:
		return string(x)
	case map[string]any:
		for k := range x {
			x[k] = jsonable(x[k])
		}
	case []any:
		for i := range x {
			x[i] = jsonable(x[i])
		}
	}
	return v
}

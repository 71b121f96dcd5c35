package parquet

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"time"

	pq "github.com/parquet-go/parquet-go"

	"millrace/extract/landing"
)

// readBatch rows are read at once.
const readBatch = 1024

// scan reads a landed file row by row, in order. The row and its byte values are valid until the next one.
func scan(path string, names []string) iter.Seq2[[]pq.Value, error] {
	return func(yield func([]pq.Value, error) bool) {
		fail := func(err error) { yield(nil, fmt.Errorf("read %s: %w", path, err)) }
		f, err := os.Open(path)
		if err != nil {
			fail(err)
			return
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			fail(err)
			return
		}
		file, err := pq.OpenFile(f, info.Size(), pq.SkipBloomFilters(true), pq.SkipPageIndex(true), pq.ReadBufferSize(256<<10))
		if err != nil {
			fail(err)
			return
		}
		at := make([]int, len(names))
		for i, n := range names {
			leaf, ok := file.Schema().Lookup(n)
			if !ok {
				fail(fmt.Errorf("column %s is not in it", n))
				return
			}
			at[i] = int(leaf.ColumnIndex)
		}
		out := make([]pq.Value, len(names))
		buf := make([]pq.Row, readBatch)
		for _, g := range file.RowGroups() {
			rows := g.Rows()
			for {
				n, err := rows.ReadRows(buf)
				for _, row := range buf[:n] {
					for i := range out {
						out[i] = row[at[i]]
					}
					if !yield(out, nil) {
						rows.Close()
						return
					}
				}
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					rows.Close()
					fail(err)
					return
				}
			}
			if err := rows.Close(); err != nil {
				fail(err)
				return
			}
		}
	}
}

// cellOf turns a landed value back into a cell that casts to the same value.
func cellOf(v pq.Value, c caster) any {
	if v.IsNull() {
		return nil
	}
	switch c.kind {
	case kBigInt:
		return v.Int64()
	case kDouble:
		return v.Double()
	case kBoolean:
		return v.Boolean()
	case kDate:
		return time.Unix(int64(v.Int32())*86400, 0).UTC()
	case kTimestamp:
		return time.UnixMicro(v.Int64()).UTC()
	case kJSON:
		return json.RawMessage(append([]byte(nil), v.ByteArray()...))
	case kDecimal:
		return json.Number(decimalText(big.NewInt(v.Int64()), c.s))
	case kWide:
		b := v.ByteArray()
		n := new(big.Int).SetBytes(b)
		if len(b) > 0 && b[0]&0x80 != 0 {
			n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
		}
		return json.Number(decimalText(n, c.s))
	}
	return string(v.ByteArray())
}

func decimalText(n *big.Int, scale int) string {
	s := new(big.Int).Abs(n).String()
	if scale > 0 {
		if len(s) <= scale {
			s = strings.Repeat("0", scale-len(s)+1) + s
		}
		s = s[:len(s)-scale] + "." + s[len(s)-scale:]
	}
	if n.Sign() < 0 {
		return "-" + s
	}
	return s
}

// Quarantined is one row that did not fit.
type Quarantined struct {
	Load        string    `json:"load_id"` // that first read it
	RowID       string    `json:"row_id"`
	Reason      string    `json:"reason"`
	Column      string    `json:"column,omitempty"`
	Value       string    `json:"value,omitempty"`
	Raw         string    `json:"raw"` // the whole row: a JSON object, or the text as read
	ExtractedAt time.Time `json:"extracted_at"`
}

// ReadQuarantine reads the quarantined rows of one load in the order in which they were met.
func ReadQuarantine(m landing.Manifest) iter.Seq2[Quarantined, error] {
	names := make([]string, 0, 7)
	for _, f := range quarantineFields() {
		names = append(names, f.name)
	}
	return func(yield func(Quarantined, error) bool) {
		for _, f := range m.Quarantine {
			for v, err := range scan(filepath.Join(m.Dir, f.Name), names) {
				if err != nil {
					yield(Quarantined{}, err)
					return
				}
				q := Quarantined{RowID: string(v[0].ByteArray()), Reason: string(v[1].ByteArray()), Raw: string(v[4].ByteArray()),
					Load: string(v[5].ByteArray()), ExtractedAt: time.UnixMicro(v[6].Int64()).UTC()}
				if !v[2].IsNull() {
					q.Column = string(v[2].ByteArray())
				}
				if !v[3].IsNull() {
					q.Value = string(v[3].ByteArray())
				}
				if !yield(q, nil) {
					return
				}
			}
		}
	}
}

// Waiting are the loads whose quarantined rows still wait: of the newest read (see landing.Manifest.Starts), not replayed.
func Waiting(loads []landing.Manifest) []landing.Manifest {
	first := 0
	done := map[string]bool{}
	for i, m := range loads {
		if m.Starts {
			first = i
		}
		for _, id := range m.Replayed {
			done[id] = true
		}
	}
	var out []landing.Manifest
	for _, m := range loads[first:] {
		if m.Quarantined > 0 && !done[m.LoadID] {
			out = append(out, m)
		}
	}
	return out
}

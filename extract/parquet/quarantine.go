package parquet

import (
	"fmt"
	"strings"
	"unicode/utf8"

	pq "github.com/parquet-go/parquet-go"

	"millrace/extract/landing"
)

// rejected is one row that did not fit.
type rejected struct {
	rowID, reason, column, value, raw string
	from                              *origin // nil: this load
}

// quarantine writes the rows of one load that did not fit: _row_id, reason, column, value, raw, _load_id, _extracted_at.
type quarantine struct {
	dir  string
	opt  Options
	part *part
	ch   *chunk
	done []landing.File
}

// quarantineBatch rows are handed over at once; few, because a raw row may be large.
const quarantineBatch = 256

func quarantineFields() []field {
	text := newCaster(landing.Varchar, false)
	return []field{
		{name: landing.ColRowID, cast: text, required: true, plain: true},
		{name: "reason", cast: text, required: true},
		{name: "column", cast: text},
		{name: "value", cast: text},
		{name: "raw", cast: text, required: true, plain: true},
		{name: landing.ColLoadID, cast: text, required: true},
		{name: landing.ColExtractedAt, cast: newCaster(landing.Timestamp, false), required: true},
	}
}

// reject puts one row into quarantine (P2).
func (w *writer) reject(r rejected) error {
	q := w.quarantine
	if q == nil {
		q = &quarantine{dir: w.dir, opt: w.l.opt}
		w.quarantine = q
	}
	if q.part == nil {
		p, err := newPart(q.dir, fmt.Sprintf("quarantine-%05d.parquet", len(q.done)+1), quarantineFields(), q.opt)
		if err != nil {
			return err
		}
		q.part = p
	}
	if q.ch == nil {
		ch, err := q.part.get()
		if err != nil {
			return err
		}
		q.ch = ch
	}
	for _, s := range []*string{&r.rowID, &r.reason, &r.column, &r.value, &r.raw} {
		*s = validText(*s)
	}
	from := origin{loadID: w.m.LoadID, at: w.start}
	if r.from != nil {
		from = *r.from
	}
	optional := func(s string, col int) pq.Value {
		if s == "" {
			return pq.Value{}.Level(0, 0, col)
		}
		return stringValue(s).Level(0, 1, col)
	}
	for i, v := range []pq.Value{
		stringValue(r.rowID).Level(0, 0, 0), stringValue(r.reason).Level(0, 0, 1), optional(r.column, 2), optional(r.value, 3),
		stringValue(r.raw).Level(0, 0, 4), stringValue(from.loadID).Level(0, 0, 5), pq.Int64Value(from.at).Level(0, 0, 6),
	} {
		q.ch.cols[i] = append(q.ch.cols[i], v)
	}
	q.ch.rows++
	q.ch.bytes += int64(len(r.raw)+len(r.reason)+len(r.value)) + 64
	if q.ch.rows >= quarantineBatch || q.ch.bytes >= q.opt.RowGroupBytes/4 {
		return q.flush()
	}
	return nil
}

// validText writes bytes that are not UTF-8 as \xE9, so that every reader can show them.
func validText(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n <= 1 {
			fmt.Fprintf(&b, `\x%02X`, s[i])
			i++
			continue
		}
		b.WriteString(s[i : i+n])
		i += n
	}
	return b.String()
}

func (q *quarantine) flush() error {
	ch := q.ch
	q.ch = nil
	if ch == nil || ch.rows == 0 {
		return nil
	}
	if err := q.part.write(ch); err != nil {
		return err
	}
	if q.part.written.Load() < q.opt.PartBytes {
		return nil
	}
	return q.closePart()
}

func (q *quarantine) closePart() error {
	f, err := q.part.close()
	q.part = nil
	if err != nil {
		return err
	}
	q.done = append(q.done, f)
	return nil
}

func (q *quarantine) close() ([]landing.File, error) {
	if q.part != nil {
		if err := q.flush(); err != nil {
			return nil, err
		}
	}
	if q.part != nil {
		if err := q.closePart(); err != nil {
			return nil, err
		}
	}
	return q.done, nil
}

func (q *quarantine) abort() {
	if q.part != nil {
		q.part.abort()
	}
}

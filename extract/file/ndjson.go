package file

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"
	"unsafe"

	"github.com/valyala/fastjson"
	"github.com/valyala/fastjson/fastfloat"

	"millrace/extract"
)

// ndjsonReader reads one JSON object a line.
type ndjsonReader struct {
	in   input
	t    *text
	b    *block
	rec  *records
	skip int64
}

func openNDJSON(st stream, p plan) (*ndjsonReader, error) {
	t, err := openText(p.in.path, st.opt.Encoding)
	if err != nil {
		return nil, err
	}
	r := &ndjsonReader{in: p.in, t: t, b: newBlock(t, p.in.path), rec: newRecords(st)}
	if t.plain && p.at.Offset > 0 {
		err = r.b.resume(p.at)
	} else {
		r.skip = p.at.Rows
	}
	if err != nil {
		t.Close()
		return nil, err
	}
	return r, nil
}

func (r *ndjsonReader) close() error       { return r.t.Close() }
func (r *ndjsonReader) position() position { return r.b.position() }

func (r *ndjsonReader) fill(b *extract.Batch) (bool, error) {
	r.rec.begin()
	r.b.open, r.b.openLine = 0, 0
	used, line, more := 0, r.b.line, true
	for len(r.rec.rows) < batchRows && used < batchBytes {
		window := r.b.unread()
		n := bytes.IndexByte(window[used:], '\n') + 1
		if n == 0 {
			if !r.b.eof {
				if used > 0 {
					break
				}
				err := r.b.more()
				if err == errTooLong {
					if err := r.tooLong(b, line); err != nil {
						return false, err
					}
					line = r.b.line
					continue
				}
				if err != nil && err != io.EOF {
					return false, err
				}
				continue
			}
			if n = len(window) - used; n == 0 {
				more = false
				break
			}
			r.b.open, r.b.openLine = r.b.off+int64(used)+1, line
		}
		raw := window[used : used+n]
		used += n
		if rec := bytes.TrimSpace(raw); len(rec) > 0 {
			if r.skip > 0 {
				r.skip--
			} else if reason := r.rec.add(rec, r.in.name, line); reason != "" {
				r.reject(b, line, rec, reason)
			}
			r.b.rows++
		}
		line++
	}
	r.rec.end(b)
	r.b.take(used)
	return more, nil
}

func (r *ndjsonReader) reject(b *extract.Batch, line int64, rec []byte, reason string) {
	b.Bad = append(b.Bad, extract.BadRow{RowID: r.in.name + ":" + strconv.FormatInt(line, 10), Reason: reason, Raw: clip(rec)})
}

// tooLong passes over a line that does not fit the window.
func (r *ndjsonReader) tooLong(b *extract.Batch, line int64) error {
	head := append([]byte(nil), r.b.unread()[:batchBytes]...)
	for {
		r.b.take(len(r.b.unread()))
		err := r.b.more()
		if err != nil && err != io.EOF {
			return err
		}
		n := bytes.IndexByte(r.b.unread(), '\n')
		if n >= 0 || err == io.EOF {
			r.reject(b, line, head, fmt.Sprintf("line %d is longer than %d MB; the first %d MB are kept here", line, maxRecord>>20, batchBytes>>20))
			r.b.rows++
			r.b.take(n + 1)
			return nil
		}
	}
}

// records turns JSON objects into rows. Columns are in order of first appearance in the file; strings of one batch share
// memory that is not written to again.
type records struct {
	st     stream
	parser fastjson.Parser
	names  []string
	at     map[string]int
	rows   [][]any
	ids    []string
	arena  []byte
	buf    []byte
	flat   []any
	faulty bool // a value of the row is not valid JSON, though the fast parser took it
}

func newRecords(st stream) *records { return &records{st: st, at: map[string]int{}} }

// begin starts a batch; rows of the one before belong to its consumer.
func (r *records) begin() {
	r.rows = make([][]any, 0, cap(r.rows))
	r.ids = make([]string, 0, cap(r.ids))
	r.arena, r.flat = nil, nil
}

func (r *records) end(b *extract.Batch) {
	b.Columns = r.names[:len(r.names):len(r.names)]
	b.Rows, b.RowIDs = r.rows, r.ids
}

// add takes one JSON text. It returns why it is not a row, or "".
func (r *records) add(rec []byte, file string, line int64) string {
	if !utf8.Valid(rec) {
		return badUTF8(rec, line)
	}
	v, err := r.parser.ParseBytes(rec)
	if err != nil {
		return fmt.Sprintf("line %d is not valid JSON: %s", line, jsonTrouble(rec, err))
	}
	o, err := v.Object()
	if err != nil {
		return fmt.Sprintf("line %d: expected a JSON object, found %s", line, v.Type())
	}
	width := max(len(r.names), o.Len())
	if len(r.flat) < width {
		r.flat = make([]any, max(width*256, width))
	}
	row := r.flat[:width:width]
	r.flat = r.flat[width:]
	next := 0
	r.faulty = false
	o.Visit(func(key []byte, v *fastjson.Value) {
		i := next
		if i >= len(r.names) || r.names[i] != string(key) {
			var ok bool
			if i, ok = r.at[string(key)]; !ok {
				i = len(r.names)
				r.at[string(key)] = i
				r.names = append(r.names, string(key))
			}
		}
		next = i + 1
		for i >= len(row) {
			row = append(row, nil)
		}
		row[i] = r.cell(v)
	})
	if r.faulty {
		return fmt.Sprintf("line %d is not valid JSON: %s", line, jsonTrouble(rec, errNumber))
	}
	r.rows = append(r.rows, row)
	id := append(r.alloc(len(file) + 21)[:0], file...)
	id = append(id, ':')
	id = strconv.AppendInt(id, line, 10)
	r.ids = append(r.ids, unsafe.String(&id[0], len(id)))
	return ""
}

// alloc gives n fresh bytes.
func (r *records) alloc(n int) []byte {
	if cap(r.arena)-len(r.arena) < n {
		r.arena = make([]byte, 0, max(n, 256<<10))
	}
	at := len(r.arena)
	r.arena = r.arena[:at+n]
	return r.arena[at : at+n : at+n]
}

func (r *records) text(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	c := r.alloc(len(b))
	copy(c, b)
	return unsafe.String(&c[0], len(c))
}

func (r *records) cell(v *fastjson.Value) any {
	switch v.Type() {
	case fastjson.TypeNull:
		return nil
	case fastjson.TypeString:
		b, _ := v.StringBytes()
		return r.text(b)
	case fastjson.TypeTrue:
		return true
	case fastjson.TypeFalse:
		return false
	case fastjson.TypeNumber:
		r.buf = v.MarshalTo(r.buf[:0])
		if len(r.buf) < 19 && !bytes.ContainsAny(r.buf, ".eE") {
			if n, err := fastfloat.ParseInt64(unsafe.String(&r.buf[0], len(r.buf))); err == nil {
				return n
			}
		}
		r.faulty = r.faulty || !json.Valid(r.buf)
		return json.Number(r.text(r.buf))
	}
	r.buf = v.MarshalTo(r.buf[:0])
	r.faulty = r.faulty || !json.Valid(r.buf)
	return json.RawMessage(append(r.alloc(len(r.buf))[:0], r.buf...))
}

// errNumber stands for what the fast parser lets through: 01, 1.2.3, nan.
var errNumber = errors.New("a number is not written as JSON writes numbers")

// jsonTrouble says where JSON goes wrong. The fast parser's own message repeats the whole text.
func jsonTrouble(rec []byte, err error) string {
	var syntax *json.SyntaxError
	var v any
	if e := json.Unmarshal(rec, &v); e != nil {
		if s, ok := e.(*json.SyntaxError); ok {
			syntax = s
			return fmt.Sprintf("%s at character %d", syntax, syntax.Offset)
		}
		return e.Error()
	}
	s := err.Error()
	return s[:min(len(s), 200)]
}

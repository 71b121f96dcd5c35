package files

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"millrace/activate"
	"millrace/internal/canon"
	"millrace/internal/fault"
)

// record is one row of a file in hand.
type record interface {
	key() string
	values() (map[string]json.RawMessage, error)
	set(values map[string]json.RawMessage) error // null clears
}

// rows reads a file.
type rows interface {
	next() (record, error) // io.EOF after the last
	fresh(key string) (record, error)
	line() int // of the record that next gave, from 1
}

// sink writes a file.
type sink interface {
	put(record) error
	flush() error
}

// format is how one target's file is read and written.
type format struct {
	target activate.Target
	guard  bool
}

func (d *destination) format(t activate.Target) format { return format{t, d.opt.Guard} }

func (f format) reader(r io.Reader) (rows, error) {
	if filepath.Ext(f.target.Object) == ".csv" {
		return f.table(r)
	}
	if r == nil {
		r = bytes.NewReader(nil)
	}
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 64<<10), maxLine)
	return &lines{f: f, scan: s}, nil
}

func (f format) writer(w io.Writer, from rows) (sink, error) {
	b := bufio.NewWriterSize(w, 64<<10)
	t, ok := from.(*table)
	if !ok {
		return &lineSink{b}, nil
	}
	if t.mark {
		if _, err := b.WriteString(byteOrderMark); err != nil {
			return nil, err
		}
	}
	c := csv.NewWriter(b)
	return &tableSink{b, c}, c.Write(t.header)
}

func (f format) bad(line int, msg, hint string) error {
	return &fault.Error{File: f.target.Object, Line: line, Msg: msg, Hint: hint}
}

// oneLineEnd: a reader of .csv takes both line ends within a cell for one.
func oneLineEnd(s string) string {
	for strings.Contains(s, "\r\n") {
		s = strings.ReplaceAll(s, "\r\n", "\n")
	}
	return s
}

// ---- .csv

const byteOrderMark = "\uFEFF"

type table struct {
	f      format
	csv    *csv.Reader // nil: there is no file
	header []string    // of the new file: the old one's, and the columns that it lacks
	had    int         // columns of the old file
	key    int
	mark   bool
}

func (f format) table(r io.Reader) (*table, error) {
	t := &table{f: f}
	if r != nil {
		b := bufio.NewReaderSize(r, 64<<10)
		if head, err := b.Peek(len(byteOrderMark)); err == nil && string(head) == byteOrderMark {
			t.mark = true
			if _, err := b.Discard(len(byteOrderMark)); err != nil {
				return nil, err
			}
		}
		t.csv = csv.NewReader(b)
		t.csv.ReuseRecord = true
		head, err := t.csv.Read()
		switch {
		case errors.Is(err, io.EOF):
			t.csv = nil // an empty file
		case err != nil:
			return nil, f.broken(err)
		default:
			t.header = slices.Clone(head)
		}
	}
	t.had = len(t.header)
	if t.had > 0 && !slices.Contains(t.header, f.target.Key) {
		hint := fault.DidYouMean(f.target.Key, t.header)
		if t.had == 1 && strings.Contains(t.header[0], ";") {
			hint = "It is separated by semicolons; save it with commas."
		}
		return nil, &fault.Error{File: f.target.Object, Line: 1, Key: "key", Value: f.target.Key, Msg: "the file's header has no such column, so it is not a table of this sync", Hint: strings.TrimSpace(hint + " Or choose another path in object:.")}
	}
	for i, name := range t.header {
		if slices.Contains(t.header[:i], name) && (name == f.target.Key || slices.Contains(f.target.Fields, name)) {
			return nil, &fault.Error{File: f.target.Object, Line: 1, Value: name, Msg: "the file's header has this column twice", Hint: "Give one of them another name."}
		}
	}
	for _, name := range append([]string{f.target.Key}, f.target.Fields...) {
		if !slices.Contains(t.header, name) {
			t.header = append(t.header, name)
		}
	}
	t.key = slices.Index(t.header, f.target.Key)
	return t, nil
}

// broken says what is wrong with the file where it cannot be read.
func (f format) broken(err error) error {
	var p *csv.ParseError
	if errors.As(err, &p) {
		return f.bad(p.Line, "the file is not a table: "+p.Err.Error(), "Mend the line, or move the file away: the next run makes a new one.")
	}
	return err
}

func (t *table) line() int {
	if t.csv == nil {
		return 0
	}
	n, _ := t.csv.FieldPos(0)
	return n
}

func (t *table) next() (record, error) {
	if t.csv == nil {
		return nil, io.EOF
	}
	cells, err := t.csv.Read()
	if err != nil {
		if errors.Is(err, io.EOF) {
			return nil, io.EOF
		}
		return nil, t.f.broken(err)
	}
	r := &cellRow{t, make([]string, len(t.header))}
	copy(r.cells, cells)
	return r, nil
}

func (t *table) fresh(key string) (record, error) {
	r := &cellRow{t, make([]string, len(t.header))}
	r.cells[t.key] = t.spell(key)
	return r, nil
}

// runs reports whether a spreadsheet would run a text, or would once apostrophes are taken off: those get one more, so that
// reading takes off exactly what writing put on.
func runs(s string) bool {
	s = strings.TrimLeft(s, "'")
	return s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0]))
}

// spell writes a text into a cell.
func (t *table) spell(s string) string {
	s = oneLineEnd(s)
	if t.f.guard && runs(s) {
		return "'" + s
	}
	return s
}

// text reads a cell.
func (t *table) text(s string) string {
	if t.f.guard && s != "" && s[0] == '\'' && runs(s) {
		return s[1:]
	}
	return s
}

type cellRow struct {
	t     *table
	cells []string
}

func (r *cellRow) key() string { return r.t.text(r.cells[r.t.key]) }

func (r *cellRow) values() (map[string]json.RawMessage, error) {
	out := make(map[string]json.RawMessage, len(r.cells))
	for i, name := range r.t.header {
		v, err := canon.JSON(r.t.text(r.cells[i]))
		if err != nil {
			return nil, err
		}
		out[name] = v
	}
	return out, nil
}

func (r *cellRow) set(values map[string]json.RawMessage) error {
	for f, v := range values {
		i := slices.Index(r.t.header, f)
		switch {
		case f == r.t.f.target.Key:
		case i < 0:
			return fmt.Errorf("the file has no column %s", f)
		case len(v) > 0 && v[0] == '"':
			r.cells[i] = r.t.spell(canon.Text(v))
		default: // numbers, truth values, lists: never a formula
			r.cells[i] = canon.Text(v)
		}
	}
	return nil
}

type tableSink struct {
	b *bufio.Writer
	c *csv.Writer
}

func (s *tableSink) put(r record) error { return s.c.Write(r.(*cellRow).cells) }
func (s *tableSink) flush() error {
	s.c.Flush()
	return errors.Join(s.c.Error(), s.b.Flush())
}

// ---- .ndjson

// maxLine is the longest line of .ndjson, in bytes.
const maxLine = 16 << 20

type lines struct {
	f    format
	scan *bufio.Scanner
	n    int
}

func (l *lines) line() int { return l.n }

func (l *lines) next() (record, error) {
	for l.scan.Scan() {
		l.n++
		text := bytes.TrimSpace(l.scan.Bytes())
		if len(text) == 0 {
			continue
		}
		r := &objectRow{f: l.f, text: bytes.Clone(text)}
		var only map[string]json.RawMessage
		if err := json.Unmarshal(text, &only); err != nil || only == nil {
			return nil, l.f.bad(l.n, "the line is not a JSON object", "Mend the line, or move the file away: the next run makes a new one.")
		}
		r.members = only
		if v, ok := only[l.f.target.Key]; ok {
			spelled, err := canon.JSON(v)
			if err != nil {
				return nil, l.f.bad(l.n, "the key cannot be read", "Mend the line.")
			}
			r.id = canon.Text(spelled)
		}
		if r.id == "" {
			return nil, l.f.bad(l.n, "the object has no "+l.f.target.Key+", so it is not a row of this sync", "Add it, or choose another path in object:.")
		}
		return r, nil
	}
	if errors.Is(l.scan.Err(), bufio.ErrTooLong) {
		return nil, l.f.bad(l.n+1, fmt.Sprintf("the line is longer than %d MiB", maxLine>>20), "Shorten it.")
	}
	if err := l.scan.Err(); err != nil {
		return nil, err
	}
	return nil, io.EOF
}

func (l *lines) fresh(key string) (record, error) {
	v, err := canon.JSON(key)
	if err != nil {
		return nil, err
	}
	return &objectRow{f: l.f, id: key, members: map[string]json.RawMessage{l.f.target.Key: v}}, nil
}

// objectRow is a line; text is how it stands in the file, nil once it has changed.
type objectRow struct {
	f       format
	id      string
	text    []byte
	members map[string]json.RawMessage
}

func (r *objectRow) key() string { return r.id }

func (r *objectRow) values() (map[string]json.RawMessage, error) {
	out := make(map[string]json.RawMessage, len(r.members))
	for k, v := range r.members {
		spelled, err := canon.JSON(v)
		if err != nil {
			return nil, fmt.Errorf("%s of row %s: %w", k, r.id, err)
		}
		out[k] = spelled
	}
	return out, nil
}

func (r *objectRow) set(values map[string]json.RawMessage) error {
	for f, v := range values {
		switch {
		case f == r.f.target.Key:
			continue
		case len(v) == 0 || string(v) == "null":
			delete(r.members, f) // so that an undo leaves no trace
		default:
			r.members[f] = v
		}
		r.text = nil
	}
	return nil
}

type lineSink struct{ b *bufio.Writer }

func (s *lineSink) put(rec record) error {
	r := rec.(*objectRow)
	text := r.text
	if text == nil {
		m := make(map[string]any, len(r.members))
		for k, v := range r.members {
			m[k] = v
		}
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(m); err != nil {
			return err
		}
		text = bytes.TrimRight(b.Bytes(), "\n")
	}
	if _, err := s.b.Write(text); err != nil {
		return err
	}
	return s.b.WriteByte('\n')
}
func (s *lineSink) flush() error { return s.b.Flush() }

package file

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"

	"millrace/extract"
	"millrace/internal/fault"
)

// csvReader reads delimited text as RFC 4180 writes it: quotes around fields that hold delimiters, quotes or line
// breaks, quotes doubled inside. Lines that hold nothing are skipped. A line that cannot be split is a bad row, and
// reading goes on with the line after it.
type csvReader struct {
	st     stream
	in     input
	t      *text
	b      *block
	delim  byte
	names  []string
	dates  [][]layout // per column; nil when there are none
	skip   int64      // rows to pass over, in a file that cannot be entered in the middle
	fields []span     // of the records of one batch, len(names) apart
}

// span is a field within the batch's bytes.
type span struct {
	from, to int
	quoted   bool // holds doubled quotes
}

func openCSV(st stream, p plan) (*csvReader, error) {
	t, err := openText(p.in.path, st.opt.Encoding)
	if err != nil {
		return nil, err
	}
	c := &csvReader{st: st, in: p.in, t: t, b: newBlock(t, p.in.path)}
	c.delim = c.delimiter()
	if err := c.header(); err != nil {
		t.Close()
		return nil, err
	}
	if t.plain && p.at.Offset > 0 {
		err = c.b.resume(p.at)
	} else {
		c.skip = p.at.Rows
	}
	if err != nil {
		t.Close()
		return nil, err
	}
	c.dates = st.layoutsOf(c.names)
	return c, nil
}

func (c *csvReader) close() error       { return c.t.Close() }
func (c *csvReader) position() position { return c.b.position() }

// delimiter finds the character that splits the first records into the same number of fields, at least two.
func (c *csvReader) delimiter() byte {
	if c.st.opt.Delimiter != "" {
		return c.st.opt.Delimiter[0]
	}
	name := strings.TrimSuffix(strings.ToLower(c.in.name), ".gz")
	if ext := filepath.Ext(name); ext == ".tsv" || ext == ".tab" {
		return '\t'
	}
	best, bestScore := byte(','), 0
	for _, d := range []byte{',', ';', '\t', '|'} {
		rest, width, same := c.t.head, 0, 0
		for n := 0; n < 50 && len(rest) > 0; n++ {
			fields, used, err := splitRecord(rest, d, nil, len(c.t.head) < sniffBytes)
			if err != nil {
				break
			}
			if used > 2 || len(fields) > 1 {
				if width == 0 {
					width = len(fields)
				}
				if len(fields) == width {
					same++
				} else {
					same--
				}
			}
			rest = rest[used:]
		}
		// Agreement between lines counts more than the number of fields: prose has commas too.
		if score := same*1000 + width; width > 1 && score > bestScore {
			best, bestScore = d, score
		}
	}
	return best
}

// header reads the row of names.
func (c *csvReader) header() error {
	skip := max(1, c.st.opt.HeaderRow)
	if c.st.opt.Header != nil && !*c.st.opt.Header {
		if err := c.b.more(); err != nil && err != io.EOF {
			return err
		}
		fields, _, err := c.record(0)
		if err != nil && err != io.EOF {
			return fmt.Errorf("the first line cannot be read: %w", err)
		}
		for i := range fields {
			c.names = append(c.names, "column_"+strconv.Itoa(i+1))
		}
		return nil
	}
	for n := 1; ; n++ {
		fields, used, err := c.record(0)
		if err == io.EOF {
			return nil // nothing in it: no names, no rows
		}
		if err != nil {
			return &fault.Error{File: c.in.path, Line: n, Msg: "the row of names cannot be read", Err: err, Hint: "Correct the quotes in it, or say which row holds the names with header_row."}
		}
		raw := c.b.unread()[:used]
		if n < skip || len(bytes.TrimSpace(raw)) == 0 {
			c.b.take(used)
			if len(bytes.TrimSpace(raw)) == 0 {
				skip++
			}
			continue
		}
		if !utf8.Valid(raw) {
			return &fault.Error{File: c.in.path, Line: n, Msg: "the row of names is not valid UTF-8", Hint: "Say what the file is written in with encoding: windows-1252, latin1 or utf-16."}
		}
		names := make([]string, len(fields))
		for i, f := range fields {
			names[i] = strings.TrimSpace(f.text(raw))
		}
		c.names = distinct(names)
		c.b.take(used)
		return nil
	}
}

// distinct gives nameless columns their position and repeated names a number.
func distinct(names []string) []string {
	used := map[string]bool{}
	for _, n := range names {
		used[n] = true
	}
	seen := map[string]bool{}
	out := make([]string, len(names))
	for i, n := range names {
		if n == "" {
			n = "column_" + strconv.Itoa(i+1)
		}
		name := n
		for k := 2; seen[name] || name != names[i] && used[name]; k++ {
			name = n + " " + strconv.Itoa(k)
		}
		seen[name] = true
		out[i] = name
	}
	return out
}

func (f span) text(base []byte) string {
	if f.quoted {
		return strings.ReplaceAll(string(base[f.from:f.to]), `""`, `"`)
	}
	return string(base[f.from:f.to])
}

// record splits the record that begins at off within the unread bytes, reading on as needed. Fields are relative to off.
func (c *csvReader) record(off int) ([]span, int, error) {
	for {
		buf := c.b.unread()[off:]
		if len(buf) == 0 && c.b.eof {
			return nil, 0, io.EOF
		}
		fields, used, err := splitRecord(buf, c.delim, c.fields[:0], c.b.eof)
		c.fields = fields
		if err != errMore {
			return fields, used, err
		}
		if off > 0 {
			return nil, 0, errMore // what came before is handed on first, so the window need not hold both
		}
		if err := c.b.more(); err == io.EOF {
			continue
		} else if err != nil {
			return nil, 0, err
		}
	}
}

var (
	errMore  = errors.New("more input is needed")
	errQuote = errors.New("a quoted field does not end properly")
)

// splitRecord splits the first record of buf into fields. It returns errMore when buf ends inside the record and more
// may follow, errQuote with the length of the first line when quotes are not as they should be.
func splitRecord(buf []byte, delim byte, fields []span, last bool) ([]span, int, error) {
	i := 0
	for {
		if i < len(buf) && buf[i] == '"' {
			from := i + 1
			j := from
			doubled := false
			for {
				q := bytes.IndexByte(buf[j:], '"')
				if q < 0 {
					if !last {
						return fields, 0, errMore
					}
					return fields, firstLine(buf), errQuote
				}
				j += q
				if j+1 < len(buf) && buf[j+1] == '"' {
					doubled = true
					j += 2
					continue
				}
				if j+1 == len(buf) && !last {
					return fields, 0, errMore
				}
				break
			}
			fields = append(fields, span{from, j, doubled})
			i = j + 1
			switch {
			case i == len(buf):
				return fields, i, nil
			case buf[i] == delim:
				i++
				continue
			case buf[i] == '\n':
				return fields, i + 1, nil
			case buf[i] == '\r' && i+1 < len(buf) && buf[i+1] == '\n':
				return fields, i + 2, nil
			case buf[i] == '\r' && i+1 == len(buf):
				if !last {
					return fields, 0, errMore
				}
				return fields, i + 1, nil
			}
			return fields, firstLine(buf), errQuote
		}
		from := i
		for i < len(buf) && buf[i] != delim && buf[i] != '\n' {
			i++
		}
		switch {
		case i == len(buf):
			if !last {
				return fields, 0, errMore
			}
			to := i
			if to > from && buf[to-1] == '\r' {
				to--
			}
			return append(fields, span{from, to, false}), i, nil
		case buf[i] == '\n':
			to := i
			if to > from && buf[to-1] == '\r' {
				to--
			}
			return append(fields, span{from, to, false}), i + 1, nil
		}
		fields = append(fields, span{from, i, false})
		i++
	}
}

// firstLine is the length of the first line, with its end.
func firstLine(buf []byte) int {
	if n := bytes.IndexByte(buf, '\n'); n >= 0 {
		return n + 1
	}
	return len(buf)
}

// mark is one row of the batch being collected.
type mark struct {
	fields int // index of its first field
	line   int64
}

func (c *csvReader) fill(b *extract.Batch) (bool, error) {
	b.Columns, b.Text = c.names, true
	var (
		spans []span
		marks []mark
		used  int
		line  = c.b.line
	)
	c.b.open, c.b.openLine = 0, 0
	more := true
	for len(marks) < batchRows && used < batchBytes {
		fields, n, err := c.record(used)
		if err == errMore {
			break
		}
		if err == io.EOF {
			more = false
			break
		}
		window := c.b.unread()
		switch {
		case err == errQuote:
			c.reject(b, line, window[used:used+n], fmt.Sprintf("line %d: a quoted field is not closed, or text follows its closing quote", line))
		case err == errTooLong:
			if err := c.tooLong(b, line); err != nil {
				return false, err
			}
			line = c.b.line
			continue
		case err != nil:
			return false, err
		default:
			rec := window[used : used+n]
			switch {
			case len(fields) == 1 && fields[0].from == fields[0].to && rec[0] != '"': // an empty line
			case !utf8.Valid(rec):
				c.reject(b, line, rec, badUTF8(rec, line))
			case len(fields) != len(c.names):
				c.reject(b, line, rec, fmt.Sprintf("line %d: expected %d fields as in the header, found %d", line, len(c.names), len(fields)))
			case c.skip > 0:
				c.skip--
				c.b.rows++
			default:
				marks = append(marks, mark{len(spans), line})
				for _, f := range fields {
					spans = append(spans, span{f.from + used, f.to + used, f.quoted})
				}
				c.b.rows++
			}
			if rec[n-1] != '\n' {
				c.b.open, c.b.openLine = c.b.off+int64(used)+1, line
			}
		}
		line += int64(bytes.Count(window[used:used+n], []byte{'\n'}))
		used += n
	}
	c.rows(b, spans, marks, used)
	c.b.take(used)
	return more, nil
}

// rows makes cells of the collected fields. They share one copy of the batch's bytes.
func (c *csvReader) rows(b *extract.Batch, spans []span, marks []mark, used int) {
	if len(marks) == 0 {
		return
	}
	all := string(c.b.unread()[:used])
	width := len(c.names)
	flat := make([]any, len(marks)*width)
	b.Rows = make([][]any, len(marks))
	b.RowIDs = make([]string, len(marks))
	many := len(c.st.nulls) > 1
	for i, m := range marks {
		row := flat[i*width : (i+1)*width : (i+1)*width]
		for k := range row {
			f := spans[m.fields+k]
			s := all[f.from:f.to]
			if f.quoted {
				s = strings.ReplaceAll(s, `""`, `"`)
			}
			if s == "" || many && c.st.nulls[s] {
				continue
			}
			if c.dates != nil && c.dates[k] != nil {
				s = iso(s, c.dates[k])
			}
			row[k] = s
		}
		b.Rows[i] = row
		b.RowIDs[i] = c.in.name + ":" + strconv.FormatInt(m.line, 10)
	}
}

func (c *csvReader) reject(b *extract.Batch, line int64, rec []byte, reason string) {
	c.b.rows++
	if c.skip > 0 {
		c.skip--
		return
	}
	b.Bad = append(b.Bad, extract.BadRow{RowID: c.in.name + ":" + strconv.FormatInt(line, 10), Reason: reason, Raw: clip(bytes.TrimRight(rec, "\r\n"))})
}

// tooLong passes over a record that does not fit the window, to the end of the line that it begins on.
func (c *csvReader) tooLong(b *extract.Batch, line int64) error {
	head := append([]byte(nil), c.b.unread()[:batchBytes]...)
	// Quotes that never close make the rest of a file one record: only its first line is given up then.
	if n := bytes.IndexByte(c.b.unread(), '\n'); n >= 0 {
		c.reject(b, line, c.b.unread()[:n+1], fmt.Sprintf("line %d: a quoted field is not closed within %d MB", line, maxRecord>>20))
		c.b.take(n + 1)
		return nil
	}
	for {
		c.b.take(len(c.b.unread()))
		err := c.b.more()
		if err != nil && err != io.EOF {
			return err
		}
		n := bytes.IndexByte(c.b.unread(), '\n')
		if n >= 0 || err == io.EOF {
			c.reject(b, line, head, fmt.Sprintf("line %d is longer than %d MB; the first %d MB are kept here", line, maxRecord>>20, batchBytes>>20))
			c.b.take(n + 1)
			return nil
		}
	}
}

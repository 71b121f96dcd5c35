package listfile

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"

	"millrace/internal/fault"
)

// csvShape is how a file of delimited text is written.
type csvShape struct {
	delim  rune
	latin  bool // Windows-1252, because it is no UTF-8
	lazy   bool // quotes that are not doubled stand as they are
	header int  // record that holds the names, from 1; records above it are no rows
}

// text opens the file as UTF-8 without a byte order mark and with line feeds; gzip is undone.
func (f *File) text() (io.Reader, io.Closer, error) {
	r, err := os.Open(f.Path)
	if err != nil {
		return nil, nil, missing(f.Path, err)
	}
	br := bufio.NewReaderSize(r, sniffBytes)
	if head, _ := br.Peek(2); bytes.Equal(head, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(br)
		if err != nil {
			r.Close()
			return nil, nil, f.gzipError(err)
		}
		br = bufio.NewReaderSize(z, sniffBytes)
	}
	head, err := br.Peek(3)
	if err != nil && err != io.EOF {
		r.Close()
		return nil, nil, f.gzipError(err)
	}
	var out io.Reader = br
	switch {
	case bytes.HasPrefix(head, []byte("\xEF\xBB\xBF")):
		br.Discard(3)
	case bytes.HasPrefix(head, []byte{0xFE, 0xFF}), bytes.HasPrefix(head, []byte{0xFF, 0xFE}):
		out = transform.NewReader(br, unicode.UTF16(unicode.LittleEndian, unicode.ExpectBOM).NewDecoder())
	case f.csv.latin:
		out = transform.NewReader(br, charmap.Windows1252.NewDecoder())
	}
	return &lineEnds{r: bufio.NewReaderSize(out, sniffBytes)}, r, nil
}

func (f *File) gzipError(err error) error {
	return &fault.Error{File: f.Path, Msg: "cannot be unpacked", Err: err, Hint: "The gzip file is damaged or was cut off: copy it again."}
}

// lineEnds turns lone carriage returns, as old spreadsheets write them, into line feeds.
type lineEnds struct{ r *bufio.Reader }

func (l *lineEnds) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	for i := range p[:n] {
		if p[i] != '\r' {
			continue
		}
		next := byte(0)
		if i+1 < n {
			next = p[i+1]
		} else if ahead, _ := l.r.Peek(1); len(ahead) == 1 {
			next = ahead[0]
		}
		if next != '\n' {
			p[i] = '\n'
		}
	}
	return n, err
}

// openCSV finds the character set, the delimiter and the row of names.
func (f *File) openCSV() error {
	r, c, err := f.text()
	if err != nil {
		return err
	}
	valid, zero, err := scan(r)
	c.Close()
	if err != nil {
		return f.gzipError(err)
	}
	if zero {
		return &fault.Error{File: f.Path, Msg: "is no list but a binary file", Hint: "Give CSV, Excel, Parquet or JSON."}
	}
	if !valid {
		f.csv.latin = true
		f.note("not UTF-8: read as Windows-1252, as Excel for Western Europe writes it")
	}
	head, err := f.head64()
	if err != nil {
		return err
	}
	f.csv.delim = delimiter(head)
	switch f.csv.delim {
	case ';':
		f.note("fields are separated by semicolons")
	case '\t':
		f.note("fields are separated by tabs")
	case '|':
		f.note("fields are separated by vertical bars")
	}
	top, err := f.look()
	if err != nil {
		return err
	}
	at := f.opt.HeaderRow
	if at == 0 {
		at = headerRow(top)
	}
	if at > len(top) {
		return &fault.Error{File: f.Path, Key: "--header-row", Value: fmt.Sprint(at), Msg: fmt.Sprintf("the file has %d rows that can hold names", len(top)), Hint: "Count rows that hold something, from 1."}
	}
	f.csv.header = at
	if at > 1 {
		f.note("row %d holds the names; the %d above it are no rows of the list", at, at-1)
	}
	f.Columns = columns(top[at-1])
	f.Rows -= at
	f.noteHeaders()
	return nil
}

// scan reads all and tells whether it is UTF-8 and whether it holds NUL.
func scan(r io.Reader) (valid, zero bool, err error) {
	valid = true
	buf := make([]byte, sniffBytes)
	rest := 0
	for {
		n, err := r.Read(buf[rest:])
		chunk := buf[:rest+n]
		zero = zero || bytes.IndexByte(chunk, 0) >= 0
		rest = 0
		if valid {
			// A character may go on in the next piece.
			cut := len(chunk)
			for back := 1; back <= min(utf8.UTFMax-1, len(chunk)); back++ {
				if b := chunk[len(chunk)-back]; utf8.RuneStart(b) {
					if !utf8.FullRune(chunk[len(chunk)-back:]) {
						cut = len(chunk) - back
					}
					break
				}
			}
			valid = utf8.Valid(chunk[:cut])
			rest = copy(buf, chunk[cut:])
		}
		if err == io.EOF {
			return valid && rest == 0, zero, nil
		}
		if err != nil {
			return valid, zero, err
		}
	}
}

func (f *File) head64() ([]byte, error) {
	r, c, err := f.text()
	if err != nil {
		return nil, err
	}
	defer c.Close()
	head, err := io.ReadAll(io.LimitReader(r, sniffBytes))
	if err != nil {
		return nil, f.gzipError(err)
	}
	return head, nil
}

// delimiter is the character that splits the first records into the same number of fields, at least two.
func delimiter(head []byte) rune {
	best, bestScore := ',', 0
	for _, d := range []rune{',', ';', '\t', '|'} {
		r := csv.NewReader(bytes.NewReader(head))
		r.Comma, r.FieldsPerRecord, r.LazyQuotes, r.ReuseRecord = d, -1, true, true
		widths := map[int]int{}
		for range 50 {
			rec, err := r.Read()
			if err != nil {
				break
			}
			widths[len(rec)]++
		}
		for w, same := range widths {
			// Agreement between lines counts more than the number of fields: prose has commas too.
			if score := same*1000 + w; w > 1 && score > bestScore {
				best, bestScore = d, score
			}
		}
	}
	return best
}

// look reads the file once: it counts the records, finds out whether quotes are as they should be, and returns the first
// records, among which the row of names is.
func (f *File) look() (top [][]string, err error) {
	f.Rows = 0
	err = f.records(func(_ int, rec []string) error {
		if f.Rows++; len(top) < 20 {
			top = append(top, append([]string(nil), rec...))
		}
		return nil
	})
	if p := (*csv.ParseError)(nil); errors.As(err, &p) && !f.csv.lazy {
		f.csv.lazy = true
		f.note("line %d has a quote that is not doubled: such quotes are read as they stand", p.Line)
		return f.look()
	}
	if err == nil && len(top) == 0 {
		err = &fault.Error{File: f.Path, Msg: "holds nothing", Hint: "Give a file with a row of names and rows below it."}
	}
	return top, err
}

// maxLines is how many lines one field may span where quotes are not as they should be: more means that a quote was
// opened and never closed, and the rest of the file would become one field.
const maxLines = 200

// records calls fn with each record and the line that it begins on. Lines that hold nothing are skipped.
func (f *File) records(fn func(line int, rec []string) error) error {
	text, c, err := f.text()
	if err != nil {
		return err
	}
	defer c.Close()
	r := csv.NewReader(text)
	r.Comma, r.FieldsPerRecord, r.LazyQuotes, r.ReuseRecord = f.csv.delim, -1, f.csv.lazy, true
	for {
		rec, err := r.Read()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			var p *csv.ParseError
			if errors.As(err, &p) {
				return err
			}
			return f.gzipError(err)
		}
		line, _ := r.FieldPos(0)
		if f.csv.lazy {
			for i, s := range rec {
				if strings.Count(s, "\n") > maxLines {
					at, _ := r.FieldPos(i)
					return &fault.Error{File: f.Path, Line: at, Msg: "a quote is opened and not closed", Hint: "Close or double the quote in this line."}
				}
			}
		}
		if err := fn(line, rec); err != nil {
			return err
		}
	}
}

// headerRow is the first record that looks like names: as wide as what follows, with all names there, different and no numbers.
func headerRow(top [][]string) int {
	widths := map[int]int{}
	width := 0
	for _, rec := range top {
		widths[filled(rec)]++
	}
	for w, n := range widths {
		if n > widths[width] || n == widths[width] && w > width {
			width = w
		}
	}
	for i, rec := range top {
		if filled(rec) >= 2 && 10*filled(rec) >= 6*width || len(rec) == 1 && width <= 1 {
			return i + 1
		}
	}
	return 1
}

func filled(rec []string) int {
	n := 0
	for _, s := range rec {
		if strings.TrimSpace(s) != "" {
			n++
		}
	}
	return n
}

func (f *File) noteHeaders() {
	for _, c := range f.Columns {
		switch {
		case strings.TrimSpace(c.Header) == "":
			f.note("a column without a name is called %q here", c.Name)
		case c.Name != strings.TrimSpace(c.Header):
			f.note("a second column named %q is called %q here", strings.TrimSpace(c.Header), c.Name)
		}
	}
}

// eachCSV reads the rows. Fields that a short row lacks are no values. More fields than names are an error unless they are
// empty: which field is which cannot be known then.
func (f *File) eachCSV(fn func([]Cell) error) error {
	cells := make([]Cell, len(f.Columns))
	n := 0
	err := f.records(func(line int, rec []string) error {
		if n++; n <= f.csv.header {
			return nil
		}
		for len(rec) > len(cells) && rec[len(rec)-1] == "" {
			rec = rec[:len(rec)-1]
		}
		if len(rec) > len(cells) {
			return &fault.Error{File: f.Path, Line: line, Value: strings.Join(rec, string(f.csv.delim)), Msg: fmt.Sprintf("%d fields, but the row of names has %d", len(rec), len(cells)),
				Hint: "Put the field that holds the separator into double quotes."}
		}
		for i := range cells {
			cells[i] = nil
			if i < len(rec) && rec[i] != "" {
				s := rec[i]
				cells[i] = &s
			}
		}
		return fn(cells)
	})
	if p := (*csv.ParseError)(nil); errors.As(err, &p) {
		return &fault.Error{File: f.Path, Line: p.Line, Col: p.Column, Msg: "cannot be split into fields", Err: p.Err, Hint: "Double the quotes inside a field, and put the field into quotes."}
	}
	return err
}

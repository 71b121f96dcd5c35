package file

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"strings"
	"unicode/utf8"
)

// block is a window on a file of lines: buf[start:end] is unread. It grows until a whole record fits.
type block struct {
	t     *text
	path  string
	buf   []byte
	start int
	end   int
	eof   bool

	off  int64 // of buf[start], in a plain file
	line int64 // number of the line at buf[start], from 1
	sum  hash.Hash
	rows int64
	// open is the offset plus one, and the line, of a last record without a line end.
	open, openLine int64
}

func newBlock(t *text, path string) *block {
	b := &block{t: t, path: path, buf: make([]byte, 2*batchBytes), off: t.bom, line: 1}
	if t.plain {
		b.sum = sha256.New()
		if t.bom > 0 {
			b.sum.Write([]byte{0xEF, 0xBB, 0xBF})
		}
	}
	return b
}

// resume goes on where an earlier read stopped: at the offset of a plain file, else by the caller skipping rows.
func (b *block) resume(at position) error {
	if at.Offset == 0 || !b.t.plain {
		return nil
	}
	off, line, rows := at.Offset, at.Line, at.Rows
	f, err := os.Open(b.path)
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	defer f.Close()
	if at.Open > 0 {
		// The last line had no end. When what follows is its end, it was whole; otherwise it is read again.
		next := make([]byte, 2)
		n, err := f.ReadAt(next, off)
		if err != nil && err != io.EOF {
			return fmt.Errorf("read %s: %w", b.path, err)
		}
		switch {
		case n > 0 && next[0] == '\n':
			off, line = off+1, line+1
		case n > 1 && next[0] == '\r' && next[1] == '\n':
			off, line = off+2, line+1
		default:
			off, line, rows = at.Open-1, at.OpenLine, max(0, rows-1)
		}
	}
	b.sum = sha256.New()
	if _, err := io.Copy(b.sum, io.LimitReader(f, off)); err != nil {
		return fmt.Errorf("read %s: %w", b.path, err)
	}
	if err := b.t.seek(off); err != nil {
		return err
	}
	b.start, b.end, b.eof = 0, 0, false
	b.off, b.line, b.rows = off, line, rows
	return nil
}

// errTooLong says that a record does not fit the window.
var errTooLong = errors.New("record too long")

// more reads on. It returns io.EOF when there is nothing more, errTooLong when the window may not grow any further.
func (b *block) more() error {
	if b.eof {
		return io.EOF
	}
	if b.start > 0 {
		copy(b.buf, b.buf[b.start:b.end])
		b.end -= b.start
		b.start = 0
	}
	if b.end == len(b.buf) {
		if len(b.buf) >= maxRecord+batchBytes {
			return errTooLong
		}
		grown := make([]byte, min(2*len(b.buf), maxRecord+batchBytes))
		copy(grown, b.buf)
		b.buf = grown
	}
	for b.end < len(b.buf) {
		n, err := b.t.r.Read(b.buf[b.end:])
		b.end += n
		if err == io.EOF {
			b.eof = true
			return nil
		}
		if err != nil {
			return unreadable(b.path, b.t.gz, err)
		}
		if n > 0 && b.end-b.start >= batchBytes {
			return nil
		}
	}
	return nil
}

func (b *block) unread() []byte { return b.buf[b.start:b.end] }

// take marks n bytes as read.
func (b *block) take(n int) {
	part := b.buf[b.start : b.start+n]
	if b.sum != nil {
		b.sum.Write(part)
	}
	b.off += int64(n)
	b.line += int64(bytes.Count(part, []byte{'\n'}))
	b.start += n
}

func (b *block) position() position {
	p := position{Rows: b.rows}
	if b.t.plain {
		p.Offset, p.Line, p.SHA256, p.Open, p.OpenLine = b.off, b.line, sumHex(b.sum), b.open, b.openLine
	}
	return p
}

// badUTF8 describes the first bytes that are not UTF-8.
func badUTF8(rec []byte, line int64) string {
	for i := 0; i < len(rec); {
		r, n := utf8.DecodeRune(rec[i:])
		if r == utf8.RuneError && n <= 1 {
			before := strings.ToValidUTF8(strings.TrimSpace(string(rec[max(0, i-12):i])), "")
			return fmt.Sprintf("line %d is not valid UTF-8: byte 0x%X after %q. When the file is in another character set, say so with encoding: windows-1252, latin1 or utf-16", line, rec[i], before)
		}
		i += n
	}
	return fmt.Sprintf("line %d is not valid UTF-8", line)
}

// clip is what is kept of a bad row.
func clip(rec []byte) []byte {
	return append([]byte(nil), rec[:min(len(rec), rawLimit)]...)
}

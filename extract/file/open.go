package file

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"

	"millrace/internal/fault"
)

// sniffBytes is how much of a file is looked at before it is read.
const sniffBytes = 64 << 10

// text is an open file of lines. In a plain file, offsets count the file's own bytes, so that reading can go on there.
type text struct {
	file  *os.File
	r     io.Reader
	plain bool // neither compressed nor transcoded
	bom   int64
	head  []byte // the first bytes, decoded, without a byte order mark
	gz    bool
}

func (t *text) Close() error { return t.file.Close() }

// openText opens a file as UTF-8: gzip is recognised by content, UTF-16 by its byte order mark, others by the option.
func openText(path, enc string) (*text, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	t := &text{file: f, plain: true}
	br := bufio.NewReaderSize(f, sniffBytes)
	head, err := br.Peek(2)
	if err != nil && err != io.EOF {
		f.Close()
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if len(head) == 2 && head[0] == 0x1f && head[1] == 0x8b {
		z, err := gzip.NewReader(br)
		if err != nil {
			f.Close()
			return nil, &fault.Error{File: path, Msg: "begins like gzip but is not", Err: err, Hint: "Copy the file again: it is damaged."}
		}
		br = bufio.NewReaderSize(z, sniffBytes)
		t.plain, t.gz = false, true
	}
	head, err = br.Peek(4)
	if err != nil && err != io.EOF {
		f.Close()
		return nil, unreadable(path, t.gz, err)
	}
	var r io.Reader = br
	switch {
	case bytes.HasPrefix(head, []byte{0xEF, 0xBB, 0xBF}):
		br.Discard(3)
		t.bom = 3
	case bytes.HasPrefix(head, []byte{0xFE, 0xFF}), bytes.HasPrefix(head, []byte{0xFF, 0xFE}):
		r = transform.NewReader(br, unicode.UTF16(unicode.LittleEndian, unicode.ExpectBOM).NewDecoder())
		t.plain = false
	default:
		d, err := decoder(enc)
		if err != nil {
			f.Close()
			return nil, err
		}
		if d != nil {
			r = transform.NewReader(br, d.NewDecoder())
			t.plain = false
		}
	}
	hr := bufio.NewReaderSize(r, sniffBytes)
	t.head, err = hr.Peek(sniffBytes)
	if err != nil && err != io.EOF {
		f.Close()
		return nil, unreadable(path, t.gz, err)
	}
	t.head = append([]byte(nil), t.head...)
	t.r = hr
	if bytes.IndexByte(t.head, '\r') >= 0 && bytes.IndexByte(t.head, '\n') < 0 && len(t.head) > 1 {
		// Lines that end in a lone carriage return, as old spreadsheets write them.
		t.r, t.plain = &crReader{r: hr}, false
		t.head = bytes.ReplaceAll(t.head, []byte{'\r'}, []byte{'\n'})
	}
	return t, nil
}

func unreadable(path string, gz bool, err error) error {
	hint := "Check that the file can be read."
	if gz {
		hint = "The gzip file is damaged or was cut off: copy it again."
	}
	return &fault.Error{File: path, Msg: "cannot be read", Err: err, Hint: hint}
}

// seek goes on at an offset of a plain file.
func (t *text) seek(offset int64) error {
	if _, err := t.file.Seek(offset, io.SeekStart); err != nil {
		return fmt.Errorf("seek: %w", err)
	}
	t.r = bufio.NewReaderSize(t.file, sniffBytes)
	return nil
}

type crReader struct{ r io.Reader }

func (c *crReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	for i := range p[:n] {
		if p[i] == '\r' {
			p[i] = '\n'
		}
	}
	return n, err
}

func encodings() []string {
	return []string{"utf-8", "windows-1252", "latin1", "utf-16", "utf-16le", "utf-16be"}
}

// decoder is nil for UTF-8.
func decoder(name string) (encoding.Encoding, error) {
	switch strings.ToLower(name) {
	case "", "utf-8", "utf8":
		return nil, nil
	case "windows-1252", "cp1252":
		return charmap.Windows1252, nil
	case "latin1", "iso-8859-1":
		return charmap.ISO8859_1, nil
	case "utf-16", "utf-16le":
		return unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), nil
	case "utf-16be":
		return unicode.UTF16(unicode.BigEndian, unicode.UseBOM), nil
	}
	return nil, fmt.Errorf("unknown encoding %q", name)
}

// hashPrefix is the SHA-256 of a file's first n bytes; ok is false when the file is shorter.
func hashPrefix(path string, n int64) (sum string, ok bool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", false, fmt.Errorf("open: %w", err)
	}
	defer f.Close()
	h := sha256.New()
	got, err := io.CopyBuffer(h, io.LimitReader(f, n), make([]byte, 256<<10))
	if err != nil {
		return "", false, fmt.Errorf("read %s: %w", path, err)
	}
	return hex.EncodeToString(h.Sum(nil)), got == n, nil
}

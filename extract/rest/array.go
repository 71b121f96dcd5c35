package rest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// arrayReader splits a JSON array into its elements without holding more than one of them. It finds where elements end
// (depth and strings); whether an element is JSON is for the parser to say.
type arrayReader struct {
	r       *bufio.Reader
	max     int
	started bool
	buf     []byte
}

var errArrayEnd = errors.New("end of array")

func newArrayReader(r io.Reader, maxElement int) *arrayReader {
	return &arrayReader{r: bufio.NewReaderSize(r, 64<<10), max: maxElement}
}

func (a *arrayReader) skipSpace() (byte, error) {
	for {
		c, err := a.r.ReadByte()
		if err == io.EOF {
			return 0, io.ErrUnexpectedEOF
		}
		if err != nil {
			return 0, err
		}
		if c != ' ' && c != '\n' && c != '\r' && c != '\t' {
			return c, nil
		}
	}
}

// next returns the next element, valid until the call after it; errArrayEnd after the last one.
func (a *arrayReader) next() ([]byte, error) {
	c, err := a.skipSpace()
	if err != nil {
		return nil, err
	}
	if !a.started {
		if c != '[' {
			return nil, fmt.Errorf("it begins with %q, not with [", c)
		}
		a.started = true
		if c, err = a.skipSpace(); err != nil {
			return nil, err
		}
	} else if c == ',' {
		if c, err = a.skipSpace(); err != nil {
			return nil, err
		}
	} else if c != ']' {
		return nil, fmt.Errorf("expected , or ] between elements, found %q", c)
	}
	if c == ']' {
		return nil, errArrayEnd
	}
	a.buf = append(a.buf[:0], c)
	depth, inText, escaped := 0, c == '"', false
	if c == '{' || c == '[' {
		depth = 1
	}
	for depth > 0 || inText || !closed(a.buf) {
		if c, err = a.r.ReadByte(); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		if depth == 0 && !inText && (c == ',' || c == ']') { // a bare number or word ends here
			if err := a.r.UnreadByte(); err != nil {
				return nil, err
			}
			break
		}
		if a.buf = append(a.buf, c); len(a.buf) > a.max {
			return nil, fmt.Errorf("one element is larger than %d MiB", a.max>>20)
		}
		switch {
		case escaped:
			escaped = false
		case inText && c == '\\':
			escaped = true
		case c == '"':
			inText = !inText
		case inText:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
		}
	}
	return a.buf, nil
}

// closed reports whether what was read at depth zero is a whole object, list or text.
func closed(b []byte) bool {
	switch b[0] {
	case '{', '[':
		return true // depth is back to zero
	case '"':
		return len(b) > 1
	}
	return false
}

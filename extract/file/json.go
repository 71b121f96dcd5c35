package file

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"millrace/extract"
	"millrace/internal/fault"
)

// jsonReader reads the records of one JSON document: an array of objects, at the top or at a dotted path, or one object.
// The document is walked token by token, so only one record is in memory at a time.
type jsonReader struct {
	in   input
	t    *text
	dec  *json.Decoder
	rec  *records
	skip int64
	n    int64 // records passed
	mode byte  // '[' records of an array, '{' one record, 0 nothing left
}

func openJSON(st stream, p plan) (reader, error) {
	t, err := openText(p.in.path, st.opt.Encoding)
	if err != nil {
		return nil, err
	}
	r := &jsonReader{in: p.in, t: t, dec: json.NewDecoder(t.r), rec: newRecords(st), skip: p.at.Rows}
	if err := r.enter(st.opt.Records); err != nil {
		t.Close()
		return nil, err
	}
	return r, nil
}

func (r *jsonReader) close() error       { return r.t.Close() }
func (r *jsonReader) position() position { return position{Rows: r.n} }

// enter walks to the records.
func (r *jsonReader) enter(path string) error {
	first := bytes.TrimLeft(r.t.head, " \t\r\n")
	if len(first) == 0 {
		return nil // only white space: no rows
	}
	if path == "" {
		switch first[0] {
		case '[':
			_, err := r.dec.Token()
			r.mode = '['
			return r.trouble(err)
		case '{':
			r.mode = '{'
			return nil
		}
		return &fault.Error{File: r.in.path, Msg: "expected a JSON array of objects, or an object", Value: string(first[:min(len(first), 40)]), Hint: "Check that the file is JSON; one object a line is format: ndjson."}
	}
	walked := ""
	for _, key := range strings.Split(path, ".") {
		if err := r.descend(key, walked); err != nil {
			return err
		}
		walked += key + "."
	}
	tok, err := r.dec.Token()
	if err != nil {
		return r.trouble(err)
	}
	if tok != json.Delim('[') {
		return &fault.Error{File: r.in.path, Key: "records", Value: path, Msg: "is not an array there", Hint: "Give the path to the array that holds the records."}
	}
	r.mode = '['
	return nil
}

// descend reads to the value of key in the object that comes next.
func (r *jsonReader) descend(key, walked string) error {
	tok, err := r.dec.Token()
	if err != nil {
		return r.trouble(err)
	}
	if tok != json.Delim('{') {
		return &fault.Error{File: r.in.path, Key: "records", Value: walked + key, Msg: "is not inside an object", Hint: "Give the dotted path to the array of records, such as data.items."}
	}
	var keys []string
	for r.dec.More() {
		tok, err := r.dec.Token()
		if err != nil {
			return r.trouble(err)
		}
		if tok == key {
			return nil
		}
		keys = append(keys, fmt.Sprint(tok))
		var skipped json.RawMessage
		if err := r.dec.Decode(&skipped); err != nil {
			return r.trouble(err)
		}
	}
	return &fault.Error{File: r.in.path, Key: "records", Value: walked + key, Msg: "is not in the file", Hint: fault.DidYouMean(key, keys)}
}

// trouble says where a document stops being JSON. Rows before it have been handed on already.
func (r *jsonReader) trouble(err error) error {
	if err == nil {
		return nil
	}
	var syntax *json.SyntaxError
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return &fault.Error{File: r.in.path, Msg: fmt.Sprintf("ends in the middle, after %d records", r.n), Hint: "The file was cut off: write or copy it again."}
	case errors.As(err, &syntax):
		return &fault.Error{File: r.in.path, Msg: fmt.Sprintf("is not valid JSON after %d records, at byte %d", r.n, syntax.Offset), Err: err, Hint: "Correct it there; one object a line is format: ndjson."}
	}
	return &fault.Error{File: r.in.path, Msg: "cannot be read as JSON", Err: err, Hint: "Check the file."}
}

func (r *jsonReader) fill(b *extract.Batch) (bool, error) {
	r.rec.begin()
	size, more := 0, true
	for len(r.rec.rows) < batchRows && size < batchBytes {
		if r.mode == 0 || r.mode == '[' && !r.dec.More() {
			if r.mode == '[' {
				if _, err := r.dec.Token(); err != nil {
					return false, r.trouble(err)
				}
			}
			more = false
			break
		}
		var raw json.RawMessage
		if err := r.dec.Decode(&raw); err != nil {
			return false, r.trouble(err)
		}
		if r.mode == '{' {
			r.mode = 0
		}
		r.n++
		if r.skip > 0 {
			r.skip--
			continue
		}
		size += len(raw)
		if reason := r.rec.add(raw, r.in.name, r.n); reason != "" {
			b.Bad = append(b.Bad, extract.BadRow{RowID: r.in.name + ":" + strconv.FormatInt(r.n, 10), Reason: strings.Replace(reason, "line ", "record ", 1), Raw: clip(raw)})
		}
	}
	r.rec.end(b)
	return more, nil
}

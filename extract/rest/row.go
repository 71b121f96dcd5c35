package rest

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fastjson"

	"millrace/extract"
	"millrace/extract/landing"
)

// shaper turns the records of one page into rows. What no column names is kept under its own name, so that the stream's
// contract decides about it and nothing is lost (P2).
type shaper struct {
	columns []column
	emptyIs bool
	// consumed is a tree of the record's fields that columns take; what is outside of it is extra.
	consumed *claim
	drop     map[string]bool
}

// claim is a node of consumed paths: a leaf is taken whole.
type claim struct {
	leaf  bool
	below map[string]*claim
}

func (c *claim) add(path []string) {
	for _, k := range path {
		if c.below == nil {
			c.below = map[string]*claim{}
		}
		next := c.below[k]
		if next == nil {
			next = &claim{}
			c.below[k] = next
		}
		c = next
	}
	c.leaf = true
}

func newShaper(r *resource, spec extract.StreamSpec) *shaper {
	s := &shaper{columns: slices.Clone(r.columns), emptyIs: r.EmptyIsNull, consumed: &claim{}, drop: map[string]bool{}}
	for i, c := range s.columns {
		for _, own := range spec.Schema.Columns {
			if own.Name == c.name {
				s.columns[i].typ = own.Type
			}
		}
		if c.place == inRecord {
			s.consumed.add(c.path)
		}
	}
	for _, d := range r.Drop {
		s.drop[strings.ReplaceAll(d, ".", "_")] = true
	}
	return s
}

// record is one record with what surrounds it.
type record struct {
	val    *fastjson.Value
	parent *fastjson.Value // the record that was exploded
	key    string          // explode over an object: the list's name
	index  int
	added  map[string]any // include_from_parent
}

// shape makes rows of a page. The rows do not refer to the parser's memory.
func (s *shaper) shape(root *fastjson.Value, recs []record, out *extract.Batch) {
	extras := map[string]int{}
	var names []string
	base := len(s.columns)
	for i := range recs {
		rec := &recs[i]
		row := make([]any, base, base+len(names))
		for j, c := range s.columns {
			row[j] = s.cell(c, root, rec)
		}
		s.rest(rec.val, s.consumed, "", func(name string, v any) {
			j, ok := extras[name]
			if !ok {
				j = len(names)
				extras[name] = j
				names = append(names, name)
			}
			for len(row) <= base+j {
				row = append(row, nil)
			}
			row[base+j] = v
		})
		out.Rows = append(out.Rows, row)
	}
	for _, c := range s.columns {
		out.Columns = append(out.Columns, c.original)
	}
	out.Columns = append(out.Columns, names...)
	for i, row := range out.Rows {
		for len(row) < len(out.Columns) {
			row = append(row, nil)
		}
		out.Rows[i] = row
	}
}

func (s *shaper) cell(c column, root *fastjson.Value, rec *record) any {
	switch c.place {
	case inAnswer:
		return s.convert(c, get(root, c.path))
	case inParent:
		return s.convert(c, get(rec.parent, c.path))
	}
	if len(c.path) == 1 {
		switch name := c.path[0]; {
		case name == "_key":
			return rec.key
		case name == "_index":
			return int64(rec.index)
		case strings.HasPrefix(name, "_"):
			if v, ok := rec.added[name]; ok {
				return v
			}
		}
	}
	return s.convert(c, get(rec.val, c.path))
}

// rest gives every field outside of the claimed paths. The name of a nested one is its path joined with "_".
func (s *shaper) rest(v *fastjson.Value, c *claim, prefix string, give func(string, any)) {
	if v == nil || v.Type() != fastjson.TypeObject {
		return
	}
	v.GetObject().Visit(func(k []byte, f *fastjson.Value) {
		inner := c.below[string(k)] // no copy: nearly every field of every record passes here
		if inner != nil && inner.leaf || len(s.drop) > 0 && s.drop[prefix+string(k)] {
			return
		}
		name := string(k)
		if inner != nil {
			s.rest(f, inner, prefix+name+"_", give)
			return
		}
		// A scalar inside a claimed object ({properties: {new_field}}) goes under its own name, as its declared
		// neighbours do; only a clash brings the prefix back.
		full := name
		if prefix != "" && s.taken(name) {
			full = prefix + name
		}
		if f.Type() != fastjson.TypeNull {
			give(full, native(f))
		}
	})
}

func (s *shaper) taken(name string) bool {
	return slices.ContainsFunc(s.columns, func(c column) bool { return c.name == name || c.original == name })
}

// native is a JSON value as a cell: a number that is not a 64-bit integer keeps its exact text.
func native(v *fastjson.Value) any {
	switch v.Type() {
	case fastjson.TypeString:
		return string(v.GetStringBytes())
	case fastjson.TypeTrue:
		return true
	case fastjson.TypeFalse:
		return false
	case fastjson.TypeNull:
		return nil
	case fastjson.TypeNumber:
		t := string(v.MarshalTo(nil))
		if n, err := strconv.ParseInt(t, 10, 64); err == nil {
			return n
		}
		return json.Number(t)
	}
	return json.RawMessage(v.MarshalTo(nil))
}

// convert makes a value fit its declared type where its meaning is beyond doubt. What does not fit is handed on as it is:
// the lander sends it to quarantine by the stream's contract.
func (s *shaper) convert(c column, v *fastjson.Value) any {
	if v == nil {
		return nil
	}
	switch v.Type() {
	case fastjson.TypeNull:
		return nil
	case fastjson.TypeObject, fastjson.TypeArray:
		return json.RawMessage(v.MarshalTo(nil))
	case fastjson.TypeString:
		if len(v.GetStringBytes()) == 0 && (s.emptyIs || c.typ != landing.Varchar && c.typ != landing.JSON) {
			return nil
		}
	}
	switch c.typ {
	case landing.Varchar:
		if v.Type() == fastjson.TypeString {
			return string(v.GetStringBytes())
		}
		return string(v.MarshalTo(nil))
	case landing.JSON:
		return json.RawMessage(v.MarshalTo(nil))
	case landing.Timestamp, landing.Date:
		if t, ok := instant(text(v), c.format); ok {
			return t
		}
	case landing.BigInt:
		if n, err := strconv.ParseInt(text(v), 10, 64); err == nil {
			return n
		}
	case landing.Boolean:
		switch strings.ToLower(text(v)) {
		case "true":
			return true
		case "false":
			return false
		}
	case landing.Double:
		if f, err := strconv.ParseFloat(text(v), 64); err == nil {
			return f
		}
	default:
		if t := text(v); isDecimal(t) {
			return json.Number(t)
		}
	}
	return native(v)
}

func isDecimal(s string) bool {
	if s == "" {
		return false
	}
	_, err := strconv.ParseFloat(s, 64)
	return err == nil && strings.Trim(s, "0123456789.-+eE") == ""
}

// instant reads a time in the format that a column or cursor declares; without one ISO 8601, and whole numbers of
// thirteen digits as epoch milliseconds, since some vendors write both for the same field.
func instant(s, format string) (time.Time, bool) {
	switch format {
	case "unix", "unix_ms":
		f, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return time.Time{}, false
		}
		if format == "unix" {
			return time.Unix(f, 0).UTC(), true
		}
		return time.UnixMilli(f).UTC(), true
	case "basic_date":
		t, err := time.Parse("20060102", s)
		return t, err == nil
	}
	if len(s) == 13 && strings.Trim(s, "0123456789") == "" {
		ms, err := strconv.ParseInt(s, 10, 64)
		return time.UnixMilli(ms).UTC(), err == nil
	}
	t, err := parseInstant(s)
	return t, err == nil
}

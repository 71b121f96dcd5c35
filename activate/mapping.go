package activate

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"millrace/internal/canon"
	"millrace/internal/fault"
	"millrace/transform/relation"
)

// Transforms that a mapping may ask for, in the order in which they are written. The set is small on purpose: what is more
// than spelling belongs into SQL, where it can be tested. Hashing for ad platforms is the destination's.
var transforms = map[string]string{
	"trim":         "spaces at both ends are taken off",
	"lower":        "lower case",
	"upper":        "upper case",
	"text":         "the value as text",
	"date":         "the day of an instant (UTC), as 2026-03-02",
	"seconds":      "an instant as seconds since 1970",
	"milliseconds": "an instant as milliseconds since 1970",
	"round":        "a number rounded to whole ones, half away from zero; round(2) keeps two digits",
	"first":        "first(80): the first 80 characters",
}

var transformForm = regexp.MustCompile(`^([a-z]+)(?:\((\d{1,4})\))?$`)

// Transform is one step of a mapping's spelling.
type Transform struct {
	name string
	n    int
}

func parseTransforms(list []string) ([]Transform, error) {
	var out []Transform
	for _, x := range list {
		m := transformForm.FindStringSubmatch(strings.TrimSpace(x))
		if m == nil || transforms[m[1]] == "" {
			var names []string
			for n := range transforms {
				names = append(names, n)
			}
			slices.Sort(names)
			hint := fault.DidYouMean(x, names)
			if hint == "" {
				hint = "Use " + strings.Join(names, ", ") + "; anything else belongs into SQL."
			}
			return nil, &fault.Error{Value: x, Msg: "not a transform", Hint: hint}
		}
		t := Transform{name: m[1]}
		if m[2] != "" {
			t.n, _ = strconv.Atoi(m[2]) // digits only: the form says so
		}
		if (m[2] != "") != (t.name == "first" || t.name == "round" && m[2] != "") || t.name == "first" && t.n < 1 {
			return nil, &fault.Error{Value: x, Msg: "this transform is not written so", Hint: "Write first(80), round or round(2); the others take no number."}
		}
		out = append(out, t)
	}
	return out, nil
}

// spell gives a cell as canonical JSON, transformed.
func (f field) spell(v any) (json.RawMessage, error) {
	var err error
	for _, t := range f.steps {
		if v == nil {
			break
		}
		if v, err = t.apply(v); err != nil {
			return nil, fmt.Errorf("transform %s: %w", t.name, err)
		}
	}
	return canon.JSON(v)
}

func (t Transform) apply(v any) (any, error) {
	switch t.name {
	case "date", "seconds", "milliseconds":
		at, ok := v.(time.Time)
		if !ok {
			return nil, fmt.Errorf("%T is no instant", v)
		}
		switch t.name {
		case "date":
			return at.UTC().Format(time.DateOnly), nil
		case "seconds":
			return at.Unix(), nil
		}
		return at.UnixMilli(), nil
	}
	j, err := canon.JSON(v)
	if err != nil {
		return nil, err
	}
	text := canon.Text(j)
	switch t.name {
	case "trim":
		return strings.TrimSpace(text), nil
	case "lower":
		return strings.ToLower(text), nil
	case "upper":
		return strings.ToUpper(text), nil
	case "text":
		return text, nil
	case "first":
		r := []rune(text)
		return string(r[:min(len(r), t.n)]), nil
	case "round":
		x, ok := new(big.Rat).SetString(text)
		if !ok {
			return nil, fmt.Errorf("%q is no number", fault.Shorten(text, 20))
		}
		return json.Number(x.FloatString(t.n)), nil
	}
	return nil, fmt.Errorf("unknown")
}

// meaning is a hash of everything in the file that decides what a row of the relation is sent as.
func (s *Sync) meaning() string {
	type mapped struct{ Name, Column, Null, Steps string }
	var m []mapped
	for _, f := range s.fields {
		m = append(m, mapped{f.name, f.Column, f.Null, fmt.Sprint(f.steps)})
	}
	b, err := json.Marshal([]any{s.File.Relation, s.File.Mode, s.File.Key, m})
	if err != nil {
		panic("activate: a mapping cannot be spelled as JSON: " + err.Error()) // texts only
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

// fits checks one value against what the destination declares about its field.
func fits(info FieldInfo, v json.RawMessage) (string, error) {
	if canon.IsEmpty(v) {
		return "", nil
	}
	if info.MaxLength > 0 {
		if n := utf8.RuneCountInString(canon.Text(v)); n > info.MaxLength {
			return dropTooLong, fmt.Errorf("%d characters, %s takes %d; shorten it in SQL or with `transform: first(%d)`", n, info.Name, info.MaxLength, info.MaxLength)
		}
	}
	if len(info.Options) > 0 && !slices.Contains(info.Options, canon.Text(v)) {
		return dropNoOption, fmt.Errorf("%q is none of the options of %s: %s", fault.Shorten(canon.Text(v), 40), info.Name, fault.Shorten(strings.Join(info.Options, ", "), 120))
	}
	return "", nil
}

// kindOf is the kind of value that a column's type gives after the transforms; any when it is not known.
func kindOf(typ string, steps []Transform) Kind {
	t := strings.ToUpper(typ)
	kind := KindAny
	switch {
	case strings.HasPrefix(t, "DECIMAL"), t == "DOUBLE", t == "FLOAT":
		kind = KindNumber
		if strings.HasSuffix(t, ",0)") {
			kind = KindInteger
		}
	case strings.HasSuffix(t, "INT"), t == "INTEGER", t == "UINTEGER":
		kind = KindInteger
	case t == "BOOLEAN":
		kind = KindBool
	case t == "DATE":
		kind = KindDate
	case strings.HasPrefix(t, "TIMESTAMP"):
		kind = KindInstant
	case t == "VARCHAR", t == "UUID":
		kind = KindText
	}
	for _, x := range steps {
		switch x.name {
		case "trim", "lower", "upper", "text", "first":
			kind = KindText
		case "date":
			kind = KindDate
		case "seconds", "milliseconds":
			kind = KindInteger
		case "round":
			kind = KindNumber
			if x.n == 0 {
				kind = KindInteger
			}
		}
	}
	return kind
}

// describe asks the destination what its fields take, and refuses a mapping whose column cannot fit.
func (s *Sync) describe(infos []FieldInfo, rel relation.Relation) (map[string]FieldInfo, error) {
	out := map[string]FieldInfo{}
	for _, i := range infos {
		out[i.Name] = i
	}
	var l fault.List
	for _, f := range s.fields {
		info, ok := out[f.name]
		if !ok {
			continue // Check says which fields there are
		}
		if info.ReadOnly && f.name != s.File.Key.Field {
			l.Add(f.node.Fault("Map another field.", "%s computes this field itself; it cannot be written", s.File.Destination))
			continue
		}
		i := slices.IndexFunc(rel.Columns, func(c relation.Column) bool { return c.Name == f.Column })
		if i < 0 {
			continue
		}
		have := kindOf(rel.Columns[i].Type, f.steps)
		hint := ""
		switch {
		case have == KindAny || info.Kind == KindAny || info.Kind == KindText || have == info.Kind:
			continue
		case info.Kind == KindNumber && have == KindInteger, info.Kind == KindInstant && have == KindDate, info.Kind == KindDate && have == KindInstant:
			continue
		case info.Kind == KindInteger && have == KindNumber:
			hint = "Add `transform: round`, or cast it in SQL."
		default:
			hint = fmt.Sprintf("Cast %s in SQL, or map another column.", f.Column)
		}
		e := f.node.Fault(hint, "column %s is %s, and %s takes %s there", f.Column, strings.ToLower(rel.Columns[i].Type), s.File.Destination, info.Kind)
		e.Value = f.name
		l.Add(e)
	}
	return out, l.Or()
}

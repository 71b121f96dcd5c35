package config

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"millrace/internal/fault"
	"millrace/internal/secret"
)

// Unmarshaler is an optional interface of types that decode themselves. The error may be a fault.List; use Node.Fault.
type Unmarshaler interface {
	UnmarshalConfig(n Node) error
}

// Shorthand is an optional interface of structs that may also be written as one word. FromShort is called after the
// defaults are set. ShortSchema is the JSON Schema of the word; nil means any text.
type Shorthand interface {
	FromShort(text string) error
	ShortSchema() map[string]any
}

// Checker is an optional interface of structs with rules across fields. It is called when the struct decoded without
// error, with the node it came from: use Node.Get(key).Fault for a place. The error may be a fault.List.
type Checker interface {
	CheckConfig(n Node) error
}

// tagged is implemented in this package by containers that hand the field's tags on to their elements.
type tagged interface {
	decodeTagged(d *decoder, n Node, t tags)
}

type tags struct {
	name     string
	doc      string
	example  string
	enum     []string
	def      string
	hasDef   bool
	required bool
	min, max *float64
}

func parseTags(f reflect.StructField) (t tags, ok, inline bool) {
	name, opts, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	if f.Anonymous && name == "" || opts == "inline" {
		return tags{}, true, true
	}
	if name == "" || name == "-" || !f.IsExported() {
		return tags{}, false, false
	}
	t = tags{name: name, doc: f.Tag.Get("doc"), example: f.Tag.Get("example"), required: f.Tag.Get("required") == "true"}
	t.def, t.hasDef = f.Tag.Lookup("default")
	if e := f.Tag.Get("enum"); e != "" {
		t.enum = strings.Split(e, ",")
	}
	bound := func(key string) *float64 {
		if v, err := strconv.ParseFloat(f.Tag.Get(key), 64); err == nil {
			return &v
		}
		return nil
	}
	t.min, t.max = bound("min"), bound("max")
	return t, true, false
}

type field struct {
	tags
	index []int
	typ   reflect.Type
}

// fieldsOf lists the keys of a struct type, embedded structs included, in the order of the source text.
func fieldsOf(t reflect.Type) []field {
	var out []field
	for i := range t.NumField() {
		f := t.Field(i)
		tg, ok, inline := parseTags(f)
		switch {
		case !ok:
		case inline && f.Type.Kind() == reflect.Struct:
			for _, sub := range fieldsOf(f.Type) {
				sub.index = append([]int{i}, sub.index...)
				out = append(out, sub)
			}
		case !inline:
			out = append(out, field{tags: tg, index: []int{i}, typ: f.Type})
		}
	}
	return out
}

type decoder struct{ errs fault.List }

var (
	nodeType     = reflect.TypeFor[Node]()
	durationType = reflect.TypeFor[time.Duration]()
	secretType   = reflect.TypeFor[secret.String]()
)

// into decodes n into rv. Null and absent leave rv at its default.
func (d *decoder) into(n Node, rv reflect.Value, t tags) {
	if rv.Kind() == reflect.Pointer {
		if n.Kind() <= Null {
			return
		}
		if rv.IsNil() {
			rv.Set(reflect.New(rv.Type().Elem()))
		}
		d.into(n, rv.Elem(), t)
		return
	}
	if rv.Type() == nodeType {
		rv.Set(reflect.ValueOf(n))
		return
	}
	if n.v != nil && n.v.missing != nil {
		d.errs.Add(n.v.missing)
		return
	}
	if rv.CanAddr() {
		switch out := rv.Addr().Interface().(type) {
		case tagged:
			out.decodeTagged(d, n, t)
			return
		case Unmarshaler:
			if n.Kind() > Null {
				d.add(n, out.UnmarshalConfig(n))
			}
			return
		}
	}
	if rv.Kind() == reflect.Struct && !isText(rv) {
		d.structOrShort(n, rv)
		return
	}
	if n.Kind() <= Null {
		return
	}
	before := len(d.errs)
	switch {
	case rv.Type() == durationType:
		d.duration(n, rv)
	case isText(rv):
		d.text(n, rv, t)
	default:
		d.basic(n, rv, t)
	}
	if len(d.errs) == before && rv.Kind() >= reflect.Int && rv.Kind() <= reflect.Float64 && rv.Type() != durationType {
		d.bounds(n, rv, t)
	}
}

// add reports an error that a type gave about its own value, with the place when it has none.
func (d *decoder) add(n Node, err error) {
	if err == nil {
		return
	}
	switch e := err.(type) {
	case fault.List:
		d.errs.Add(e)
	case *fault.Error:
		if e.File == "" {
			e = d.place(n, e)
		}
		d.errs.Add(e)
	default:
		d.errs.Add(d.explain(n, err))
	}
}

// place gives an error of a type that cannot know where it is (UnmarshalText, FromShort) its place.
func (d *decoder) place(n Node, f *fault.Error) *fault.Error {
	at := n.Fault(f.Hint, "%s", f.Msg)
	if f.Err != nil && !(n.scalar() && n.v.expanded) { // a cause may quote what a variable held (P8)
		at.Err = f.Err
	}
	return at
}

// explain wraps an error about a scalar without letting a value that came from a variable out (P8).
func (d *decoder) explain(n Node, err error) error {
	f := n.Fault("", "%s", err)
	if n.scalar() && n.v.expanded && n.v.text != "" {
		f.Msg = strings.ReplaceAll(f.Msg, n.v.text, n.v.raw)
	}
	return f
}

func isText(rv reflect.Value) bool {
	if !rv.CanAddr() {
		return false
	}
	_, ok := rv.Addr().Interface().(encoding.TextUnmarshaler)
	return ok
}

func (d *decoder) structOrShort(n Node, rv reflect.Value) {
	if s, ok := rv.Addr().Interface().(Shorthand); ok && n.scalar() {
		d.defaults(rv)
		if !n.textual() {
			d.wrong(n, "text or a mapping of keys")
			return
		}
		d.add(n, s.FromShort(n.v.text))
		return
	}
	d.structs(n, []reflect.Value{rv})
}

// textual reports whether a string may be taken from the scalar: text as written, or anything that a variable gave.
func (n Node) textual() bool { return n.v.kind == String || n.scalar() && n.v.expanded }

// structs decodes one mapping into the union of several structs.
func (d *decoder) structs(n Node, rvs []reflect.Value) {
	type target struct {
		field
		rv reflect.Value
	}
	var targets []target
	for _, rv := range rvs {
		d.defaults(rv)
		for _, f := range fieldsOf(rv.Type()) {
			targets = append(targets, target{f, rv.FieldByIndex(f.index)})
		}
	}
	if n.v != nil && n.v.missing != nil {
		d.errs.Add(n.v.missing)
		return
	}
	if k := n.Kind(); k != Mapping && k > Null {
		d.wrong(n, "a mapping of keys")
		return
	}
	before := len(d.errs)
	given := map[string]bool{}
	meant := map[string]bool{} // keys that an unknown one was probably meant to be: one mistake, one message
	for _, e := range n.entries() {
		child, known := n.child(e), false
		for _, t := range targets {
			if t.name == e.name {
				known = true
				d.into(child, t.rv, t.tags)
			}
		}
		if !known {
			var names []string
			for _, t := range targets {
				names = append(names, t.name)
			}
			f := child.KeyFault(fault.DidYouMean(e.name, names), "unknown key")
			if strings.ContainsAny(e.name, ") ") && child.Kind() == Null { // {type: DECIMAL(18,4)}, {description: a, and b}
				f.Hint = "Put quotes around a value with a comma inside { } and [ ]."
			}
			if len(names) == 0 {
				f.Hint = "No keys are taken here."
			}
			d.errs.Add(f)
			meant[fault.Nearest(e.name, names)] = true
		}
		given[e.name] = child.Kind() > Null
	}
	for _, t := range targets {
		if t.typ == nodeType && t.rv.Interface().(Node).IsZero() {
			t.rv.Set(reflect.ValueOf(n.Get(t.name))) // absent, but what is missing inside will have a place
		}
		if !t.required {
			continue
		}
		child := n.Get(t.name)
		switch {
		case !given[t.name] && meant[t.name]:
		case !given[t.name]:
			d.errs.Add(&fault.Error{File: n.file, Line: child.at.line, Col: child.at.col, Key: child.key,
				Msg: "is required and missing", Hint: requiredHint(t.tags)})
			given[t.name] = true // report once when two structs ask for it
		case child.scalar() && child.v.missing == nil && child.v.text == "":
			d.errs.Add(child.Fault(requiredHint(t.tags), "is required and empty"))
		}
	}
	if len(d.errs) > before {
		return
	}
	for _, rv := range rvs {
		if c, ok := rv.Addr().Interface().(Checker); ok {
			d.add(n, c.CheckConfig(n))
		}
	}
}

func requiredHint(t tags) string {
	switch {
	case len(t.enum) > 0:
		return "Give one of: " + strings.Join(t.enum, ", ") + "."
	case t.example != "":
		return fmt.Sprintf("Add it, for example %s: %s.", t.name, t.example)
	case t.doc != "":
		return fmt.Sprintf("Add %s: %s", t.name, sentence(t.doc))
	}
	return fmt.Sprintf("Add %s.", t.name)
}

func sentence(s string) string {
	if s != "" && !strings.HasSuffix(s, ".") {
		return s + "."
	}
	return s
}

// defaults sets every `default` tag, also in nested structs that the file may not mention.
func (d *decoder) defaults(rv reflect.Value) {
	for _, f := range fieldsOf(rv.Type()) {
		fv := rv.FieldByIndex(f.index)
		if !f.hasDef {
			if fv.Kind() == reflect.Struct && fv.Type() != nodeType && !isText(fv) {
				if _, custom := fv.Addr().Interface().(Unmarshaler); !custom {
					d.defaults(fv)
				}
			}
			continue
		}
		v := &value{kind: String, text: f.def, raw: f.def, plain: true}
		t := fv.Type()
		for t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		if t.Kind() == reflect.Slice && !reflect.PointerTo(t).Implements(reflect.TypeFor[Unmarshaler]()) {
			v = &value{kind: List}
			for _, item := range strings.Split(f.def, ",") {
				v.list = append(v.list, &value{kind: resolve(item), text: item, raw: item, plain: true})
			}
		} else if t.Kind() != reflect.String {
			v.kind = resolve(f.def)
			v.expanded = true // text and number forms are both fine in a tag
		}
		fv.SetZero()
		d.into(Node{v: v, file: "default tag of " + rv.Type().String(), key: f.name}, fv, f.tags)
	}
}

// wrong reports a value of the wrong kind.
func (d *decoder) wrong(n Node, want string) {
	found, hint := n.Kind().String(), ""
	if n.scalar() && n.v.expanded {
		found = "something else in the variable"
	}
	switch {
	case want == Bool.String() && n.scalar():
		hint = "Write true or false."
	case want == String.String() && n.scalar():
		hint = fmt.Sprintf("Put quotes around it: %q.", n.v.raw)
	case want == List.String() && n.scalar():
		hint = fmt.Sprintf("Write a list: [%s].", n.v.raw)
	}
	d.errs.Add(n.Fault(hint, "wants %s, found %s", want, found))
}

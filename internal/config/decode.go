package config

import (
	"encoding"
	"fmt"
	"math"
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
	switch {
	case rv.Type() == durationType:
		d.duration(n, rv)
	case isText(rv):
		d.text(n, rv, t)
	default:
		d.basic(n, rv, t)
	}
	if rv.Kind() >= reflect.Int && rv.Kind() <= reflect.Float64 && rv.Type() != durationType {
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
			if len(names) == 0 {
				f.Hint = "No keys are taken here."
			}
			d.errs.Add(f)
		}
		given[e.name] = child.Kind() > Null
	}
	for _, t := range targets {
		if !t.required {
			continue
		}
		child := n.Get(t.name)
		switch {
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

func (d *decoder) duration(n Node, rv reflect.Value) {
	if !n.scalar() || !n.textual() {
		d.wrong(n, "a duration such as 90s, 15m, 6h or 7d")
		return
	}
	v, ok := parseDuration(n.v.text)
	if !ok {
		d.errs.Add(n.Fault("Write a number with a unit: 90s, 15m, 6h, 7d.", "is not a duration"))
		return
	}
	rv.SetInt(int64(v))
}

// parseDuration takes Go's form without a sign, and whole or broken days in front of it: "7d", "1d12h".
func parseDuration(s string) (time.Duration, bool) {
	var days time.Duration
	if head, tail, ok := strings.Cut(s, "d"); ok {
		f, err := strconv.ParseFloat(head, 64)
		if err != nil || f < 0 || f > 36500 || strings.ContainsAny(head, "+eExXpP_nNiI") {
			return 0, false
		}
		days = time.Duration(f * float64(24*time.Hour))
		if s = tail; s == "" {
			return days, true
		}
	}
	if s == "" || s[0] == '-' || s[0] == '+' || s == "0" {
		return 0, false
	}
	v, err := time.ParseDuration(s)
	if err != nil || v < 0 || days+v < days {
		return 0, false
	}
	return days + v, true
}

func (d *decoder) text(n Node, rv reflect.Value, t tags) {
	if !n.scalar() || !n.textual() {
		if rv.Type() == secretType && n.scalar() {
			f := n.Fault("Put quotes around it, or better take it from a variable: ${NAME}.", "wants text, found %s", n.Kind())
			f.Value = ""
			d.errs.Add(f)
			return
		}
		d.wrong(n, "text")
		return
	}
	if err := rv.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(n.v.text)); err != nil {
		if rv.Type() == secretType {
			f := n.Fault("", "cannot be used as a secret")
			f.Value = ""
			d.errs.Add(f)
			return
		}
		d.add(n, err)
		return
	}
	d.enum(n, n.v.text, t)
}

func (d *decoder) enum(n Node, text string, t tags) {
	if len(t.enum) == 0 {
		return
	}
	for _, e := range t.enum {
		if e == text {
			return
		}
	}
	d.errs.Add(n.Fault(fault.DidYouMean(text, t.enum), "wants one of %s", strings.Join(t.enum, ", ")))
}

func (d *decoder) basic(n Node, rv reflect.Value, t tags) {
	switch rv.Kind() {
	case reflect.String:
		if !n.scalar() || !n.textual() {
			d.wrong(n, "text")
			return
		}
		rv.SetString(n.v.text)
		d.enum(n, n.v.text, t)
	case reflect.Bool:
		if !n.scalar() || resolve(n.v.text) != Bool || n.v.kind != Bool && !n.v.expanded {
			d.wrong(n, Bool.String())
			return
		}
		rv.SetBool(strings.EqualFold(n.v.text, "true"))
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		d.integer(n, rv)
	case reflect.Float32, reflect.Float64:
		k := Null
		if n.scalar() && (n.v.kind != String || n.v.expanded) {
			k = resolve(n.v.text)
		}
		if k != Int && k != Float {
			d.wrong(n, Float.String())
			return
		}
		rv.SetFloat(toFloat(n.v.text))
	case reflect.Slice:
		if n.Kind() != List {
			d.wrong(n, List.String())
			return
		}
		items := n.Items()
		out := reflect.MakeSlice(rv.Type(), len(items), len(items))
		for i, item := range items {
			d.element(item, out.Index(i), t)
		}
		rv.Set(out)
	case reflect.Map:
		if n.Kind() != Mapping || rv.Type().Key().Kind() != reflect.String {
			d.wrong(n, Mapping.String())
			return
		}
		out := reflect.MakeMap(rv.Type())
		for _, e := range n.entries() {
			elem := reflect.New(rv.Type().Elem()).Elem()
			d.into(n.child(e), elem, t.element())
			out.SetMapIndex(reflect.ValueOf(e.name).Convert(rv.Type().Key()), elem)
		}
		rv.Set(out)
	case reflect.Interface:
		if v := d.free(n); v != nil {
			rv.Set(reflect.ValueOf(v))
		}
	default:
		d.errs.Add(n.Fault("", "cannot be decoded into %s", rv.Type()))
	}
}

// element decodes one item of a list, where an empty entry is a mistake rather than a default.
func (d *decoder) element(n Node, rv reflect.Value, t tags) {
	if n.Kind() == Null && rv.Type() != nodeType && rv.Kind() != reflect.Interface {
		d.errs.Add(n.Fault("Give the entry a value or remove the dash.", "is an empty entry in a list"))
		return
	}
	d.into(n, rv, t.element())
}

// element is what of a field's tags holds for each element of a list or map.
func (t tags) element() tags { return tags{enum: t.enum, min: t.min, max: t.max} }

func (d *decoder) integer(n Node, rv reflect.Value) {
	if !n.scalar() || n.v.kind == String && !n.v.expanded {
		d.wrong(n, Int.String())
		return
	}
	var i int64
	var err error
	switch resolve(n.v.text) {
	case Int:
		i, err = toInt(n.v.text)
	case Float: // 3.0 is a whole number for JSON Schema, and so here
		f := toFloat(n.v.text)
		if f != math.Trunc(f) || math.Abs(f) > 1<<53 {
			d.wrong(n, Int.String())
			return
		}
		i = int64(f)
	default:
		d.wrong(n, Int.String())
		return
	}
	unsigned := rv.Kind() >= reflect.Uint && rv.Kind() <= reflect.Uint64
	if err != nil || !unsigned && rv.OverflowInt(i) || unsigned && (i < 0 || rv.OverflowUint(uint64(i))) {
		d.errs.Add(n.Fault("", "is out of range for a whole number here"))
		return
	}
	if unsigned {
		rv.SetUint(uint64(i))
	} else {
		rv.SetInt(i)
	}
}

func (d *decoder) bounds(n Node, rv reflect.Value, t tags) {
	if t.min == nil && t.max == nil || !n.scalar() || !rv.CanInterface() {
		return
	}
	var f float64
	switch {
	case rv.CanInt():
		f = float64(rv.Int())
	case rv.CanUint():
		f = float64(rv.Uint())
	default:
		f = rv.Float()
	}
	switch {
	case t.min != nil && f < *t.min:
		d.errs.Add(n.Fault("", "must be at least %s", strconv.FormatFloat(*t.min, 'f', -1, 64)))
	case t.max != nil && f > *t.max:
		d.errs.Add(n.Fault("", "must be at most %s", strconv.FormatFloat(*t.max, 'f', -1, 64)))
	}
}

// free decodes into any: map[string]any, []any, string, int64, float64, bool or nil.
func (d *decoder) free(n Node) any {
	if n.v == nil {
		return nil
	}
	if n.v.missing != nil {
		d.errs.Add(n.v.missing)
		return nil
	}
	switch n.v.kind {
	case Mapping:
		m := make(map[string]any, len(n.v.entries))
		for _, e := range n.v.entries {
			m[e.name] = d.free(n.child(e))
		}
		return m
	case List:
		l := make([]any, 0, len(n.v.list))
		for _, item := range n.Items() {
			l = append(l, d.free(item))
		}
		return l
	case Bool:
		return strings.EqualFold(n.v.text, "true")
	case Int:
		i, err := toInt(n.v.text)
		if err != nil {
			return toFloat(n.v.text)
		}
		return i
	case Float:
		return toFloat(n.v.text)
	case String:
		return n.v.text
	}
	return nil
}

func toInt(s string) (int64, error) {
	switch {
	case strings.HasPrefix(s, "0x"):
		return strconv.ParseInt(s[2:], 16, 64)
	case strings.HasPrefix(s, "0o"):
		return strconv.ParseInt(s[2:], 8, 64)
	}
	return strconv.ParseInt(s, 10, 64)
}

func toFloat(s string) float64 {
	switch strings.ToLower(strings.TrimPrefix(s, "+")) {
	case ".inf":
		return math.Inf(1)
	case "-.inf":
		return math.Inf(-1)
	case ".nan":
		return math.NaN()
	}
	if i, err := toInt(s); err == nil {
		return float64(i)
	}
	f, _ := strconv.ParseFloat(s, 64) // the form was checked by resolve; out of range gives ±Inf
	return f
}

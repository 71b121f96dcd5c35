package config

import (
	"encoding"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"millrace/internal/fault"
)

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
	i, ok := whole(n.v.text)
	if k := resolve(n.v.text); !ok && k != Int {
		d.wrong(n, Int.String())
		return
	}
	unsigned := rv.Kind() >= reflect.Uint && rv.Kind() <= reflect.Uint64
	if !ok || !unsigned && rv.OverflowInt(i) || unsigned && (i < 0 || rv.OverflowUint(uint64(i))) {
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

// whole reads a whole number; 3.0 is one, as it is for JSON Schema.
func whole(s string) (int64, bool) {
	switch resolve(s) {
	case Int:
		i, err := toInt(s)
		return i, err == nil
	case Float:
		f := toFloat(s)
		return int64(f), f == math.Trunc(f) && math.Abs(f) <= 1<<53
	}
	return 0, false
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

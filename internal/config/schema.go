package config

import (
	"encoding"
	"math"
	"reflect"
	"strconv"
	"strings"
)

// Schemaer is an optional interface of an Unmarshaler: the JSON Schema of what it takes.
type Schemaer interface {
	ConfigSchema() map[string]any
}

type schemaTagged interface {
	schemaTagged(s *schemer, t tags) map[string]any
}

// Schema returns the JSON Schema (draft 2020-12) of what Node.Decode(outs...) takes. Unknown keys are refused. Every
// scalar also takes a text with a variable, because variables are replaced after an editor has looked.
func Schema(title string, outs ...any) map[string]any {
	s := &schemer{defs: map[string]any{}, open: map[reflect.Type]bool{}}
	var types []reflect.Type
	for _, out := range outs {
		rv := reflect.ValueOf(out)
		if !rv.IsValid() {
			continue
		}
		t := rv.Type()
		for t.Kind() == reflect.Pointer {
			t = t.Elem()
		}
		types = append(types, t)
	}
	var m map[string]any
	if len(types) == 1 {
		m = s.of(types[0], tags{})
	} else {
		m = s.object(types)
	}
	m["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	if title != "" {
		m["title"] = title
	}
	if len(s.defs) > 0 {
		m["$defs"] = s.defs
	}
	return m
}

type schemer struct {
	defs map[string]any
	open map[reflect.Type]bool // structs being described: a second meeting is a recursion
}

func envSchema() map[string]any {
	return map[string]any{"type": "string", "pattern": `\$\{|\{\{`, "description": "a variable: ${NAME} or ${NAME:default}"}
}

func orEnv(m map[string]any) map[string]any { return map[string]any{"anyOf": []any{m, envSchema()}} }

// nullable lets a key stand without a value, which keeps the default.
func (s *schemer) nullable(m map[string]any) map[string]any {
	if len(m) == 0 {
		return m
	}
	return map[string]any{"anyOf": []any{m, map[string]any{"type": "null"}}}
}

func (s *schemer) of(t reflect.Type, tg tags) map[string]any {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nodeType {
		return map[string]any{}
	}
	zero := reflect.New(t).Interface()
	switch z := zero.(type) {
	case schemaTagged:
		return z.schemaTagged(s, tg)
	case Schemaer:
		return z.ConfigSchema()
	case Unmarshaler:
		return map[string]any{}
	}
	if t == durationType {
		return map[string]any{"anyOf": []any{map[string]any{"type": "string", "pattern": `^([0-9.]+d)?([0-9.]+(ns|us|µs|ms|s|m|h))*$`, "minLength": 2}, envSchema()}}
	}
	if _, ok := zero.(encoding.TextUnmarshaler); ok {
		return s.enum(map[string]any{"type": "string"}, tg)
	}
	switch t.Kind() {
	case reflect.Struct:
		return s.structure(t, zero)
	case reflect.String:
		return s.enum(map[string]any{"type": "string"}, tg)
	case reflect.Bool:
		return orEnv(map[string]any{"type": "boolean"})
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		largest := int64(math.MaxInt64) >> (64 - t.Bits())
		return orEnv(bounded(map[string]any{"type": "integer", "minimum": -largest - 1, "maximum": largest}, tg))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		largest := int64(math.MaxInt64) // the decoder reads whole numbers as int64
		if t.Bits() < 64 {
			largest = 1<<t.Bits() - 1
		}
		return orEnv(bounded(map[string]any{"type": "integer", "minimum": 0, "maximum": largest}, tg))
	case reflect.Float32, reflect.Float64:
		return orEnv(bounded(map[string]any{"type": "number"}, tg))
	case reflect.Slice:
		return map[string]any{"type": "array", "items": s.of(t.Elem(), tg.element())}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": s.nullable(s.of(t.Elem(), tg.element()))}
	}
	return map[string]any{}
}

func bounded(m map[string]any, tg tags) map[string]any {
	if tg.min != nil {
		m["minimum"] = *tg.min
	}
	if tg.max != nil {
		m["maximum"] = *tg.max
	}
	return m
}

func (s *schemer) enum(m map[string]any, tg tags) map[string]any {
	if len(tg.enum) == 0 {
		return m
	}
	values := make([]any, len(tg.enum))
	for i, e := range tg.enum {
		values[i] = e
	}
	return orEnv(map[string]any{"type": "string", "enum": values})
}

func (s *schemer) structure(t reflect.Type, zero any) map[string]any {
	name := strings.ReplaceAll(t.String(), "/", ".")
	if s.open[t] {
		s.defs[name] = nil // asked for; filled below when the first description is done
		return map[string]any{"$ref": "#/$defs/" + name}
	}
	s.open[t] = true
	m := s.object([]reflect.Type{t})
	delete(s.open, t)
	if sh, ok := zero.(Shorthand); ok {
		short := sh.ShortSchema()
		if short == nil {
			short = map[string]any{"type": "string"}
		}
		m = map[string]any{"anyOf": []any{short, envSchema(), m}}
	}
	if v, asked := s.defs[name]; asked {
		if v == nil {
			s.defs[name] = m
		}
		return map[string]any{"$ref": "#/$defs/" + name}
	}
	return m
}

func (s *schemer) object(types []reflect.Type) map[string]any {
	props := map[string]any{}
	var required []any
	for _, t := range types {
		for _, f := range fieldsOf(t) {
			p := s.of(f.typ, f.tags)
			if f.required {
				required = append(required, f.name)
				p = notEmpty(p)
			} else {
				p = s.nullable(p)
			}
			p = annotate(p, f)
			props[f.name] = p
		}
	}
	m := map[string]any{"type": "object", "properties": props, "additionalProperties": false}
	if len(required) > 0 {
		m["required"] = required
	}
	return m
}

// notEmpty says what `required` means beyond the key being there.
func notEmpty(p map[string]any) map[string]any {
	if len(p) == 0 {
		return map[string]any{"not": map[string]any{"anyOf": []any{map[string]any{"type": "null"}, map[string]any{"const": ""}}}}
	}
	return map[string]any{"allOf": []any{p}, "not": map[string]any{"const": ""}}
}

func annotate(p map[string]any, f field) map[string]any {
	out := make(map[string]any, len(p)+3)
	for k, v := range p {
		out[k] = v
	}
	if f.doc != "" {
		out["description"] = f.doc
	}
	if f.example != "" {
		out["examples"] = []any{f.example}
	}
	if f.hasDef {
		out["default"] = defaultValue(f)
	}
	return out
}

func defaultValue(f field) any {
	t := f.typ
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == durationType:
		return f.def
	case t.Kind() == reflect.Slice && f.def != "":
		var l []any
		for _, item := range strings.Split(f.def, ",") {
			l = append(l, item)
		}
		return l
	case t.Kind() == reflect.Bool:
		return f.def == "true"
	case t.Kind() >= reflect.Int && t.Kind() <= reflect.Float64:
		if v, err := strconv.ParseFloat(f.def, 64); err == nil {
			return v
		}
	}
	return f.def
}

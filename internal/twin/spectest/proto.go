package spectest

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Protos are the messages and enums of a folder of .proto files, enough of them to check JSON against: names, types,
// repeated and map fields, oneofs.
type Protos struct {
	messages map[string]*message        // by full name
	enums    map[string]map[string]bool // by full name: value names
}

type message struct {
	name   string
	fields map[string]field // by JSON name
}

type field struct {
	typ      string // as written
	scope    string // full name of the message it stands in
	repeated bool
	mapValue bool
	oneof    string
}

// protoToken takes strings before comments: an address in a string is not a comment.
var protoToken = regexp.MustCompile(`"(?:\\.|[^"\\])*"|//[^\n]*|(?s:/\*.*?\*/)|\.?[A-Za-z_][A-Za-z0-9_.]*|-?\d[0-9a-fA-Fx]*|[{}\[\]()<>;=,:]`)

func tokens(text string) []string {
	return slices.DeleteFunc(protoToken.FindAllString(text, -1), func(t string) bool { return strings.HasPrefix(t, "//") || strings.HasPrefix(t, "/*") })
}

// OpenProtos reads every .proto file below a folder.
func OpenProtos(t testing.TB, dir string) *Protos {
	t.Helper()
	p := &Protos{messages: map[string]*message{}, enums: map[string]map[string]bool{}}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".proto" {
			return err
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		r := &protoReader{toks: tokens(string(raw)), into: p}
		r.file()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

type protoReader struct {
	toks []string
	i    int
	pkg  string
	into *Protos
}

func (r *protoReader) next() string {
	if r.i >= len(r.toks) {
		return ""
	}
	r.i++
	return r.toks[r.i-1]
}

func (r *protoReader) peek() string {
	if r.i >= len(r.toks) {
		return ""
	}
	return r.toks[r.i]
}

// skip passes over the rest of a statement: to its semicolon outside all brackets, or over its block.
func (r *protoReader) skip(block bool) {
	depth := 0
	for t := r.next(); t != ""; t = r.next() {
		switch t {
		case "{", "[":
			depth++
		case "}", "]":
			if depth--; depth == 0 && block {
				return
			}
		case ";":
			if depth == 0 {
				return
			}
		}
	}
}

func (r *protoReader) file() {
	for t := r.next(); t != ""; t = r.next() {
		switch t {
		case "package":
			r.pkg = r.next()
			r.next()
		case "message":
			r.message(r.pkg)
		case "enum":
			r.enum(r.pkg)
		case ";":
		default:
			r.skip(t == "service" || t == "extend")
		}
	}
}

func (r *protoReader) enum(scope string) {
	full := scope + "." + r.next()
	values := map[string]bool{}
	r.next()
	for t := r.next(); t != "}" && t != ""; t = r.next() {
		if r.peek() == "=" && t != "option" {
			values[t] = true
		}
		r.skip(false)
	}
	r.into.enums[full] = values
}

func (r *protoReader) message(scope string) {
	m := &message{name: scope + "." + r.next(), fields: map[string]field{}}
	r.into.messages[m.name] = m
	r.next()
	r.body(m, "")
}

func (r *protoReader) body(m *message, oneof string) {
	for t := r.next(); t != "}" && t != ""; t = r.next() {
		f := field{typ: t, scope: m.name, oneof: oneof}
		switch t {
		case "message":
			r.message(m.name)
			continue
		case "enum":
			r.enum(m.name)
			continue
		case "oneof":
			name := r.next()
			r.next()
			r.body(m, name)
			continue
		case "option", "reserved", "extensions":
			r.skip(false)
			continue
		case ";":
			continue
		case "repeated":
			f.repeated, f.typ = true, r.next()
		case "optional":
			f.typ = r.next()
		case "map":
			r.next()
			r.next()
			r.next()
			f.mapValue, f.typ = true, r.next()
			r.next()
		}
		for strings.HasPrefix(r.peek(), ".") { // a long type name is broken over two lines
			f.typ += r.next()
		}
		name := r.next()
		m.fields[jsonName(name)] = f
		r.skip(false)
	}
}

func jsonName(s string) string {
	parts := strings.Split(s, "_")
	for i := 1; i < len(parts); i++ {
		if parts[i] != "" {
			parts[i] = strings.ToUpper(parts[i][:1]) + parts[i][1:]
		}
	}
	return strings.Join(parts, "")
}

// Valid fails the test when v, decoded JSON, is not a message of the named type.
func (p *Protos) Valid(t testing.TB, what, name string, v any) {
	t.Helper()
	if p.messages[name] == nil {
		t.Fatalf("there is no message %s among the protos", name)
	}
	for i, e := range p.check(name, name, v) {
		if i == 8 {
			t.Errorf("%s: and more", what)
			break
		}
		t.Errorf("%s: %s", what, e)
	}
}

func (p *Protos) check(at, name string, v any) (out []string) {
	m, ok := v.(map[string]any)
	if !ok {
		return []string{fmt.Sprintf("%s: want an object, got %T", at, v)}
	}
	spec, set := p.messages[name], map[string]string{}
	for k, e := range m {
		f, ok := spec.fields[k]
		if !ok {
			out = append(out, fmt.Sprintf("%s: %s has no field %q", at, name, k))
			continue
		}
		if f.oneof != "" {
			if other := set[f.oneof]; other != "" {
				out = append(out, fmt.Sprintf("%s: %s and %s are one of %s", at, other, k, f.oneof))
			}
			set[f.oneof] = k
		}
		where := at + "." + k
		switch {
		case f.repeated:
			list, ok := e.([]any)
			if !ok {
				out = append(out, where+": want an array")
			}
			for i, x := range list {
				out = append(out, p.value(where+"["+strconv.Itoa(i)+"]", f, x)...)
			}
		case f.mapValue:
			entries, ok := e.(map[string]any)
			if !ok {
				out = append(out, where+": want an object")
			}
			for k, x := range entries {
				out = append(out, p.value(where+"["+k+"]", f, x)...)
			}
		default:
			out = append(out, p.value(where, f, e)...)
		}
	}
	slices.Sort(out)
	return out
}

func (p *Protos) value(at string, f field, v any) []string {
	bad := func(want string) []string { return []string{fmt.Sprintf("%s: want %s, got %T %v", at, want, v, v)} }
	_, isText := v.(string)
	_, isNumber := v.(float64)
	switch f.typ {
	case "string", "bytes", "google.protobuf.Timestamp", "google.protobuf.FieldMask":
		if !isText {
			return bad("a string")
		}
		return nil
	case "int64", "uint64", "sint64", "fixed64", "sfixed64":
		s, _ := v.(string)
		if _, err := strconv.ParseInt(s, 10, 64); err != nil {
			return bad("a 64-bit number as a string")
		}
		return nil
	case "int32", "uint32", "sint32", "double", "float", "fixed32":
		if !isNumber {
			return bad("a number")
		}
		return nil
	case "bool":
		if _, ok := v.(bool); !ok {
			return bad("true or false")
		}
		return nil
	}
	if full, ok := resolve(p.enums, f); ok {
		if s, _ := v.(string); !p.enums[full][s] {
			return bad("a value of " + full)
		}
		return nil
	}
	if full, ok := resolve(p.messages, f); ok {
		return p.check(at, full, v)
	}
	return nil // a type from a file that is not there
}

// resolve finds a type by the scoping rules of protos: from the innermost scope outwards.
func resolve[V any](all map[string]V, f field) (string, bool) {
	if name, ok := strings.CutPrefix(f.typ, "."); ok {
		_, ok := all[name]
		return name, ok
	}
	for scope := f.scope; ; {
		full := scope + "." + f.typ
		if scope == "" {
			full = f.typ
		}
		if _, ok := all[full]; ok {
			return full, true
		}
		if scope == "" {
			return "", false
		}
		scope = scope[:max(strings.LastIndex(scope, "."), 0)]
	}
}

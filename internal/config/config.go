// Package config reads YAML that people write by hand. It is strict and it is generic: it knows no stage, no file
// kind and no key. The same Go structs give the decoder (Node.Decode) and the editor's JSON Schema (Schema), so the two
// cannot disagree.
//
// # Structs
//
// A field takes part when it has a `yaml:"name"` tag; an embedded struct (or `yaml:",inline"`) adds its fields to the
// same mapping. Further tags:
//
//	doc:"one sentence"       shown in the schema and by `millrace schema`
//	enum:"a,b,c"             the only values; for lists and maps, of each element
//	default:"10s"            set before decoding; a list is written with commas
//	required:"true"          the key must be there and not be empty
//	min:"1" max:"64"         bounds of a number, both included
//	example:"2GB"            shown in the schema
//
// Fields may be scalars, time.Duration ("90s", "7d"), slices, maps, Map[T] (keeps order and positions), pointers,
// nested structs, any, Node (keeps the subtree for later), secret.String, Strings, TimeZone, Cron, Bytes, and any type with
// encoding.TextUnmarshaler, Unmarshaler or Shorthand.
//
// # Values
//
// `${VAR}`, `${VAR:default}` and `{{ env_var('VAR', 'default') }}` are replaced inside scalar values after the file has
// been parsed, so a variable's content can never change the structure of the file. `$${` stands for a literal `${`. A
// variable that is not set is an error only when the value that holds it is decoded.
//
// # Errors
//
// Every problem is a *fault.Error with File, Line, Col, Key, Value and Hint, and all problems of a Decode are returned
// together as a fault.List. A value that came from a variable, or that goes into a secret.String, is never part of a
// message (P8): the text in the file is shown instead.
//
// The package must not read the process environment and must not open files other than the .env file that ReadDotEnv is given.
package config

import (
	"fmt"
	"reflect"
	"sort"
	"strconv"
	"strings"

	"millrace/internal/fault"
)

// Kind is what a node holds.
type Kind uint8

// The kinds of nodes. Absent is a key that is not in the file; Null is a key without a value.
const (
	Absent Kind = iota
	Null
	Bool
	Int
	Float
	String
	List
	Mapping
)

// String names the kind as a person would.
func (k Kind) String() string {
	switch k {
	case Absent, Null:
		return "nothing"
	case Bool:
		return "true or false"
	case Int:
		return "a whole number"
	case Float:
		return "a number"
	case String:
		return "text"
	case List:
		return "a list"
	default:
		return "a mapping of keys"
	}
}

// Pos is a place in a file; Line and Col are 1-based.
type Pos struct {
	File string
	Line int
	Col  int
}

// Node is one value of a parsed file with its place. The zero Node is absent. As the type of a struct field it keeps
// the subtree as written, to be decoded later, when the caller knows into what. A Node is immutable and may be copied.
type Node struct {
	v    *value
	file string
	key  string // dotted path
	pos  place  // of the value
	at   place  // of the key that holds the value; of the value where there is none
}

type place struct{ line, col int }

type value struct {
	kind     Kind
	text     string // scalar, after variables were replaced
	raw      string // scalar, as the file has it
	expanded bool
	plain    bool         // not quoted and not a block
	missing  *fault.Error // a variable that is not set
	pos      place
	list     []*value
	entries  []entry
}

type entry struct {
	name string
	pos  place
	val  *value
}

// IsZero reports whether the key is not in the file. A key without a value is there, with kind Null.
func (n Node) IsZero() bool { return n.v == nil }

// Kind says what the node holds. A plain scalar with a variable counts as what the variable's value looks like.
func (n Node) Kind() Kind {
	if n.v == nil {
		return Absent
	}
	return n.v.kind
}

// Pos is where the value begins.
func (n Node) Pos() Pos { return Pos{File: n.file, Line: n.pos.line, Col: n.pos.col} }

// Path is the dotted path of the key, "streams.accounts.columns"; empty for the whole document.
func (n Node) Path() string { return n.key }

// Keys lists the keys of a mapping in the order of the file; nil for anything else.
func (n Node) Keys() []string {
	if n.v == nil {
		return nil
	}
	var names []string
	for _, e := range n.v.entries {
		names = append(names, e.name)
	}
	return names
}

// Get returns the value of a key of a mapping. When the key is not there, the result is absent but still knows where it
// would have been, so that errors about it have a place.
func (n Node) Get(key string) Node {
	if n.v != nil {
		for _, e := range n.v.entries {
			if e.name == key {
				return n.child(e)
			}
		}
	}
	return Node{file: n.file, key: join(n.key, key), pos: n.at, at: n.at}
}

// Items returns the elements of a list; nil for anything else.
func (n Node) Items() []Node {
	if n.v == nil {
		return nil
	}
	var items []Node
	for i, v := range n.v.list {
		items = append(items, Node{v: v, file: n.file, key: n.key + "[" + strconv.Itoa(i) + "]", pos: v.pos, at: v.pos})
	}
	return items
}

// Text returns the text of a scalar with variables replaced; false for anything that is not a scalar with a value.
func (n Node) Text() (string, bool) {
	if !n.scalar() || n.v.missing != nil {
		return "", false
	}
	return n.v.text, true
}

// Fault makes an error about this value: its place, key and (unless it came from a variable) the value itself.
func (n Node) Fault(hint, format string, args ...any) *fault.Error {
	e := &fault.Error{File: n.file, Line: n.pos.line, Col: n.pos.col, Key: n.key, Msg: fmt.Sprintf(format, args...), Hint: hint}
	if n.scalar() {
		e.Value = n.v.raw
	}
	return e
}

// KeyFault makes an error about the key that holds this value: an unknown name, a thing that is missing inside.
func (n Node) KeyFault(hint, format string, args ...any) *fault.Error {
	return &fault.Error{File: n.file, Line: n.at.line, Col: n.at.col, Key: n.key, Msg: fmt.Sprintf(format, args...), Hint: hint}
}

// Decode fills outs, each a non-nil pointer, with defaults first and then what the file says. Several outs, all structs,
// share one mapping: a key is valid when one of them knows it. A nil out is passed over. It returns all problems together.
func (n Node) Decode(outs ...any) error {
	var targets []reflect.Value
	for _, out := range outs {
		rv := reflect.ValueOf(out)
		if !rv.IsValid() || (rv.Kind() == reflect.Pointer && rv.IsNil()) {
			continue
		}
		if rv.Kind() != reflect.Pointer {
			return fmt.Errorf("config: cannot decode into %T: not a pointer", out)
		}
		targets = append(targets, rv.Elem())
	}
	d := &decoder{}
	switch {
	case len(targets) == 0:
		d.structs(n, nil)
	case len(targets) == 1:
		d.into(n, targets[0], tags{})
	default:
		for _, t := range targets {
			if t.Kind() != reflect.Struct {
				return fmt.Errorf("config: cannot decode one mapping into several values of which one is %s", t.Type())
			}
		}
		d.structs(n, targets)
	}
	sortFaults(d.errs)
	return d.errs.Or()
}

func (n Node) scalar() bool {
	return n.v != nil && n.v.kind >= Bool && n.v.kind <= String
}

func (n Node) child(e entry) Node {
	return Node{v: e.val, file: n.file, key: join(n.key, e.name), pos: e.val.pos, at: e.pos}
}

func (n Node) entries() []entry {
	if n.v == nil {
		return nil
	}
	return n.v.entries
}

// join extends a dotted path; a name that would make the path ambiguous is quoted.
func join(path, name string) string {
	if name == "" || strings.ContainsAny(name, ". \t\n\"'[]") {
		name = strconv.Quote(name)
	}
	if path == "" {
		return name
	}
	return path + "." + name
}

// sortFaults orders problems as a person reads the file. Problems without a place keep their order at the end.
func sortFaults(l fault.List) {
	line := func(i int) (int, int) {
		if e, ok := l[i].(*fault.Error); ok && e.Line > 0 {
			return e.Line, e.Col
		}
		return 1 << 30, 0
	}
	sort.Stable(byPlace{l, line})
}

type byPlace struct {
	l    fault.List
	line func(int) (int, int)
}

func (b byPlace) Len() int      { return len(b.l) }
func (b byPlace) Swap(i, j int) { b.l[i], b.l[j] = b.l[j], b.l[i] }
func (b byPlace) Less(i, j int) bool {
	li, ci := b.line(i)
	lj, cj := b.line(j)
	return li < lj || li == lj && ci < cj
}

package config

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"millrace/internal/fault"
)

// Limits of one file. They are far above what a person writes and keep a hostile file from exhausting memory.
const (
	maxBytes = 8 << 20
	maxDepth = 64
	maxNodes = 500_000
)

// ParseOptions say how a file is read.
type ParseOptions struct {
	// Env looks a variable up. Nil leaves `${...}` and `{{ env_var(...) }}` as they are written.
	Env func(name string) (string, bool)
	// LineOffset is added to every line: the line in the file just before the YAML begins, for YAML inside another file.
	LineOffset int
}

// Parse reads one YAML document. path is what messages call the file. Problems of syntax, duplicate keys, and what this
// reader does not take (several documents, unknown tags) are all reported together as far as the syntax allows.
func Parse(path string, src []byte, o ParseOptions) (n Node, err error) {
	at := func(line, col int, hint, format string, args ...any) error {
		return &fault.Error{File: path, Line: line + o.LineOffset, Col: col, Msg: fmt.Sprintf(format, args...), Hint: hint}
	}
	// The YAML library must never take the process down, whatever the bytes are.
	defer func() {
		if r := recover(); r != nil {
			n, err = Node{}, at(1, 1, "Check the indentation and the quotes of the file.", "cannot be read as YAML")
		}
	}()
	src = bytes.TrimPrefix(src, []byte("\xef\xbb\xbf"))
	if len(src) > maxBytes {
		return Node{}, at(1, 1, "Split the file.", "is larger than %d MB", maxBytes>>20)
	}
	if i := firstInvalid(src); i >= 0 {
		line := 1 + bytes.Count(src[:i], []byte("\n"))
		return Node{}, at(line, 1, "Save the file as UTF-8.", "is not UTF-8 text")
	}
	src = bytes.ReplaceAll(src, []byte("\r\n"), []byte("\n"))
	tokens := lexer.Tokenize(string(src))
	if tk := tooDeep(tokens); tk != nil {
		return Node{}, at(tk.Position.Line, tk.Position.Column, "", "is nested more than %d levels deep", maxDepth)
	}
	file, perr := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if perr != nil {
		line, col, msg := 1, 1, perr.Error()
		var se *yaml.SyntaxError
		if errors.As(perr, &se) && se.Token != nil && se.Token.Position != nil {
			line, col, msg = se.Token.Position.Line, se.Token.Position.Column, se.Message
		}
		return Node{}, at(line, col, syntaxHint(src, line), "not valid YAML: %s", msg)
	}
	root := place{1 + o.LineOffset, 1}
	r := &reader{file: path, env: o.Env, offset: o.LineOffset, anchors: map[string]*value{}}
	n = Node{v: &value{kind: Null, pos: root}, file: path, pos: root, at: root}
	docs := 0
	for _, doc := range file.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.CommentType || doc.Body.Type() == ast.DirectiveType {
			continue
		}
		if docs++; docs > 1 {
			tk := doc.Body.GetToken()
			r.fail(r.place(tk), "", "Keep one document in a file and remove the line with ---.", "holds a second YAML document")
			break
		}
		n.v = r.node(doc.Body, "", 0)
		n.pos = n.v.pos
	}
	sortFaults(r.errs)
	if err := r.errs.Or(); err != nil {
		return Node{}, err
	}
	return n, nil
}

func firstInvalid(src []byte) int {
	for i := 0; i < len(src); {
		r, size := utf8.DecodeRune(src[i:])
		if r == utf8.RuneError && size == 1 || r == 0 {
			return i
		}
		i += size
	}
	return -1
}

// tooDeep finds where nesting passes maxDepth. It runs before the parser, which is recursive.
func tooDeep(tokens token.Tokens) *token.Token {
	flow := 0
	var indents []int // columns at which open block collections started
	prevLine, run := 0, 0
	for _, tk := range tokens {
		switch tk.Type {
		case token.SequenceStartType, token.MappingStartType:
			flow++
		case token.SequenceEndType, token.MappingEndType:
			flow--
		case token.SequenceEntryType, token.MappingKeyType, token.MappingValueType, token.TagType, token.AnchorType:
			if tk.Position.Line != prevLine {
				prevLine, run = tk.Position.Line, 0
			}
			if run++; flow == 0 && run > maxDepth {
				return tk
			}
		}
		if flow == 0 {
			col := tk.Position.Column
			for len(indents) > 0 && indents[len(indents)-1] > col {
				indents = indents[:len(indents)-1]
			}
			if len(indents) == 0 || indents[len(indents)-1] < col {
				indents = append(indents, col)
			}
		}
		if flow > maxDepth || len(indents) > 4*maxDepth {
			return tk
		}
	}
	return nil
}

// flowVar matches an unquoted variable in a place where YAML takes its braces as structure.
var flowVar = regexp.MustCompile(`[:\[{,-]\s*(\{\{|[\[{].*\$\{)`)

func syntaxHint(src []byte, line int) string {
	lines := strings.Split(string(src), "\n")
	if line < 1 || line > len(lines) {
		return "Check the indentation and the quotes near this line."
	}
	text := lines[line-1]
	switch {
	case flowVar.MatchString(text):
		return `Put quotes around the variable: "${NAME}" or "{{ env_var('NAME') }}".`
	case strings.HasPrefix(strings.TrimLeft(text, " "), "\t"):
		return "Indent with spaces, not with tabs."
	case strings.Count(text, ": ") > 1:
		return "Put quotes around a value that holds a colon."
	}
	return "Check the indentation and the quotes near this line."
}

// reader turns the library's tree into ours, resolving anchors, tags and variables.
type reader struct {
	file    string
	env     func(string) (string, bool)
	offset  int
	anchors map[string]*value
	nodes   int
	tooMany bool // said once
	errs    fault.List
}

func (r *reader) fail(p place, key, hint, format string, args ...any) {
	r.errs.Add(&fault.Error{File: r.file, Line: p.line, Col: p.col, Key: key, Msg: fmt.Sprintf(format, args...), Hint: hint})
}

func (r *reader) place(tk *token.Token) place {
	if tk == nil || tk.Position == nil {
		return place{1 + r.offset, 1}
	}
	return place{tk.Position.Line + r.offset, max(1, tk.Position.Column)}
}

func (r *reader) node(n ast.Node, path string, depth int) *value {
	if n == nil {
		return &value{kind: Null, pos: place{1 + r.offset, 1}}
	}
	p := r.place(n.GetToken())
	if depth > 4*maxDepth {
		r.fail(p, path, "", "is nested too deep")
		return &value{kind: Null, pos: p}
	}
	if r.nodes++; r.nodes > maxNodes {
		if !r.tooMany {
			r.tooMany = true
			r.fail(p, path, "Split the file.", "holds more than %d values", maxNodes)
		}
		return &value{kind: Null, pos: p}
	}
	switch n := n.(type) {
	case *ast.NullNode:
		return &value{kind: Null, pos: p}
	case *ast.MappingNode:
		if n.IsFlowStyle {
			p = r.place(n.Start)
		} else if len(n.Values) > 0 {
			p = r.place(keyToken(n.Values[0].Key))
		}
		return r.mapping(n.Values, p, path, depth)
	case *ast.MappingValueNode:
		return r.mapping([]*ast.MappingValueNode{n}, r.place(keyToken(n.Key)), path, depth)
	case *ast.SequenceNode:
		v := &value{kind: List, pos: p}
		for i, item := range n.Values {
			v.list = append(v.list, r.node(item, path+"["+strconv.Itoa(i)+"]", depth+1))
		}
		return v
	case *ast.AnchorNode:
		name := n.Name.GetToken().Value
		v := r.node(n.Value, path, depth+1)
		r.anchors[name] = v
		return v
	case *ast.AliasNode:
		name := n.Value.GetToken().Value
		v, ok := r.anchors[name]
		if !ok {
			r.fail(p, path, fault.DidYouMean(name, keysOf(r.anchors)), "alias *%s has no anchor &%s above it", name, name)
			return &value{kind: Null, pos: p}
		}
		if r.nodes += size(v); r.nodes > maxNodes && !r.tooMany {
			r.tooMany = true
			r.fail(p, path, "Write the aliases out, or split the file.", "holds more than %d values once its aliases are followed", maxNodes)
		}
		return v
	case *ast.TagNode:
		return r.tag(n, path, depth)
	case *ast.LiteralNode:
		return r.scalar(n.Value.Value, false, p, path)
	case *ast.StringNode:
		plain := n.Token.Type != token.SingleQuoteType && n.Token.Type != token.DoubleQuoteType
		return r.scalar(n.Value, plain, p, path)
	case *ast.BoolNode, *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return r.scalar(n.GetToken().Value, true, p, path)
	}
	r.fail(p, path, "", "YAML of kind %s is not taken here", n.Type())
	return &value{kind: Null, pos: p}
}

func (r *reader) tag(n *ast.TagNode, path string, depth int) *value {
	p := r.place(n.Start)
	v := r.node(n.Value, path, depth+1)
	switch name := n.Start.Value; name {
	case "!!str":
		if v.kind >= Bool && v.kind <= String {
			c := *v
			c.kind, c.plain = String, false
			return &c
		}
	case "!!int", "!!float", "!!bool", "!!null", "!!map", "!!seq":
		return v
	default:
		r.fail(p, path, "Remove the tag.", "YAML tag %s is not taken here", name)
	}
	return v
}

func (r *reader) mapping(values []*ast.MappingValueNode, p place, path string, depth int) *value {
	v := &value{kind: Mapping, pos: p}
	seen := map[string]place{}
	var merges []*value
	for _, mv := range values {
		if _, ok := mv.Key.(*ast.MergeKeyNode); ok {
			m := r.node(mv.Value, join(path, "<<"), depth+1)
			switch {
			case m.kind == Mapping:
				merges = append(merges, m)
			case m.kind == List:
				merges = append(merges, m.list...)
			default:
				r.fail(m.pos, join(path, "<<"), "Write << with an alias of a mapping: <<: *name.", "merges something that is not a mapping")
			}
			continue
		}
		kp := r.place(keyToken(mv.Key))
		name := r.keyName(mv.Key)
		val := r.node(mv.Value, join(path, name), depth+1)
		if first, ok := seen[name]; ok {
			r.fail(kp, join(path, name), "Remove one of the two.", "is already given at line %d", first.line)
			continue
		}
		seen[name] = kp
		v.entries = append(v.entries, entry{name: name, pos: kp, val: val})
	}
	// What is written here wins over what is merged; of two merges the first wins.
	for _, m := range merges {
		for _, e := range m.entries {
			if _, ok := seen[e.name]; !ok {
				seen[e.name] = e.pos
				v.entries = append(v.entries, e)
			}
		}
	}
	return v
}

func keyToken(k ast.MapKeyNode) *token.Token {
	if mk, ok := k.(*ast.MappingKeyNode); ok && mk.Value != nil {
		return mk.Value.GetToken()
	}
	return k.GetToken()
}

func (r *reader) keyName(k ast.MapKeyNode) string {
	switch k := k.(type) {
	case *ast.MappingKeyNode:
		switch inner := k.Value.(type) {
		case *ast.MappingNode, *ast.SequenceNode, *ast.MappingValueNode:
			r.fail(r.place(keyToken(k)), "", "Use a plain word as the key.", "a key cannot be a list or a mapping")
			return ""
		case ast.MapKeyNode:
			return r.keyName(inner)
		case nil:
			return ""
		}
		return k.Value.GetToken().Value
	case *ast.StringNode:
		return k.Value
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode:
		r.fail(r.place(k.GetToken()), "", "Use a plain word as the key.", "anchors, aliases and tags are not taken in a key")
	}
	return k.GetToken().Value
}

// scalar resolves a plain scalar by the YAML 1.2 core schema, so `yes`, `on` and `1_000` are text as in JSON Schema.
func (r *reader) scalar(text string, plain bool, p place, path string) *value {
	v := &value{kind: String, text: text, raw: text, plain: plain, pos: p}
	if r.env != nil {
		out, expanded, missing := expand(text, r.env)
		if missing != "" {
			v.missing = &fault.Error{File: r.file, Line: p.line, Col: p.col, Key: path, Value: text,
				Msg:  "needs the environment variable " + missing + ", which is not set",
				Hint: fmt.Sprintf("Set %s in the environment or in the file .env beside millrace.yml, or give a default: ${%s:value}.", missing, missing)}
		}
		v.text, v.expanded = out, expanded
	}
	if plain && v.missing == nil {
		v.kind = resolve(v.text)
		if v.kind == Null && v.expanded {
			v.kind = String // an empty variable is empty text, not a missing value
		}
	}
	return v
}

var (
	intRE   = regexp.MustCompile(`^([-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$`)
	floatRE = regexp.MustCompile(`^([-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$`)
)

func resolve(text string) Kind {
	switch text {
	case "", "~", "null", "Null", "NULL":
		return Null
	case "true", "True", "TRUE", "false", "False", "FALSE":
		return Bool
	}
	switch {
	case intRE.MatchString(text):
		return Int
	case floatRE.MatchString(text):
		return Float
	}
	return String
}

func keysOf[T any](m map[string]T) []string {
	var names []string
	for k := range m {
		names = append(names, k)
	}
	return names
}

// size counts the values below v, so that aliases of aliases meet maxNodes. Shared subtrees are counted each time.
func size(v *value) int {
	total := 1
	for _, c := range v.list {
		if total += size(c); total > maxNodes {
			return total
		}
	}
	for _, e := range v.entries {
		if total += size(e.val); total > maxNodes {
			return total
		}
	}
	return total
}

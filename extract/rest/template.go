package rest

import (
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"millrace/internal/config"
	"millrace/internal/fault"
	"millrace/internal/secret"
)

// Template is a text with placeholders such as {config.account_id} or {incremental.start | unix_ms}. A text that is one
// placeholder keeps the value's own type. {{ and }} stand for braces; a brace that begins no placeholder stands for itself.
// There are no expressions: what may stand in a placeholder is checked when the file is loaded.
type Template struct {
	node  config.Node
	parts []part
}

type part struct {
	text    string
	ref     string // "" for plain text
	filters []string
}

var placeholder = regexp.MustCompile(`^\{([a-z_$][A-Za-z0-9_$.-]*)((?:\s*\|\s*[a-z_]+)*)\}`)

var filterNames = []string{"unix", "unix_ms", "date", "iso", "csv", "digits", "integer", "next_day"}

// UnmarshalConfig parses the text.
func (t *Template) UnmarshalConfig(n config.Node) error {
	text, ok := n.Text()
	if !ok {
		return n.Fault("Write a text, with placeholders in braces where needed.", "wants text, found %s", n.Kind())
	}
	t.node = n
	t.parts = nil
	var plain strings.Builder
	flush := func() {
		if plain.Len() > 0 {
			t.parts = append(t.parts, part{text: plain.String()})
			plain.Reset()
		}
	}
	for i := 0; i < len(text); {
		rest := text[i:]
		if strings.HasPrefix(rest, "{{") || strings.HasPrefix(rest, "}}") {
			plain.WriteByte(rest[0])
			i += 2
			continue
		}
		m := placeholder.FindStringSubmatch(rest)
		if m == nil {
			plain.WriteByte(rest[0])
			i++
			continue
		}
		flush()
		p := part{ref: m[1]}
		for _, f := range strings.Split(m[2], "|") {
			if f = strings.TrimSpace(f); f == "" {
				continue
			}
			if !contains(filterNames, f) {
				return n.Fault(fault.DidYouMean(f, filterNames), "unknown filter %q in {%s}", f, p.ref)
			}
			p.filters = append(p.filters, f)
		}
		t.parts = append(t.parts, p)
		i += len(m[0])
	}
	flush()
	return nil
}

// ConfigSchema is any scalar.
func (t *Template) ConfigSchema() map[string]any {
	return map[string]any{"type": []any{"string", "number", "boolean"}}
}

func (t Template) empty() bool { return len(t.parts) == 0 }

// refs lists the placeholders' names.
func (t Template) refs() []string {
	var out []string
	for _, p := range t.parts {
		if p.ref != "" {
			out = append(out, p.ref)
		}
	}
	return out
}

// errNoValue says that a placeholder has no value here; a header or parameter that holds one is left out.
type errNoValue struct{ ref string }

func (e *errNoValue) Error() string { return "{" + e.ref + "} has no value" }

// value evaluates the template: the placeholder's own value when it is the whole text, a string otherwise.
func (t Template) value(s *scope) (any, error) {
	if len(t.parts) == 1 && t.parts[0].ref != "" {
		return t.parts[0].eval(s)
	}
	return t.join(s, func(v string) string { return v })
}

// text evaluates to a string.
func (t Template) text(s *scope) (string, error) {
	return t.join(s, func(v string) string { return v })
}

// path evaluates to a path: values are escaped, except when a value is the whole address.
func (t Template) path(s *scope) (string, error) {
	if len(t.parts) == 1 {
		return t.text(s)
	}
	return t.join(s, url.PathEscape)
}

func (t Template) join(s *scope, escape func(string) string) (string, error) {
	var b strings.Builder
	for _, p := range t.parts {
		if p.ref == "" {
			b.WriteString(p.text)
			continue
		}
		v, err := p.eval(s)
		if err != nil {
			return "", err
		}
		b.WriteString(escape(asText(v)))
	}
	return b.String(), nil
}

func (p part) eval(s *scope) (any, error) {
	v, ok := s.lookup(p.ref)
	if !ok {
		return nil, &errNoValue{p.ref}
	}
	for _, f := range p.filters {
		var err error
		if v, err = filter(f, v); err != nil {
			return nil, fmt.Errorf("{%s | %s}: %w", p.ref, f, err)
		}
	}
	return v, nil
}

func filter(name string, v any) (any, error) {
	if name == "csv" {
		if l, ok := v.([]string); ok {
			return strings.Join(l, ","), nil
		}
		return asText(v), nil
	}
	if name == "digits" {
		return strings.Map(func(r rune) rune {
			if r < '0' || r > '9' {
				return -1
			}
			return r
		}, asText(v)), nil
	}
	if name == "integer" {
		return strconv.ParseInt(asText(v), 10, 64)
	}
	t, ok := v.(time.Time)
	if !ok {
		return nil, fmt.Errorf("wants a time, found %T", v)
	}
	switch name {
	case "unix":
		return t.Unix(), nil
	case "unix_ms":
		return t.UnixMilli(), nil
	case "date":
		return t.Format(time.DateOnly), nil
	case "next_day":
		return t.AddDate(0, 0, 1), nil
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z"), nil
}

// asText writes a value as it stands in a URL.
func asText(v any) string {
	switch x := v.(type) {
	case string:
		return x
	case secret.String:
		return x.Reveal()
	case []string:
		return strings.Join(x, ",")
	case time.Time:
		return x.UTC().Format("2006-01-02T15:04:05.000Z")
	}
	return fmt.Sprint(v)
}

// scope is what placeholders see.
type scope struct {
	config     map[string]any
	partition  map[string]string
	parents    map[string]map[string]any // resource → field path → value, of the present parent
	batch      []map[string]any          // of the present batch of parents
	setup      map[string]string
	start, end any
	properties []string
	splitAfter string
	now        time.Time
	resource   string
}

func (s *scope) lookup(ref string) (any, bool) {
	head, rest, _ := strings.Cut(ref, ".")
	switch head {
	case "config":
		v, ok := s.config[rest]
		return v, ok
	case "partition":
		v, ok := s.partition[rest]
		return v, ok
	case "resources":
		name, field, _ := strings.Cut(rest, ".")
		v, ok := s.parents[name][field]
		return v, ok && v != nil
	case "setup":
		v, ok := s.setup[rest]
		return v, ok
	case "incremental":
		if rest == "start" {
			return s.start, s.start != nil
		}
		return s.end, s.end != nil
	case "properties":
		return s.properties, true
	case "split":
		return s.splitAfter, true
	case "resource":
		return s.resource, true
	case "now":
		return s.now, true
	}
	return nil, false
}

// Body is a JSON body: a tree as written, with templates for its texts. A mapping {$each: resources.NAME, $item: ...} is a
// list with one element per parent of the batch.
type Body struct {
	node config.Node
	root any // nil, bool, int64, float64, Template, []any, []field, *each
}

type field struct {
	name string
	val  any
}

type each struct {
	resource string
	item     any
}

// UnmarshalConfig keeps the tree.
func (b *Body) UnmarshalConfig(n config.Node) error {
	b.node = n
	root, err := bodyOf(n)
	b.root = root
	return err
}

// ConfigSchema is anything.
func (b *Body) ConfigSchema() map[string]any { return map[string]any{} }

func bodyOf(n config.Node) (any, error) {
	switch n.Kind() {
	case config.Mapping:
		if e := n.Get("$each"); !e.IsZero() {
			text, _ := e.Text()
			name, ok := strings.CutPrefix(text, "resources.")
			if !ok {
				return nil, e.Fault("Write $each: resources.NAME.", "$each goes over the parents of a batch")
			}
			item, err := bodyOf(n.Get("$item"))
			return &each{resource: name, item: item}, err
		}
		var out []field
		for _, k := range n.Keys() {
			v, err := bodyOf(n.Get(k))
			if err != nil {
				return nil, err
			}
			out = append(out, field{k, v})
		}
		return out, nil
	case config.List:
		out := []any{}
		for _, i := range n.Items() {
			v, err := bodyOf(i)
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
		return out, nil
	case config.String:
		var t Template
		err := t.UnmarshalConfig(n)
		return t, err
	case config.Absent, config.Null:
		return nil, nil
	}
	text, _ := n.Text()
	switch n.Kind() {
	case config.Bool:
		return strings.EqualFold(text, "true"), nil
	case config.Int:
		return strconv.ParseInt(text, 0, 64)
	}
	return strconv.ParseFloat(text, 64)
}

// templates lists every template in the tree, and the parents that $each goes over.
func (b Body) templates() (ts []Template, over []string) {
	var walk func(any)
	walk = func(v any) {
		switch x := v.(type) {
		case Template:
			ts = append(ts, x)
		case []any:
			for _, e := range x {
				walk(e)
			}
		case []field:
			for _, f := range x {
				walk(f.val)
			}
		case *each:
			over = append(over, x.resource)
			walk(x.item)
		}
	}
	walk(b.root)
	return ts, over
}

// value evaluates the tree to what encoding/json takes. A field whose placeholder has no value is left out.
func (b Body) value(s *scope) (any, error) { return bodyValue(b.root, s) }

func bodyValue(v any, s *scope) (any, error) {
	switch x := v.(type) {
	case Template:
		return x.value(s)
	case []any:
		out := make([]any, len(x))
		for i, e := range x {
			var err error
			if out[i], err = bodyValue(e, s); err != nil {
				return nil, err
			}
		}
		return out, nil
	case []field:
		out := make(map[string]any, len(x))
		for _, f := range x {
			e, err := bodyValue(f.val, s)
			if _, none := err.(*errNoValue); none {
				continue
			}
			if err != nil {
				return nil, err
			}
			out[f.name] = e
		}
		return out, nil
	case *each:
		out := make([]any, 0, len(s.batch))
		inner := *s
		for _, p := range s.batch {
			inner.parents = map[string]map[string]any{x.resource: p}
			e, err := bodyValue(x.item, &inner)
			if err != nil {
				return nil, err
			}
			out = append(out, e)
		}
		return out, nil
	}
	return v, nil
}

func contains(l []string, s string) bool {
	for _, e := range l {
		if e == s {
			return true
		}
	}
	return false
}

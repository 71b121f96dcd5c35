package httpdest

import (
	"crypto/md5" //nolint:gosec // vendors name records by it (Mailchimp); nothing is protected by it
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"millrace/activate"
	"millrace/internal/canon"
	"millrace/internal/config"
)

var placeholder = regexp.MustCompile(`\{([A-Za-z_][A-Za-z0-9_.]*)(?:\|(md5|sha256|lower))?\}`)

// scope is what placeholders mean in one call, and for one row of it.
type scope struct {
	config map[string]string
	object string
	op     activate.Op
	idem   string // of the call; of the row inside it
	row    *activate.Row
	rows   []activate.Row // what $rows goes over
	paths  func(field string) string
}

// lookup gives a placeholder's value as JSON; false when it has none.
func (s *scope) lookup(name string) (json.RawMessage, bool, error) {
	text := ""
	switch head, rest, _ := strings.Cut(name, "."); {
	case head == "config":
		text = s.config[rest]
	case head == "object":
		text = s.object
	case head == "op":
		text = string(s.op)
	case head == "idem":
		text = s.idem
	case s.row == nil:
	case head == "key":
		text = s.row.Key
	case head == "id":
		text = s.row.ID
	case head == "remote_id":
		text = s.row.RemoteID
	case head == "value":
		v, ok := s.row.Values[rest]
		return v, ok, nil
	}
	if text == "" {
		return nil, false, nil
	}
	j, err := canon.JSON(text)
	return j, true, err
}

// text fills a template for a path, a parameter or a header. missing names the first placeholder without a value.
func (s *scope) text(template string, escape func(string) string) (out, missing string, err error) {
	out = placeholder.ReplaceAllStringFunc(template, func(ref string) string {
		m := placeholder.FindStringSubmatch(ref)
		j, ok, bad := s.lookup(m[1])
		if bad != nil {
			err = bad
		}
		v := canon.Text(j)
		if !ok || v == "" {
			if missing == "" {
				missing = m[1]
			}
			return ""
		}
		v = filtered(v, m[2])
		if escape != nil {
			v = escape(v)
		}
		return v
	})
	return out, missing, err
}

func filtered(v, filter string) string {
	switch filter {
	case "md5":
		sum := md5.Sum([]byte(strings.ToLower(v)))
		return hex.EncodeToString(sum[:])
	case "sha256":
		sum := sha256.Sum256([]byte(v))
		return hex.EncodeToString(sum[:])
	case "lower":
		return strings.ToLower(v)
	}
	return v
}

const (
	rowsKey   = "$rows"
	valuesKey = "$values"
)

// hasRows reports whether a body holds a list of rows.
func hasRows(n config.Node) bool {
	for _, k := range n.Keys() {
		if k == rowsKey || hasRows(n.Get(k)) {
			return true
		}
	}
	for _, i := range n.Items() {
		if hasRows(i) {
			return true
		}
	}
	return false
}

// body makes the value that goes out as JSON; nil when a text is one placeholder without a value, and so left out.
func (s *scope) body(n config.Node) (any, error) {
	switch n.Kind() {
	case config.Mapping:
		if item := n.Get(rowsKey); !item.IsZero() {
			out := make([]any, len(s.rows))
			for i := range s.rows {
				inner := *s
				inner.row, inner.idem = &s.rows[i], s.rows[i].IdemKey
				var err error
				if out[i], err = inner.body(item); err != nil {
					return nil, err
				}
			}
			return out, nil
		}
		out := map[string]any{}
		for _, k := range n.Keys() {
			if k == valuesKey {
				continue
			}
			v, err := s.body(n.Get(k))
			if err != nil {
				return nil, err
			}
			if v != nil || n.Get(k).Kind() == config.Null {
				out[k] = v
			}
		}
		if !n.Get(valuesKey).IsZero() && s.row != nil {
			for f, v := range s.row.Values {
				if err := put(out, strings.Split(s.paths(f), "."), v); err != nil {
					return nil, err
				}
			}
		}
		return out, nil
	case config.List:
		out := []any{}
		for _, i := range n.Items() {
			v, err := s.body(i)
			if err != nil {
				return nil, err
			}
			if v != nil {
				out = append(out, v)
			}
		}
		return out, nil
	}
	text, ok := n.Text()
	if !ok {
		return nil, nil
	}
	switch n.Kind() {
	case config.Bool:
		return strings.EqualFold(text, "true"), nil
	case config.Int, config.Float:
		return json.Number(text), nil
	}
	if m := placeholder.FindStringSubmatch(text); m != nil && m[0] == text && m[2] == "" {
		v, there, err := s.lookup(m[1])
		if !there || err != nil {
			return nil, err
		}
		return v, nil
	}
	out, _, err := s.text(text, nil)
	return out, err
}

// put sets a value under a dotted path.
func put(into map[string]any, path []string, v json.RawMessage) error {
	for _, step := range path[:len(path)-1] {
		next, ok := into[step].(map[string]any)
		if !ok {
			if into[step] != nil {
				return fmt.Errorf("the field's path goes through %s, which holds a value", step)
			}
			next = map[string]any{}
			into[step] = next
		}
		into = next
	}
	into[path[len(path)-1]] = v
	return nil
}

// at follows a dotted path into decoded JSON; numbers step into lists. The empty path is the value itself.
func at(v any, path string) any {
	if path == "" {
		return v
	}
	for _, step := range strings.Split(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(x) {
				return nil
			}
			v = x[i]
		default:
			return nil
		}
	}
	return v
}

// scalar is a value as text; empty for nothing, lists and objects.
func scalar(v any) string {
	switch x := v.(type) {
	case string:
		return x
	case json.Number:
		return x.String()
	case bool:
		return strconv.FormatBool(x)
	}
	return ""
}

// said reports whether something is there: not null, false, or empty.
func said(v any) bool {
	switch x := v.(type) {
	case nil:
		return false
	case bool:
		return x
	case string:
		return x != ""
	case []any:
		return len(x) > 0
	case map[string]any:
		return len(x) > 0
	}
	return true
}

// reason is a message for a person: the text, or the JSON as it came.
func reason(v any) string {
	if t := scalar(v); t != "" {
		return t
	}
	if v == nil {
		return ""
	}
	b, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(b)
}

// elements is a list, or an object as a list of one.
func elements(v any) []any {
	switch x := v.(type) {
	case []any:
		return x
	case map[string]any:
		return []any{x}
	}
	return nil
}

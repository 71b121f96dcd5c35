package salesforce

import (
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"millrace/internal/twin/store"
)

// page is how many records one answer of a query holds.
const page = 2000

var (
	soql      = regexp.MustCompile(`(?is)^\s*select\s+(.+?)\s+from\s+(\w+)(?:\s+where\s+(.+?))?(?:\s+order\s+by\s+(\w+)(\s+desc)?)?(?:\s+limit\s+(\d+))?\s*$`)
	condition = regexp.MustCompile(`(?is)^\s*(\w+)\s*(=|!=|<=|>=|<|>|in)\s*(.+?)\s*$`)
	literal   = regexp.MustCompile(`'(?:\\.|[^'\\])*'|[^,()\s]+`)
)

// query is SELECT fields FROM object [WHERE field op value AND ...] [ORDER BY field] [LIMIT n]. It sees no deleted records.
func (a *API) query(c *call, rest []string) (any, error) {
	text := c.URL.Query().Get("q")
	offset := 0
	if len(rest) == 1 { // the locator carries its query: the twin keeps no cursors
		head, n, ok := strings.Cut(rest[0], "-")
		raw, err := strconv.Unquote(`"` + strings.ReplaceAll(head, ".", `\x`) + `"`)
		if offset, _ = strconv.Atoi(n); !ok || err != nil || offset == 0 {
			return nil, refuse(http.StatusBadRequest, "INVALID_QUERY_LOCATOR", "invalid query locator")
		}
		text = raw
	}
	m := soql.FindStringSubmatch(text)
	if m == nil {
		return nil, refuse(http.StatusBadRequest, "MALFORMED_QUERY", "unexpected token: %.60s", text)
	}
	o, err := findObject(m[2], http.StatusBadRequest)
	if err != nil {
		return nil, err
	}
	fields := strings.Split(strings.ReplaceAll(m[1], " ", ""), ",")
	order := o.field(m[4])
	if m[4] != "" && order == nil {
		return nil, refuse(http.StatusBadRequest, "INVALID_FIELD", "No such column '%s' on entity '%s'.", m[4], o.name)
	}
	match, err := o.where(m[3])
	if err != nil {
		return nil, err
	}
	var found []*store.Doc
	var out []any
	a.db.View(func(s *store.State) {
		for _, d := range s.Docs.Table(table(o.name)).All() {
			if !d.Deleted && match(d) {
				found = append(found, d)
			}
		}
		if order != nil {
			slices.SortStableFunc(found, func(x, y *store.Doc) int {
				n := strings.Compare(plain(o.value(x, order)), plain(o.value(y, order)))
				if m[5] != "" {
					return -n
				}
				return n
			})
		}
		if n, e := strconv.Atoi(m[6]); e == nil && n < len(found) {
			found = found[:n]
		}
		for _, d := range found[min(offset, len(found)):min(offset+page, len(found))] {
			r, e := o.render(c.base, d, fields)
			if e != nil {
				err = e
				return
			}
			out = append(out, r)
		}
		if _, e := o.render(c.base, &store.Doc{}, fields); e != nil {
			err = e
		}
	})
	if err != nil {
		return nil, err
	}
	answer := map[string]any{"totalSize": len(found), "done": offset+page >= len(found), "records": slices.Concat([]any{}, out)}
	if offset+page < len(found) {
		var loc strings.Builder
		for _, b := range []byte(text) {
			loc.WriteString("." + strconv.FormatInt(int64(b)>>4, 16) + strconv.FormatInt(int64(b)&15, 16))
		}
		answer["nextRecordsUrl"] = c.base + "/query/" + loc.String() + "-" + strconv.Itoa(offset+page)
	}
	return answer, nil
}

func plain(v any) string {
	switch x := v.(type) {
	case string:
		return x
	case bool:
		return strconv.FormatBool(x)
	case nil:
		return ""
	}
	return v.(interface{ String() string }).String()
}

// where makes a test of a record from conditions joined by AND.
func (o *object) where(text string) (func(*store.Doc) bool, error) {
	var tests []func(*store.Doc) bool
	for _, part := range splitAnd(text) {
		m := condition.FindStringSubmatch(part)
		if m == nil {
			return nil, refuse(http.StatusBadRequest, "MALFORMED_QUERY", "unexpected token: %.60s", part)
		}
		f := o.field(m[1])
		if f == nil {
			return nil, refuse(http.StatusBadRequest, "INVALID_FIELD", "No such column '%s' on entity '%s'.", m[1], o.name)
		}
		values := map[string]bool{}
		first := ""
		for i, l := range literal.FindAllString(m[3], -1) {
			v := unquote(l)
			if f.typ == "string" || f.typ == "email" {
				v = strings.ToLower(v)
			}
			values[v] = true
			if i == 0 {
				first = v
			}
		}
		op := strings.ToLower(m[2])
		tests = append(tests, func(d *store.Doc) bool {
			v := plain(o.value(d, f))
			if f.typ == "string" || f.typ == "email" {
				v = strings.ToLower(v)
			}
			switch op {
			case "=", "in":
				return values[v]
			case "!=":
				return !values[v]
			case "<":
				return v < first
			case ">":
				return v > first
			case "<=":
				return v <= first
			}
			return v >= first
		})
	}
	return func(d *store.Doc) bool {
		for _, t := range tests {
			if !t(d) {
				return false
			}
		}
		return true
	}, nil
}

func unquote(l string) string {
	if !strings.HasPrefix(l, "'") {
		if strings.EqualFold(l, "null") {
			return ""
		}
		return l
	}
	return strings.NewReplacer(`\'`, `'`, `\\`, `\`).Replace(l[1 : len(l)-1])
}

// splitAnd cuts at AND outside quotes.
func splitAnd(text string) []string {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	var out []string
	quoted, start := false, 0
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\' && quoted:
			i++
		case text[i] == '\'':
			quoted = !quoted
		case !quoted && len(text) > i+5 && strings.EqualFold(text[i:i+5], " and "):
			out = append(out, text[start:i])
			start = i + 5
		}
	}
	return append(out, text[start:])
}

package google

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"millrace/internal/twin/store"
)

// gaql is a parsed query of the Google Ads query language: SELECT fields FROM resource WHERE conditions joined by AND,
// ORDER BY, LIMIT. PARAMETERS is not served.
type gaql struct {
	fields   []string
	resource string
	where    []condition
	order    []ordering
	limit    int
}

type condition struct {
	field, op string
	values    []string
}

type ordering struct {
	field string
	desc  bool
}

// queryError is an error code of QueryErrorEnum with its message.
type queryError struct{ code, message string }

func bad(code, format string, args ...any) *queryError {
	return &queryError{code, fmt.Sprintf(format, args...)}
}

var gaqlToken = regexp.MustCompile(`'[^']*'|"[^"]*"|[A-Za-z_][A-Za-z0-9_.]*|-?\d[\d.]*|<=|>=|!=|[=<>(),]`)

type parser struct {
	toks []string
	i    int
}

func (p *parser) peek() string {
	if p.i < len(p.toks) {
		return p.toks[p.i]
	}
	return ""
}

func (p *parser) next() string { t := p.peek(); p.i++; return t }

func (p *parser) is(word string) bool { return strings.EqualFold(p.peek(), word) }

func (p *parser) take(word string) bool {
	if p.is(word) {
		p.i++
		return true
	}
	return false
}

func parseGAQL(text string) (*gaql, *queryError) {
	p := &parser{toks: gaqlToken.FindAllString(text, -1)}
	q := &gaql{}
	if rest := strings.TrimSpace(gaqlToken.ReplaceAllString(text, "")); strings.Trim(rest, " \n\t\r") != "" {
		return nil, bad("UNEXPECTED_INPUT", "Error in query: unexpected input %s.", strings.TrimSpace(rest))
	}
	if !p.take("SELECT") {
		return nil, bad("EXPECTED_SELECT", "Error in query: unexpected input %s, expected SELECT.", p.peek())
	}
	for {
		q.fields = append(q.fields, p.next())
		if !p.take(",") {
			break
		}
	}
	if !p.take("FROM") {
		return nil, bad("EXPECTED_FROM", "Error in query: expected FROM, found %q.", p.peek())
	}
	q.resource = p.next()
	if !slices.Contains([]string{"customer", "campaign", "ad_group"}, q.resource) {
		return nil, bad("BAD_RESOURCE_TYPE_IN_FROM_CLAUSE", "Error in FROM clause: '%s' is not a valid resource name.", q.resource)
	}
	if p.take("WHERE") {
		for {
			c, err := p.condition()
			if err != nil {
				return nil, err
			}
			q.where = append(q.where, c)
			if !p.take("AND") {
				break
			}
		}
	}
	if p.take("ORDER") {
		if !p.take("BY") {
			return nil, bad("EXPECTED_BY", "Error in query: expected BY after ORDER.")
		}
		for {
			o := ordering{field: p.next()}
			if p.take("DESC") {
				o.desc = true
			} else {
				p.take("ASC")
			}
			q.order = append(q.order, o)
			if !p.take(",") {
				break
			}
		}
	}
	if p.take("LIMIT") {
		n, err := strconv.Atoi(p.next())
		if err != nil || n < 1 {
			return nil, bad("BAD_LIMIT_VALUE", "Error in query: LIMIT needs a whole number above zero.")
		}
		q.limit = n
	}
	if p.peek() != "" {
		return nil, bad("UNEXPECTED_INPUT", "Error in query: unexpected input %s.", p.peek())
	}
	return q, q.check()
}

func (p *parser) condition() (condition, *queryError) {
	c := condition{field: p.next()}
	c.op = strings.ToUpper(p.next())
	if c.op == "NOT" {
		c.op += " " + strings.ToUpper(p.next())
	}
	switch c.op {
	case "=", "!=", "<", "<=", ">", ">=", "LIKE", "NOT LIKE":
		c.values = []string{unquote(p.next())}
	case "DURING":
		c.values = []string{strings.ToUpper(p.next())}
	case "BETWEEN":
		lo := unquote(p.next())
		if !p.take("AND") {
			return c, bad("EXPECTED_AND", "Error in query: expected AND in BETWEEN.")
		}
		c.values = []string{lo, unquote(p.next())}
	case "IN", "NOT IN":
		if !p.take("(") {
			return c, bad("EXPECTED_LIST", "Error in query: expected a list after %s.", c.op)
		}
		for !p.take(")") {
			if p.peek() == "" {
				return c, bad("UNEXPECTED_END_OF_QUERY", "Error in query: the list does not end.")
			}
			c.values = append(c.values, unquote(p.next()))
			p.take(",")
		}
		if len(c.values) == 0 {
			return c, bad("PROHIBITED_EMPTY_LIST_IN_CONDITION", "Error in query: the list is empty.")
		}
	default:
		return c, bad("BAD_OPERATOR", "Error in WHERE clause: invalid operator %q.", c.op)
	}
	return c, nil
}

func unquote(s string) string {
	if len(s) >= 2 && (s[0] == '\'' || s[0] == '"') {
		return s[1 : len(s)-1]
	}
	return s
}

func (q *gaql) whereFields() (out []string) {
	for _, c := range q.where {
		out = append(out, c.field)
	}
	return out
}

func (q *gaql) check() *queryError {
	for _, f := range append(append(slices.Clone(q.fields), q.whereFields()...), q.orderFields()...) {
		if !selectable(q.resource, f) {
			return bad("UNRECOGNIZED_FIELD", "Unrecognized field in the query: '%s'.", f)
		}
	}
	for _, c := range q.where {
		if c.field == "segments.date" {
			for _, v := range c.values {
				if _, err := time.Parse(time.DateOnly, v); err != nil && c.op != "DURING" {
					return bad("INVALID_DATE_FORMAT", "Dates must be written as yyyy-MM-dd, not '%s'.", v)
				}
			}
			if c.op == "DURING" && during[c.values[0]] == nil {
				return bad("INVALID_VALUE_WITH_DURING_OPERATOR", "'%s' is not a date range.", c.values[0])
			}
		}
	}
	for _, o := range q.order {
		if strings.HasPrefix(o.field, "segments.") && !slices.Contains(q.fields, o.field) {
			return bad("EXPECTED_REFERENCED_FIELD_IN_SELECT_CLAUSE", "The field '%s' in the ORDER BY clause must be selected.", o.field)
		}
	}
	return nil
}

func (q *gaql) orderFields() (out []string) {
	for _, o := range q.order {
		out = append(out, o.field)
	}
	return out
}

// during are the named date ranges, as days back from today: first and last.
var during = map[string]func(today time.Time) (from, to time.Time){
	"TODAY":        func(d time.Time) (time.Time, time.Time) { return d, d },
	"YESTERDAY":    func(d time.Time) (time.Time, time.Time) { return d.AddDate(0, 0, -1), d.AddDate(0, 0, -1) },
	"LAST_7_DAYS":  func(d time.Time) (time.Time, time.Time) { return d.AddDate(0, 0, -7), d.AddDate(0, 0, -1) },
	"LAST_14_DAYS": func(d time.Time) (time.Time, time.Time) { return d.AddDate(0, 0, -14), d.AddDate(0, 0, -1) },
	"LAST_30_DAYS": func(d time.Time) (time.Time, time.Time) { return d.AddDate(0, 0, -30), d.AddDate(0, 0, -1) },
	"THIS_MONTH":   func(d time.Time) (time.Time, time.Time) { return d.AddDate(0, 0, 1-d.Day()), d },
}

// inDates says whether a day passes the conditions on segments.date.
func (q *gaql) inDates(day, today time.Time) bool {
	d := day.Format(time.DateOnly)
	for _, c := range q.where {
		if c.field != "segments.date" {
			continue
		}
		if c.op == "DURING" {
			from, to := during[c.values[0]](today)
			if day.Before(from) || day.After(to) {
				return false
			}
			continue
		}
		if !c.text(d) {
			return false
		}
	}
	return true
}

// holds says whether a finished row passes the conditions that are not on dates.
func (q *gaql) holds(s *store.State, r adsRow) (bool, *queryError) {
	for _, c := range q.where {
		if c.field == "segments.date" {
			continue
		}
		if n, ok := r.number(c.field); ok {
			v, err := strconv.ParseFloat(c.values[0], 64)
			if err != nil {
				return false, bad("BAD_NUMBER", "'%s' is not a number for %s.", c.values[0], c.field)
			}
			if !map[string]bool{"=": n == v, "!=": n != v, "<": n < v, "<=": n <= v, ">": n > v, ">=": n >= v}[c.op] {
				return false, nil
			}
			continue
		}
		text, _ := r.value(s, c.field).(string)
		if !c.text(text) {
			return false, nil
		}
	}
	return true, nil
}

func (c condition) text(v string) bool {
	switch c.op {
	case "=":
		return v == c.values[0]
	case "!=":
		return v != c.values[0]
	case "<":
		return v < c.values[0]
	case "<=":
		return v <= c.values[0]
	case ">":
		return v > c.values[0]
	case ">=":
		return v >= c.values[0]
	case "BETWEEN":
		return v >= c.values[0] && v <= c.values[1]
	case "IN":
		return slices.Contains(c.values, v)
	case "NOT IN":
		return !slices.Contains(c.values, v)
	case "LIKE":
		return like(v, c.values[0])
	case "NOT LIKE":
		return !like(v, c.values[0])
	}
	return false
}

func like(v, pattern string) bool {
	parts := strings.Split(pattern, "%")
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	ok, err := regexp.MatchString("^(?i:"+strings.Join(parts, ".*")+")$", v)
	return err == nil && ok
}

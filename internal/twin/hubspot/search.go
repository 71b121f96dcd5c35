package hubspot

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"millrace/internal/twin/store"
)

// Limits of the search endpoint.
const (
	searchPage    = 200
	searchTotal   = 10_000
	searchGroups  = 5
	searchFilters = 25
)

type searchBody struct {
	Groups []struct {
		Filters []filter `json:"filters"`
	} `json:"filterGroups"`
	Filters    []filter          `json:"filters"`
	Sorts      []json.RawMessage `json:"sorts"`
	Query      string            `json:"query"`
	Properties []string          `json:"properties"`
	Limit      *int              `json:"limit"`
	After      text              `json:"after"`
}

type filter struct {
	Property string `json:"propertyName"`
	Operator string `json:"operator"`
	Value    text   `json:"value"`
	High     text   `json:"highValue"`
	Values   []text `json:"values"`
}

type sorting struct {
	Property  string `json:"propertyName"`
	Direction string `json:"direction"`
}

func (a records) find(c *call, typ string) (reply, error) {
	var in searchBody
	if err := decode(c, &in); err != nil {
		return reply{}, err
	}
	limit, offset, err := in.window()
	if err != nil {
		return reply{}, err
	}
	out := page{Results: []record{}}
	a.db.View(func(s *store.State) {
		t := s.CRM.Table(typ)
		if err = in.check(t); err != nil {
			return
		}
		var by sorting
		if by, err = in.sorting(t); err != nil {
			return
		}
		rows := in.match(t)
		sortRows(t, rows, by)
		total := len(rows)
		out.Total = &total
		end := min(offset+limit, total)
		for _, r := range rows[min(offset, total):end] {
			out.Results = append(out.Results, render(s, t, r, wanted{props: in.Properties}))
		}
		if end < total {
			out.Paging = &paging{Next: &cursor{After: strconv.Itoa(end)}}
		}
	})
	return reply{http.StatusOK, out}, err
}

func (in *searchBody) window() (limit, offset int, err error) {
	limit = 10
	if in.Limit != nil {
		limit = *in.Limit
	}
	if limit < 1 || limit > searchPage {
		return 0, 0, invalid("limit must be between 1 and %d, not %d", searchPage, limit)
	}
	if in.After != "" {
		if offset, err = strconv.Atoi(string(in.After)); err != nil || offset < 0 {
			return 0, 0, invalid("after must be a whole number, not %q", in.After)
		}
	}
	if offset+limit > searchTotal {
		return 0, 0, invalid("The offset and limit reach beyond %d results: no further page can be read. Narrow the filters.", searchTotal)
	}
	return limit, offset, nil
}

var operators = []string{"EQ", "NEQ", "LT", "LTE", "GT", "GTE", "BETWEEN", "IN", "NOT_IN", "HAS_PROPERTY", "NOT_HAS_PROPERTY", "CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN"}

func (in *searchBody) check(t *store.Table) error {
	if len(in.Filters) > 0 {
		in.Groups = append(in.Groups, struct {
			Filters []filter `json:"filters"`
		}{in.Filters})
		in.Filters = nil
	}
	if len(in.Groups) > searchGroups {
		return invalid("A maximum of %d filter groups is supported, not %d", searchGroups, len(in.Groups))
	}
	n := 0
	for _, g := range in.Groups {
		n += len(g.Filters)
		for _, f := range g.Filters {
			if t.Property(f.Property) == nil {
				return invalid("There was a problem with the request: property %q does not exist", f.Property).with(detail{Message: "unknown property", Code: "PROPERTY_DOESNT_EXIST", In: f.Property, Context: map[string][]string{"propertyName": {f.Property}}})
			}
			if !slices.Contains(operators, f.Operator) {
				return invalid("Enum type must be one of: %v; %q is none", operators, f.Operator)
			}
		}
	}
	if n > searchFilters {
		return invalid("A maximum of %d filters is supported, not %d", searchFilters, n)
	}
	if len(in.Query) > 3000 {
		return invalid("query must be at most 3000 characters")
	}
	return nil
}

func (in *searchBody) sorting(t *store.Table) (sorting, error) {
	by := sorting{Property: "hs_object_id", Direction: "ASCENDING"}
	if len(in.Sorts) > 1 {
		return by, invalid("Only one sort is supported, not %d", len(in.Sorts))
	}
	if len(in.Sorts) == 1 {
		by.Property = ""
		if err := json.Unmarshal(in.Sorts[0], &by); err != nil {
			if err := json.Unmarshal(in.Sorts[0], &by.Property); err != nil {
				return by, invalid("a sort must be a property name or an object")
			}
		}
		if t.Property(by.Property) == nil {
			return by, invalid("cannot sort by %q: no such property", by.Property)
		}
	}
	return by, nil
}

func (in *searchBody) match(t *store.Table) []*store.Record {
	all, _ := t.After(0, t.Len(), false)
	var out []*store.Record
	for _, r := range all {
		ok := len(in.Groups) == 0
		for _, g := range in.Groups {
			hit := true
			for _, f := range g.Filters {
				if !f.holds(t, r) {
					hit = false
					break
				}
			}
			if hit {
				ok = true
				break
			}
		}
		if ok && in.Query != "" {
			ok = fullText(t, r, in.Query)
		}
		if ok {
			out = append(out, r)
		}
	}
	return out
}

// fullText looks for the query in a record's default text properties.
func fullText(t *store.Table, r *store.Record, query string) bool {
	q := strings.ToLower(query)
	for _, n := range defaults[t.Type] {
		if v, ok := t.Value(r, n); ok && strings.Contains(strings.ToLower(v), q) {
			return true
		}
	}
	return false
}

func (f filter) holds(t *store.Table, r *store.Record) bool {
	v, has := t.Value(r, f.Property)
	p := t.Property(f.Property)
	is := func(want text) bool { return compare(p, v, string(want)) == 0 }
	in := func() bool { return slices.ContainsFunc(f.Values, is) }
	switch f.Operator {
	case "HAS_PROPERTY":
		return has
	case "NOT_HAS_PROPERTY":
		return !has
	case "NEQ":
		return !has || !is(f.Value)
	case "NOT_IN":
		return has && !in()
	case "NOT_CONTAINS_TOKEN":
		return !has || !token(v, string(f.Value))
	}
	if !has {
		return false
	}
	switch f.Operator {
	case "EQ":
		return is(f.Value)
	case "LT":
		return compare(p, v, string(f.Value)) < 0
	case "LTE":
		return compare(p, v, string(f.Value)) <= 0
	case "GT":
		return compare(p, v, string(f.Value)) > 0
	case "GTE":
		return compare(p, v, string(f.Value)) >= 0
	case "BETWEEN":
		return compare(p, v, string(f.Value)) >= 0 && compare(p, v, string(f.High)) <= 0
	case "IN":
		return in()
	case "CONTAINS_TOKEN":
		return token(v, string(f.Value))
	}
	return false
}

// token is the portal's match by words, where * stands for any characters at either end.
func token(v, want string) bool {
	v, want = strings.ToLower(v), strings.ToLower(want)
	bare := strings.Trim(want, "*")
	if bare != want {
		return strings.Contains(v, bare)
	}
	return slices.Contains(strings.FieldsFunc(v, func(r rune) bool { return r == ' ' || r == '@' || r == '.' || r == '-' || r == ',' }), bare) || v == want
}

// compare orders two values of a property by its type: numbers by size, instants by time in either spelling, else text
// without regard to case.
func compare(p *store.Property, a, b string) int {
	switch p.Type {
	case "number":
		x, errX := strconv.ParseFloat(a, 64)
		y, errY := strconv.ParseFloat(b, 64)
		if errX == nil && errY == nil {
			return cmp.Compare(x, y)
		}
	case "datetime", "date":
		x, okX := instant(a)
		y, okY := instant(b)
		if okX && okY {
			return x.Compare(y)
		}
	}
	return strings.Compare(strings.ToLower(a), strings.ToLower(b))
}

func instant(s string) (time.Time, bool) {
	if ms, err := strconv.ParseInt(s, 10, 64); err == nil {
		return time.UnixMilli(ms), true
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t, true
	}
	t, err := time.Parse(time.DateOnly, s)
	return t, err == nil
}

// sortRows orders by a property, then by id, so that pages never overlap. Records without a value come last.
func sortRows(t *store.Table, rows []*store.Record, by sorting) {
	p := t.Property(by.Property)
	slices.SortStableFunc(rows, func(x, y *store.Record) int {
		a, hasA := t.Value(x, by.Property)
		b, hasB := t.Value(y, by.Property)
		if hasA != hasB {
			return map[bool]int{true: -1, false: 1}[hasA]
		}
		n := compare(p, a, b)
		if by.Direction == "DESCENDING" {
			n = -n
		}
		return cmp.Or(n, cmp.Compare(x.ID, y.ID))
	})
}

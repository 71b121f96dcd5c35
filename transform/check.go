package transform

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"millrace/internal/duck"
	"millrace/internal/fault"
)

// check is one audit: a query whose rows are failures.
type check struct {
	ID        string // "core.accounts/not_null(id)" or "tests/name"
	Name      string // what people read: "not_null(id)"
	Relation  string // the relation a data test belongs to; empty for singular tests
	SQL       string
	File      string
	Line      int
	Reads     []string // relations it reads, sorted
	Gates     []string // relations that it can hold back
	severity  string
	warnIf    string
	errorIf   string
	describes string
	node      *Node    // of singular tests
	functions []string // functions in Go that it calls, with their versions
}

// TestResult is the outcome of one audit.
type TestResult struct {
	ID          string        `json:"unique_id"`
	Name        string        `json:"name"`
	Relation    string        `json:"relation,omitempty"`
	File        string        `json:"path,omitempty"`
	Line        int           `json:"line,omitempty"`
	Status      Status        `json:"status"` // pass, warn, error, skipped
	Failures    int64         `json:"failures"`
	Message     string        `json:"message,omitempty"`
	Description string        `json:"description,omitempty"`
	Columns     []string      `json:"columns,omitempty"` // of Sample
	Sample      [][]any       `json:"sample,omitempty"`  // a few failing rows, personal data masked
	Took        time.Duration `json:"-"`
	Carried     bool          `json:"carried,omitempty"` // nothing it reads changed: the outcome of an earlier build
	Relations   []string      `json:"depends_on,omitempty"`
	version     string
}

// sampleRows is how many failing rows a result keeps.
const sampleRows = 5

// checks lists all audits of the graph, data tests first by relation, in a fixed order.
func (g *Graph) checks() []*check {
	var out []*check
	for _, name := range g.order {
		n := g.Nodes[name]
		if n.Kind == KindRaw {
			continue
		}
		seen := map[string]int{}
		for _, t := range n.Meta.tests() {
			c := n.dataTest(t)
			seen[c.ID]++
			if k := seen[c.ID]; k > 1 {
				c.ID += "#" + strconv.Itoa(k)
			}
			out = append(out, c)
		}
	}
	for _, t := range g.Tests {
		out = append(out, &check{ID: "tests/" + t.Name, Name: t.Name, SQL: statement(t.SQL), File: t.File, Line: 1, Reads: t.Deps, Gates: g.sinks(t.Deps),
			severity: t.Meta.Severity, warnIf: t.Meta.WarnIf, errorIf: t.Meta.ErrorIf, describes: t.Meta.Description, node: t})
	}
	for _, c := range out {
		c.functions = g.functionVersions(g.called(c.SQL))
	}
	return out
}

// sinks are the relations of a set that no other member is made from: the ones a test on all of them judges.
func (g *Graph) sinks(names []string) []string {
	var out []string
	for _, a := range names {
		if g.Nodes[a].Kind == KindRaw || g.Nodes[a].Kind == KindRun {
			continue
		}
		if !slices.ContainsFunc(names, func(b string) bool { return a != b && g.descends(b, a) }) {
			out = append(out, a)
		}
	}
	return out
}

// descends reports whether a is made from b, directly or not.
func (g *Graph) descends(a, b string) bool {
	seen := map[string]bool{}
	var walk func(name string) bool
	walk = func(name string) bool {
		if seen[name] {
			return false
		}
		seen[name] = true
		for _, d := range g.Nodes[name].Deps {
			if d == b || walk(d) {
				return true
			}
		}
		return false
	}
	return walk(a)
}

func (n *Node) dataTest(t DataTest) *check {
	a := t.Args
	c := &check{Relation: n.Name, File: n.File, Line: t.node.Pos().Line, Reads: []string{n.Name}, Gates: []string{n.Name},
		severity: orElse(a.Severity, n.Meta.Severity), warnIf: a.WarnIf, errorIf: a.ErrorIf, describes: a.Description}
	rel := ident(n.Name)
	col := duck.Ident(t.Column)
	where := ""
	if a.Where != "" {
		where = " and (" + a.Where + ")"
	}
	only := rel
	if a.Where != "" {
		only = "(select * from " + rel + " where " + a.Where + ")"
	}
	label := t.Column
	switch t.Kind {
	case "not_null":
		c.SQL = fmt.Sprintf("select * from %s where %s is null%s", rel, col, where)
	case "unique":
		c.SQL = fmt.Sprintf("select %s, count(*) as copies from %s where %s is not null%s group by all having count(*) > 1", col, rel, col, where)
	case "unique_combination":
		var cols []string
		for _, k := range a.Columns {
			cols = append(cols, duck.Ident(k))
		}
		label = strings.Join(a.Columns, ", ")
		c.SQL = fmt.Sprintf("select %s, count(*) as copies from %s group by all having count(*) > 1", strings.Join(cols, ", "), only)
	case "accepted_values":
		var vals []string
		for _, v := range a.Values {
			vals = append(vals, string(v))
		}
		c.SQL = fmt.Sprintf("select %s, count(*) as rows from %s where %s not in (%s)%s group by all", col, rel, col, strings.Join(vals, ", "), where)
	case "relationships":
		to := strings.ToLower(a.To)
		c.Reads = append(c.Reads, to)
		label = t.Column + " → " + to + "." + a.Field
		c.SQL = fmt.Sprintf("select c.%s, count(*) as rows from %s c where c.%s is not null and not exists (from %s p where p.%s = c.%s) group by all",
			col, only, col, ident(to), duck.Ident(a.Field), col)
	case "accepted_range":
		var bad []string
		lt, gt := "<", ">"
		if a.Exclusive {
			lt, gt = "<=", ">="
		}
		if a.Min != "" {
			bad = append(bad, fmt.Sprintf("%s %s %s", col, lt, a.Min))
		}
		if a.Max != "" {
			bad = append(bad, fmt.Sprintf("%s %s %s", col, gt, a.Max))
		}
		c.SQL = fmt.Sprintf("select * from %s where (%s)%s", rel, strings.Join(bad, " or "), where)
	case "expression":
		label = a.Expression
		c.SQL = fmt.Sprintf("select * from %s where (%s) is not true%s", rel, a.Expression, where)
	case "row_count":
		var bad []string
		if a.Min != "" {
			bad = append(bad, "rows < "+string(a.Min))
		}
		if a.Max != "" {
			bad = append(bad, "rows > "+string(a.Max))
		}
		c.SQL = fmt.Sprintf("from (select count(*) as rows from %s) where %s", only, strings.Join(bad, " or "))
	case "freshness":
		label = orElse(t.Column, a.Column)
		id := duck.Ident(label)
		c.Reads = append(c.Reads, runRelation)
		c.SQL = fmt.Sprintf("from (select max(%s)::date as newest, (select today from %s) as today from %s) where newest is null or newest < today - %d",
			id, ident(runRelation), only, *a.MaxAgeDays)
	case "not_constant":
		c.SQL = fmt.Sprintf("from (select count(distinct %s) as distinct_values, count(*) as rows from %s) where distinct_values < 2 and rows > 1", col, only)
	}
	c.Name = t.Kind
	if label != "" {
		c.Name += "(" + fault.Shorten(label, 60) + ")"
	}
	if a.Name != "" {
		c.Name = a.Name
	}
	c.ID = n.Name + "/" + t.Kind
	if label != "" {
		c.ID += "(" + label + ")"
	}
	slices.Sort(c.Reads)
	return c
}

// version changes when the audit could come out differently.
func (c *check) version(engine string, of func(name string) string) string {
	h := newHash(formatVersion, engine, canonical(c.SQL), c.severity, c.warnIf, c.errorIf)
	h.add(c.functions...)
	for _, r := range c.Reads {
		h.add(r, of(r))
	}
	return h.sum()
}

// run counts the failing rows and keeps a few. pii names the columns whose values are masked in the sample.
func (c *check) run(ctx context.Context, db *duck.DB, pii map[string]bool) *TestResult {
	start := time.Now()
	r := &TestResult{ID: c.ID, Name: c.Name, Relation: c.Relation, File: c.File, Line: c.Line, Description: c.describes, Relations: c.Reads, Status: StatusPass}
	defer func() { r.Took = time.Since(start) }()
	fail := func(err error) *TestResult {
		r.Status = StatusError
		r.Message = "the test could not run: " + err.Error()
		return r
	}
	var n int64
	err := db.Each(ctx, "select count(*) from ("+c.SQL+"\n)", func(row []any) error {
		n, _ = row[0].(int64)
		return nil
	})
	if err != nil {
		return fail(err)
	}
	r.Failures = n
	r.Status = c.judge(n)
	if n == 0 {
		return r
	}
	if r.Status != StatusPass {
		r.Message = fmt.Sprintf("%d failing rows", n)
		if n == 1 {
			r.Message = "1 failing row"
		}
	}
	res, err := db.Query(ctx, fmt.Sprintf("select * from (%s\n) order by all limit %d", c.SQL, sampleRows))
	if err != nil {
		return r // the count stands; the sample is only a help
	}
	for _, col := range res.Columns {
		r.Columns = append(r.Columns, col.Name)
	}
	for _, row := range res.Rows {
		for i := range row {
			if row[i] != nil && pii[strings.ToLower(res.Columns[i].Name)] {
				row[i] = "***"
			}
			if d, ok := row[i].(duck.Decimal); ok {
				row[i] = d.String()
			}
		}
		r.Sample = append(r.Sample, row)
	}
	return r
}

// judge turns the number of failing rows into an outcome: severity warn never fails, error_if decides before warn_if.
func (c *check) judge(n int64) Status {
	if c.severity != "warn" && holdsFor(orElse(c.errorIf, "!= 0"), n) {
		return StatusError
	}
	if holdsFor(orElse(c.warnIf, "!= 0"), n) {
		return StatusWarn
	}
	return StatusPass
}

func holdsFor(cond string, n int64) bool {
	m := condRE.FindStringSubmatch(cond)
	if m == nil {
		return n != 0
	}
	v, err := strconv.ParseInt(m[2], 10, 64)
	if err != nil {
		return n != 0
	}
	switch m[1] {
	case ">":
		return n > v
	case ">=":
		return n >= v
	case "<":
		return n < v
	case "<=":
		return n <= v
	case "!=", "<>":
		return n != v
	}
	return n == v
}

package transform

import (
	"context"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"sort"
	"strings"
	"time"

	"millrace/internal/config"
	"millrace/internal/duck"
	"millrace/internal/fault"
	"millrace/transform/relation"
)

// UnitTest runs one model on given rows, in memory, without data.
type UnitTest struct {
	Name  string
	Model string
	File  string
	Line  int
	spec  unitSpec
}

// unitDoc is a *.test.yml file.
type unitDoc struct {
	Version   int        `yaml:"version" doc:"version of this file kind" default:"1"`
	UnitTests []unitSpec `yaml:"unit_tests" required:"true" doc:"tests of models on given rows"`
}

type unitSpec struct {
	Name        string      `yaml:"name" required:"true" doc:"what is shown when it fails"`
	Description string      `yaml:"description" doc:"what it pins down"`
	Model       string      `yaml:"model" doc:"the relation; default: the one beside which the file stands"`
	Today       string      `yaml:"today" doc:"the day of the run that the model sees in meta.run" example:"2026-01-31"`
	Given       []unitInput `yaml:"given" doc:"rows of what the model reads; what is not listed is empty"`
	Expect      unitRows    `yaml:"expect" required:"true" doc:"rows that the model must give, in any order"`
	node        config.Node
}

type unitInput struct {
	Input    string `yaml:"input" required:"true" doc:"a relation that the model reads"`
	unitRows `yaml:",inline"`
}

// unitRows are rows as a list of mappings, or as CSV text. Columns that are not written are NULL in given rows and not
// looked at in expected ones.
type unitRows struct {
	Rows config.Node `yaml:"rows" doc:"a list of {column: value}, or CSV text with a header line"`
}

// UnitSchema is the JSON Schema of a *.test.yml file.
func UnitSchema() map[string]any { return config.Schema("Millrace unit tests", &unitDoc{}) }

// ModelSchema is the JSON Schema of a SQL model's front matter.
func ModelSchema() map[string]any { return config.Schema("Millrace SQL model", &Meta{}) }

func (s *unitSpec) CheckConfig(n config.Node) error {
	s.node = n
	if s.Today != "" {
		if _, err := time.Parse(time.DateOnly, s.Today); err != nil {
			return n.Get("today").Fault("Write it as 2026-01-31.", "is not a day")
		}
	}
	return nil
}

func (l *loader) unitFile(file string) {
	text, ok := l.read(file)
	if !ok {
		return
	}
	node, err := config.Parse(file, []byte(text), config.ParseOptions{})
	if err != nil {
		l.errs.Add(err)
		return
	}
	var doc unitDoc
	if err := node.Decode(&doc); err != nil {
		l.errs.Add(err)
		return
	}
	for _, s := range doc.UnitTests {
		u := &UnitTest{Name: s.Name, Model: strings.ToLower(s.Model), File: file, Line: s.node.Pos().Line, spec: s}
		if u.Model == "" {
			base := regexp.MustCompile(`\.test\.ya?ml$`).ReplaceAllString(path.Base(file), "")
			u.Model = strings.Split(file, "/")[1] + "." + base
		}
		l.g.Units = append(l.g.Units, u)
	}
}

// units checks what the unit tests name.
func (l *loader) units() {
	var names []string
	for name, n := range l.g.Nodes {
		if n.Kind == KindModel {
			names = append(names, name)
		}
	}
	sort.Slice(l.g.Units, func(i, j int) bool {
		a, b := l.g.Units[i], l.g.Units[j]
		return a.File < b.File || a.File == b.File && a.Line < b.Line
	})
	for _, u := range l.g.Units {
		n := l.g.Nodes[u.Model]
		if n == nil || n.Kind != KindModel {
			l.errs.Add(u.spec.node.Get("model").KeyFault(fault.DidYouMean(u.Model, names), "unit test of an unknown model %q", u.Model))
			continue
		}
		for _, in := range u.spec.Given {
			name := strings.ToLower(in.Input)
			if !slices.Contains(n.Deps, name) && !(n.Self && name == n.Name) {
				l.errs.Add(u.spec.node.Get("given").KeyFault(fault.DidYouMean(name, n.Deps), "%s does not read %q", n.Name, in.Input))
			}
		}
	}
}

// ID names the test among others.
func (u *UnitTest) ID() string { return "unit/" + u.Model + "/" + u.Name }

// unitTests runs those that are asked for and records them as tests. Types come from binding, so no warehouse is needed.
func (b *builder) unitTests(ctx context.Context, asked func(*UnitTest) bool) error {
	var todo []*UnitTest
	for _, u := range b.g.Units {
		if asked(u) {
			todo = append(todo, u)
		}
	}
	if len(todo) == 0 {
		return nil
	}
	bound := b.bound
	if bound == nil {
		var err error
		if bound, err = bind(ctx, b.g, nil); err != nil {
			return err
		}
	}
	for _, u := range todo {
		start := time.Now()
		r := &TestResult{ID: u.ID(), Name: u.Name, Relation: u.Model, File: u.File, Line: u.Line, Status: StatusPass, Description: u.spec.Description, Relations: []string{u.Model}}
		if err := u.run(ctx, b.g, bound); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			r.Status, r.Message = StatusError, err.Error()
			r.Failures = 1
		}
		r.Took = time.Since(start)
		r.version = b.unitVersion(u)
		b.mu.Lock()
		b.tests[r.ID] = r
		b.mu.Unlock()
		b.event(Event{Kind: EventTest, Node: r.ID, Status: r.Status, Test: r, Took: r.Took})
	}
	return nil
}

func addNode(h *hasher, n config.Node) {
	if s, ok := n.Text(); ok {
		h.add(s)
	}
	for _, k := range n.Keys() {
		h.add(k)
		addNode(h, n.Get(k))
	}
	for _, i := range n.Items() {
		addNode(h, i)
	}
}

// run makes each input as a table of its known types, the model's query over them, and compares.
func (u *UnitTest) run(ctx context.Context, g *Graph, bound *Bound) error {
	n := g.Nodes[u.Model]
	if err := bound.Errors[n.Name]; err != nil {
		return err
	}
	db, err := duck.Open(ctx, "", duck.Options{Threads: 1, Locked: true, Functions: g.goFunctions()})
	if err != nil {
		return fault.Wrap(err, "open a database in memory")
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	inputs := slices.Clone(n.Deps)
	if n.Self {
		inputs = append(inputs, n.Name)
	}
	for _, dep := range inputs {
		cols := bound.Columns[dep]
		if cols == nil {
			return fmt.Errorf("the columns of %s are not known", dep)
		}
		if err := db.Exec(ctx, "create schema if not exists "+duck.Ident(schemaOf(dep))); err != nil {
			return err
		}
		if err := db.Exec(ctx, "create table "+ident(dep)+" ("+columnList(cols)+")"); err != nil {
			return err
		}
		if dep == runRelation {
			run := g.Run
			if u.spec.Today != "" {
				day, err := time.Parse(time.DateOnly, u.spec.Today)
				if err != nil {
					return err
				}
				run.Now, run.TimeZone = day, time.UTC
			}
			if err := db.Exec(ctx, "insert into "+ident(dep)+" "+runQuery(run)); err != nil {
				return err
			}
		}
	}
	for _, in := range u.spec.Given {
		name := strings.ToLower(in.Input)
		if name == runRelation {
			if err := db.Exec(ctx, "delete from "+ident(name)); err != nil {
				return err
			}
		}
		if err := insertRows(ctx, db, name, in.Rows, bound.Columns[name]); err != nil {
			return fault.Wrap(err, "given rows of %s", in.Input)
		}
	}
	if err := db.Exec(ctx, "create table actual as "+statement(n.SQL)); err != nil {
		return n.sqlError(err)
	}
	return u.compare(ctx, db)
}

// table turns rows as written into column names and cells; nil is NULL.
func table(n config.Node) (cols []string, rows [][]*string, err error) {
	if text, ok := n.Text(); ok {
		return csvTable(text)
	}
	for _, item := range n.Items() {
		if item.Kind() != config.Mapping {
			return nil, nil, item.Fault("Write `- {column: value, ...}`.", "a row is a mapping of columns, found %s", item.Kind())
		}
		for _, k := range item.Keys() {
			if !slices.Contains(cols, k) {
				cols = append(cols, k)
			}
		}
	}
	for _, item := range n.Items() {
		row := make([]*string, len(cols))
		for i, c := range cols {
			v := item.Get(c)
			if s, ok := v.Text(); ok {
				row[i] = &s
			} else if v.Kind() == config.List || v.Kind() == config.Mapping {
				return nil, nil, v.Fault("Write it as text: '[1, 2]', '{a: 1}'.", "a cell is one value, found %s", v.Kind())
			}
		}
		rows = append(rows, row)
	}
	return cols, rows, nil
}

func insertRows(ctx context.Context, db *duck.DB, name string, n config.Node, known []relation.Column) error {
	cols, rows, err := table(n)
	if err != nil || len(rows) == 0 {
		return err
	}
	if err := knownColumns(n, name, cols, known); err != nil {
		return err
	}
	return db.Exec(ctx, "insert into "+ident(name)+" by name "+valuesQuery(cols, rows))
}

func knownColumns(n config.Node, name string, cols []string, known []relation.Column) error {
	var names []string
	for _, c := range known {
		names = append(names, c.Name)
	}
	for _, c := range cols {
		if !slices.ContainsFunc(names, func(k string) bool { return strings.EqualFold(k, c) }) {
			return n.KeyFault(orElse(fault.DidYouMean(c, names), "Its columns: "+strings.Join(names, ", ")+"."), "%s has no column %q", name, c)
		}
	}
	return nil
}

// valuesQuery is a SELECT of the rows; all cells are text, which the table's types then read.
func valuesQuery(cols []string, rows [][]*string) string {
	var lines []string
	for _, r := range rows {
		var cells []string
		for _, c := range r {
			if c == nil {
				cells = append(cells, "null")
			} else {
				cells = append(cells, duck.Quote(*c))
			}
		}
		lines = append(lines, "("+strings.Join(cells, ", ")+")")
	}
	ids := make([]string, len(cols))
	for i, c := range cols {
		ids[i] = duck.Ident(c)
	}
	return "select * from (values " + strings.Join(lines, ", ") + ") as t(" + strings.Join(ids, ", ") + ")"
}

// compare reports rows that are missing and rows that are too many, over the columns that the test writes.
func (u *UnitTest) compare(ctx context.Context, db *duck.DB) error {
	cols, rows, err := table(u.spec.Expect.Rows)
	if err != nil {
		return err
	}
	actual, err := describe(ctx, db, "from actual")
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		var n int64
		if err := db.Each(ctx, "select count(*) from actual", func(row []any) error { n, _ = row[0].(int64); return nil }); err != nil {
			return err
		}
		if n > 0 {
			return fmt.Errorf("expected no rows, got %d", n)
		}
		return nil
	}
	if err := knownColumns(u.spec.Expect.Rows, u.Model, cols, actual); err != nil {
		return err
	}
	var typed, list []string
	for _, c := range cols {
		for _, a := range actual {
			if strings.EqualFold(a.Name, c) {
				typed = append(typed, fmt.Sprintf("%s::%s as %s", duck.Ident(c), a.Type, duck.Ident(c)))
				v := duck.Ident(c)
				if a.Type == "DOUBLE" || a.Type == "FLOAT" { // as many digits as a person writes
					v = fmt.Sprintf("round(%s, 9) as %s", v, v)
				}
				list = append(list, v)
			}
		}
	}
	sel := strings.Join(list, ", ")
	if err := db.Exec(ctx, "create table expected as select "+strings.Join(typed, ", ")+" from ("+valuesQuery(cols, rows)+")"); err != nil {
		return fault.Wrap(err, "expected rows")
	}
	diff := func(a, b string) ([]string, error) {
		var out []string
		res, err := db.Query(ctx, fmt.Sprintf("(select %s from %s except all select %s from %s) order by all limit 5", sel, a, sel, b))
		if err != nil {
			return nil, err
		}
		for _, r := range res.Rows {
			var cells []string
			for i, c := range r {
				cells = append(cells, res.Columns[i].Name+": "+cellText(c))
			}
			out = append(out, "{"+strings.Join(cells, ", ")+"}")
		}
		return out, nil
	}
	missing, err := diff("expected", "actual")
	if err != nil {
		return err
	}
	extra, err := diff("actual", "expected")
	if err != nil {
		return err
	}
	if len(missing)+len(extra) == 0 {
		return nil
	}
	var b strings.Builder
	for _, m := range missing {
		b.WriteString("\n    missing " + m)
	}
	for _, e := range extra {
		b.WriteString("\n    got     " + e)
	}
	return errors.New("the rows differ:" + b.String())
}

func cellText(v any) string {
	switch x := v.(type) {
	case nil:
		return "NULL"
	case time.Time:
		if x.Equal(x.Truncate(24 * time.Hour)) {
			return x.Format(time.DateOnly)
		}
		return x.Format("2006-01-02 15:04:05.999999")
	}
	return fmt.Sprint(v)
}

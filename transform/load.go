package transform

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path"
	"regexp"
	"slices"
	"sort"
	"strings"

	"millrace/internal/config"
	"millrace/internal/duck"
	"millrace/internal/fault"
)

// sqlDir is the folder of a project that holds SQL.
const sqlDir = "sql"

var nameRE = regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`)

// reservedSchema says who owns a schema that a project cannot use.
func reservedSchema(s string) string {
	switch s {
	case "millrace":
		return "the build's own records"
	case "meta":
		return "meta.run, the facts of the run"
	case "main", "temp", "system", "pg_catalog", "information_schema":
		return "DuckDB itself"
	}
	if strings.HasPrefix(s, "raw_") {
		return "landed streams"
	}
	return ""
}

// loader carries what one Load collects. Problems are gathered so that a person sees all of them at once.
type loader struct {
	p     LoadParams
	g     *Graph
	db    *duck.DB
	errs  fault.List
	reads map[*Node]*scan
}

// Load reads the project's SQL, finds what reads what, and returns the graph. Everything that can be known without data
// is checked: syntax, names, cycles, front matter, and the determinism that syntax shows. All problems come back together
// as a fault.List, each with file and line.
func Load(ctx context.Context, p LoadParams) (*Graph, error) {
	if p.Log == nil {
		p.Log = slog.New(slog.DiscardHandler)
	}
	db, err := duck.Open(ctx, "", duck.Options{Threads: 1, Locked: true})
	if err != nil {
		return nil, fault.Wrap(err, "start the SQL parser")
	}
	defer db.Close()
	l := &loader{p: p, db: db, reads: map[*Node]*scan{}, g: &Graph{Nodes: map[string]*Node{}, Run: p.Run, log: p.Log}}
	if l.g.engine, err = db.Version(ctx); err != nil {
		return nil, fault.Wrap(err, "ask the engine for its version")
	}
	l.functions()
	l.inputs()
	if err := l.walk(ctx); err != nil {
		return nil, err
	}
	for _, n := range append(l.sorted(), l.g.Tests...) {
		if n.Kind == KindModel || n.Kind == KindTest {
			l.parse(ctx, n)
		}
	}
	l.resolve()
	l.units()
	if err := l.errs.Or(); err != nil {
		return nil, err
	}
	if err := l.order(); err != nil {
		return nil, err
	}
	l.fingerprints()
	return l.g, nil
}

// inputs adds the relations that do not come from files.
func (l *loader) inputs() {
	g := l.g
	g.Nodes[runRelation] = &Node{Name: runRelation, Kind: KindRun, Meta: runMeta()}
	for name, r := range rawRelations(l.p.Raw) {
		g.Nodes[name] = &Node{Name: name, Kind: KindRaw, raw: r, Meta: Meta{Materialized: "view"}}
	}
	for i := range l.p.Given {
		gv := &l.p.Given[i]
		g.Nodes[gv.Name] = &Node{Name: gv.Name, Kind: KindGiven, given: gv, Meta: Meta{Materialized: "table", Description: gv.Description}}
	}
}

func (l *loader) walk(ctx context.Context) error {
	if _, err := fs.Stat(l.p.FS, sqlDir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var sidecars []string
	err := fs.WalkDir(l.p.FS, sqlDir, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		base := d.Name()
		if strings.HasPrefix(base, ".") && file != sqlDir {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if d.IsDir() {
			return nil
		}
		switch {
		case strings.HasSuffix(base, ".test.yml"), strings.HasSuffix(base, ".test.yaml"):
			l.unitFile(file)
		case strings.HasSuffix(base, ".sql"):
			l.sqlFile(file)
		case strings.HasSuffix(base, ".csv"):
			l.seedFile(file)
		case strings.HasSuffix(base, ".yml"), strings.HasSuffix(base, ".yaml"):
			sidecars = append(sidecars, file)
		}
		return nil
	})
	if err != nil {
		return fault.Wrap(err, "read the folder %s", sqlDir)
	}
	for _, file := range sidecars {
		l.sidecarFile(file)
	}
	return nil
}

func (l *loader) read(file string) (string, bool) {
	b, err := fs.ReadFile(l.p.FS, file)
	if err != nil {
		l.errs.Add(&fault.Error{File: file, Msg: "cannot be read", Err: err})
		return "", false
	}
	return string(b), true
}

// place derives the relation of a file from its path: sql/<schema>/.../<name>.ext.
func (l *loader) place(file, ext string) (schema, name string, ok bool) {
	parts := strings.Split(file, "/")
	name = strings.TrimSuffix(parts[len(parts)-1], ext)
	if len(parts) < 3 {
		l.errs.Add(&fault.Error{File: file, Msg: "stands outside a schema's folder", Hint: fmt.Sprintf("Move it to sql/<schema>/%s%s: the folder is the schema.", name, ext)})
		return "", "", false
	}
	schema = parts[1]
	for _, s := range []string{schema, name} {
		if !nameRE.MatchString(s) {
			l.errs.Add(&fault.Error{File: file, Value: s, Msg: "is not a name for SQL", Hint: "Use small letters, digits and _, beginning with a letter, 63 at most: it becomes the relation's name."})
			return "", "", false
		}
	}
	if owner := reservedSchema(schema); owner != "" {
		l.errs.Add(&fault.Error{File: file, Value: schema, Msg: "the schema belongs to " + owner, Hint: "Choose another folder name below sql/."})
		return "", "", false
	}
	if strings.HasSuffix(name, nextSuffix) || strings.HasSuffix(name, prevSuffix) || strings.HasSuffix(name, inSuffix) {
		l.errs.Add(&fault.Error{File: file, Value: name, Msg: "names with this ending are used while building", Hint: "Choose another name."})
		return "", "", false
	}
	return schema, name, true
}

func (l *loader) add(n *Node) {
	nodes := l.g.Nodes
	if old, ok := nodes[n.Name]; ok {
		l.errs.Add(&fault.Error{File: n.File, Value: n.Name, Msg: "the relation is there twice, also from " + orElse(old.File, string(old.Kind)), Hint: "Rename or remove one of the files."})
		return
	}
	nodes[n.Name] = n
}

func (l *loader) sqlFile(file string) {
	text, ok := l.read(file)
	if !ok {
		return
	}
	n := &Node{File: file, text: text, Kind: KindModel}
	if strings.HasPrefix(file, sqlDir+"/tests/") {
		n.Kind = KindTest
		n.Name = strings.TrimSuffix(path.Base(file), ".sql")
		for _, t := range l.g.Tests {
			if t.Name == n.Name {
				l.errs.Add(&fault.Error{File: file, Value: n.Name, Msg: "the test is there twice, also in " + t.File, Hint: "Rename one of the files."})
				return
			}
		}
	} else {
		schema, name, ok := l.place(file, ".sql")
		if !ok {
			return
		}
		if schema == "seeds" {
			l.errs.Add(&fault.Error{File: file, Msg: "sql/seeds holds CSV files", Hint: "Move the SQL to another schema's folder."})
			return
		}
		n.Name = schema + "." + name
	}
	yaml, offset, body, err := splitFrontMatter(file, text)
	if err != nil {
		l.errs.Add(err)
		body = ""
	}
	n.SQL = body
	if err == nil {
		l.meta(n, file, yaml, offset)
	}
	if n.Kind == KindTest {
		l.g.Tests = append(l.g.Tests, n)
		return
	}
	l.add(n)
}

func (l *loader) meta(n *Node, file, yaml string, offset int) {
	node, err := config.Parse(file, []byte(yaml), config.ParseOptions{LineOffset: offset})
	if err != nil {
		l.errs.Add(err)
		return
	}
	if err := node.Decode(&n.Meta); err != nil {
		l.errs.Add(err)
		return
	}
	n.Meta.fromFile = strings.TrimSpace(yaml) != ""
	l.operator(n, node)
}

func (l *loader) operator(n *Node, node config.Node) {
	if n.Meta.Operator == "" {
		return
	}
	op, ok := l.p.Operators[n.Meta.Operator]
	if !ok {
		names := make([]string, 0, len(l.p.Operators))
		for name := range l.p.Operators {
			names = append(names, name)
		}
		l.errs.Add(node.Get("operator").Fault(orElse(fault.DidYouMean(n.Meta.Operator, names), "This binary has no operators."), "unknown operator"))
		return
	}
	n.oper = op
	n.opts = op.Options()
	if n.opts != nil {
		l.errs.Add(n.Meta.Options.Decode(n.opts))
	}
}

// sidecarFile takes front matter from a .yml beside a .sql or .csv file.
func (l *loader) sidecarFile(file string) {
	stem := strings.TrimSuffix(strings.TrimSuffix(file, ".yml"), ".yaml")
	var n *Node
	all := append(slices.Clone(l.g.Tests), l.sorted()...)
	for _, c := range all {
		if c.File == stem+".sql" || c.File == stem+".csv" {
			n = c
		}
	}
	if n == nil {
		l.errs.Add(&fault.Error{File: file, Msg: "belongs to no SQL file", Hint: fmt.Sprintf("It holds the front matter of %s.sql or %s.csv; a unit test ends in .test.yml.", stem, stem)})
		return
	}
	if n.Meta.fromFile {
		l.errs.Add(&fault.Error{File: file, Msg: "front matter is both here and in " + n.File, Hint: "Keep one of the two."})
		return
	}
	text, ok := l.read(file)
	if ok {
		l.meta(n, file, text, 0)
	}
}

func (l *loader) seedFile(file string) {
	if !strings.HasPrefix(file, sqlDir+"/seeds/") {
		l.errs.Add(&fault.Error{File: file, Msg: "CSV files below sql/ are seeds", Hint: "Move it to sql/seeds/, or read it with a file source in extract/."})
		return
	}
	_, name, ok := l.place(file, ".csv")
	if !ok {
		return
	}
	text, ok := l.read(file)
	if !ok {
		return
	}
	l.add(&Node{Name: "seeds." + name, Kind: KindSeed, File: file, seed: []byte(text), Meta: Meta{Materialized: "table", Severity: "error"}})
}

// parse reads a statement and checks everything that needs no other file.
func (l *loader) parse(ctx context.Context, n *Node) {
	if n.SQL == "" && n.text != "" {
		return // its front matter was refused already
	}
	s, err := parseNode(ctx, l.db, n)
	if err != nil {
		l.errs.Add(err)
		return
	}
	l.reads[n] = s
	l.functionCalls(n, s)
	for _, f := range s.lint {
		l.errs.Add(n.at(f.offset, f.msg, f.hint))
	}
	for _, c := range s.calls {
		if pureTableFunction(c.name) {
			continue
		}
		e := n.at(c.offset, fmt.Sprintf("reads the table function %s", c.name), "Only range, generate_series, unnest, repeat and json_each/json_tree may be read in a model.")
		switch {
		case strings.HasPrefix(c.name, "read_") || strings.HasSuffix(c.name, "_scan") || c.name == "glob" || c.name == "parquet_metadata" || c.name == "sniff_csv":
			e.Msg = fmt.Sprintf("reads a file with %s", c.name)
			e.Hint = "Files come in through a source in extract/ (connector: file), or as a small table in sql/seeds/: so they are kept, typed and versioned."
		case c.name == "query" || c.name == "query_table":
			e.Msg = fmt.Sprintf("%s hides which relation is read", c.name)
			e.Hint = "Write the relation's name after FROM."
		}
		l.errs.Add(e)
	}
}

// at makes an error about a byte offset of the file.
func (n *Node) at(off int, msg, hint string) *fault.Error {
	e := &fault.Error{File: n.File, Msg: msg, Hint: hint}
	if off >= 0 {
		e.Line, e.Col = lineCol(n.SQL, off)
	}
	return e
}

// resolve turns the names that statements read into dependencies.
func (l *loader) resolve() {
	var names []string
	for name := range l.g.Nodes {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, n := range append(l.sorted(), l.g.Tests...) {
		seen := map[string]bool{}
		if s := l.reads[n]; s != nil {
			for _, t := range s.tables {
				l.table(n, t, names, seen)
			}
		}
		for _, d := range n.Meta.DependsOn {
			d = strings.ToLower(d)
			if _, ok := l.g.Nodes[d]; !ok {
				l.errs.Add(&fault.Error{File: n.File, Key: "depends_on", Value: d, Msg: "unknown relation", Hint: fault.DidYouMean(d, names)})
				continue
			}
			seen[d] = true
		}
		for _, t := range n.Meta.tests() {
			l.testRefs(n, t, names)
		}
		for d := range seen {
			n.Deps = append(n.Deps, d)
		}
		sort.Strings(n.Deps)
	}
}

func (l *loader) table(n *Node, t tableRef, names []string, seen map[string]bool) {
	name := strings.ToLower(t.schema + "." + t.table)
	switch {
	case t.catalog != "":
		l.errs.Add(n.at(t.offset, fmt.Sprintf("names a database: %s.%s.%s", t.catalog, t.schema, t.table), fmt.Sprintf("Write %s: three-part names break with the next build.", name)))
	case t.schema == "" && fileName.MatchString(t.table):
		l.errs.Add(n.at(t.offset, fmt.Sprintf("reads a file: '%s'", t.table), "Files come in through a source in extract/ (connector: file), or as a small table in sql/seeds/."))
	case t.schema == "":
		var same []string
		for _, c := range names {
			if strings.HasSuffix(c, "."+strings.ToLower(t.table)) {
				same = append(same, c)
			}
		}
		hint := "Write it with its schema: schema.name."
		if len(same) > 0 {
			hint = "Write " + strings.Join(same, " or ") + "."
		}
		l.errs.Add(n.at(t.offset, fmt.Sprintf("unknown table %q", t.table), hint))
	case name == n.Name:
		n.Self = true
		line, col := lineCol(n.SQL, t.offset)
		n.Reads = append(n.Reads, Ref{name, line, col})
		if m := n.Meta.Materialized; m != "incremental" && m != "snapshot" && m != "operator" {
			l.errs.Add(n.at(t.offset, "reads itself", "Only materialized: incremental, snapshot or operator may: they see their last published version."))
		}
	default:
		dep, ok := l.g.Nodes[name]
		if !ok {
			l.errs.Add(n.at(t.offset, fmt.Sprintf("unknown table %q", name), unknownTable(name, names)))
			return
		}
		line, col := lineCol(n.SQL, t.offset)
		n.Reads = append(n.Reads, Ref{name, line, col})
		if dep.Kind == KindRaw && n.Meta.Materialized == "view" && n.Kind == KindModel {
			l.errs.Add(n.at(t.offset, fmt.Sprintf("a view cannot read %s, which is there only while building", name), "Set materialized: table."))
		}
		seen[name] = true
	}
}

func unknownTable(name string, names []string) string {
	if hint := fault.DidYouMean(name, names); hint != "" && strings.HasPrefix(hint, "Did") {
		return hint
	}
	schema, _, _ := strings.Cut(name, ".")
	var same []string
	for _, n := range names {
		if strings.HasPrefix(n, schema+".") {
			same = append(same, n)
		}
	}
	switch {
	case strings.HasPrefix(schema, "raw_") && len(same) > 0 && len(same) <= 24:
		return "No source gives that stream; of this one there are " + strings.Join(same, ", ") + "."
	case len(same) > 0 && len(same) <= 24:
		return "In that schema: " + strings.Join(same, ", ") + "."
	case strings.HasPrefix(schema, "raw_"):
		return "No source of the project or the catalog gives that stream: see `millrace ls`, or add it in extract/."
	}
	return "`millrace ls` lists the relations; a relation is the file sql/<schema>/<name>.sql."
}

// testRefs checks the relation that a relationships test names.
func (l *loader) testRefs(n *Node, t DataTest, names []string) {
	if t.Kind != "relationships" {
		return
	}
	to := strings.ToLower(t.Args.To)
	if _, ok := l.g.Nodes[to]; !ok {
		l.errs.Add(t.node.Fault(unknownTable(to, names), "relationships: unknown relation %q", t.Args.To))
	}
}

// sorted lists relations by name.
func (l *loader) sorted() []*Node {
	out := make([]*Node, 0, len(l.g.Nodes))
	for _, n := range l.g.Nodes {
		out = append(out, n)
	}
	slices.SortFunc(out, func(a, b *Node) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(l.g.Tests, func(a, b *Node) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// order sorts the relations so that each comes after what it reads, ties by name, and explains a cycle with its files.
func (l *loader) order() error {
	const (
		open = 1
		done = 2
	)
	state := map[string]int{}
	var stack, out []string
	var visit func(name string) error
	visit = func(name string) error {
		switch state[name] {
		case done:
			return nil
		case open:
			return l.cycle(append(stack[slices.Index(stack, name):], name))
		}
		state[name] = open
		stack = append(stack, name)
		for _, d := range l.g.Nodes[name].Deps {
			if err := visit(d); err != nil {
				return err
			}
		}
		stack = stack[:len(stack)-1]
		state[name] = done
		out = append(out, name)
		return nil
	}
	for _, n := range l.sorted() {
		if err := visit(n.Name); err != nil {
			return err
		}
	}
	l.g.order = out
	return nil
}

func (l *loader) cycle(path []string) error {
	var files []string
	for _, name := range path[:len(path)-1] {
		files = append(files, l.g.Nodes[name].File)
	}
	n := l.g.Nodes[path[0]]
	e := &fault.Error{File: n.File, Msg: "relations read each other in a circle: " + strings.Join(path, " → ") + " (" + strings.Join(files, ", ") + ")",
		Hint: "Take the shared part out into a relation that both read."}
	for _, r := range n.Reads {
		if r.Name == path[1] {
			e.Line, e.Col = r.Line, r.Col
		}
	}
	return e
}

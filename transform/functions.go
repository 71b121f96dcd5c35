package transform

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"millrace/internal/duck"
	"millrace/internal/fault"
)

// goCall is a place of the syntax tree that calls a scalar function, of SQL or of Go.
type goCall struct {
	name   string
	offset int
}

// functions takes the functions in Go that the project's SQL may call.
func (l *loader) functions() {
	l.g.functions = map[string]duck.Function{}
	for _, f := range l.p.Functions {
		switch _, twice := l.g.functions[f.Name]; {
		case !nameRE.MatchString(f.Name):
			l.errs.Add(&fault.Error{Value: f.Name, Msg: "is not a name for a function", Hint: "Use small letters, digits and _."})
		case twice:
			l.errs.Add(&fault.Error{Value: f.Name, Msg: "the function is there twice", Hint: "This is a defect of the program."})
		default:
			l.g.functions[f.Name] = f
		}
	}
}

// functionCalls notes which functions in Go a statement calls, and refuses them where other processes would have to compute
// them: a view is computed by its readers, which have none (DESIGN section 5).
func (l *loader) functionCalls(n *Node, s *scan) {
	called := map[string]bool{}
	for _, c := range s.functions {
		if _, ok := l.g.functions[c.name]; !ok {
			continue
		}
		if n.Kind == KindModel && n.Meta.Materialized == "view" {
			l.errs.Add(n.at(c.offset, fmt.Sprintf("a view cannot call %s(), a function of Millrace: whoever reads the build has no such function", c.name),
				"Set materialized: table, or take the value from a table that has it."))
		}
		called[c.name] = true
	}
	n.calls = slices.Sorted(maps.Keys(called))
}

// functionVersions are the functions in Go with their versions, for a fingerprint.
func (g *Graph) functionVersions(names []string) []string {
	var out []string
	for _, name := range names {
		out = append(out, name, g.functions[name].Version)
	}
	return out
}

// called lists the functions in Go whose names stand in a text of SQL: of audits, which are not parsed.
func (g *Graph) called(sql string) []string {
	if len(g.functions) == 0 {
		return nil
	}
	found := map[string]bool{}
	for t := range tokens(sql) {
		if name := strings.ToLower(sql[t.from:t.to]); t.kind == 'w' {
			if _, ok := g.functions[name]; ok {
				found[name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// goFunctions lists the functions in Go by name, to be known to every database that computes the graph.
func (g *Graph) goFunctions() []duck.Function {
	var out []duck.Function
	for _, name := range slices.Sorted(maps.Keys(g.functions)) {
		out = append(out, g.functions[name])
	}
	return out
}

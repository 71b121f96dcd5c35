// Package selector picks nodes of a graph with dbt's selection grammar. It is generic: the caller says what the nodes
// are, so that sources, relations, syncs and reports can stand in one graph.
//
//	name              wildcards * and ?; without a dot it matches the last part of a name too
//	+x  x+  2+x+1     with what it is made from, with what is made from it, up to so many steps
//	@x                x, all made from it, and everything that these are made from
//	method:value      tag, path, file, source, sync, report, config.<key>, resource_type, state, result, test, schema
//	a b               union
//	a,b               intersection
package selector

import (
	"path"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"

	"millrace/internal/fault"
)

// Node is one thing that can be selected.
type Node struct {
	Name  string // unique: "core.accounts", "raw_crm.deals"
	Type  string // model, seed, source, test, sync, report: also what `source:x` and the like look at
	Path  string // file in the project
	Tags  []string
	Deps  []string            // names of what it is made from
	Attrs map[string][]string // further methods: "config.materialized": {"view"}, "state": {"modified"}, "result": {"error"}
}

// Select returns the names of the nodes that the expressions pick, sorted. No expression picks all. An expression that
// picks nothing is an error: a typing error must not look like success.
func Select(nodes []Node, include, exclude []string) ([]string, error) {
	s := &set{nodes: map[string]*Node{}, children: map[string][]string{}}
	for i := range nodes {
		s.nodes[nodes[i].Name] = &nodes[i]
		for _, d := range nodes[i].Deps {
			s.children[d] = append(s.children[d], nodes[i].Name)
		}
	}
	picked := map[string]bool{}
	if len(include) == 0 {
		for name := range s.nodes {
			picked[name] = true
		}
	}
	for _, expr := range include {
		got, err := s.union(expr, "--select")
		if err != nil {
			return nil, err
		}
		for name := range got {
			picked[name] = true
		}
	}
	for _, expr := range exclude {
		got, err := s.union(expr, "--exclude")
		if err != nil {
			return nil, err
		}
		for name := range got {
			delete(picked, name)
		}
	}
	out := make([]string, 0, len(picked))
	for name := range picked {
		out = append(out, name)
	}
	sort.Strings(out)
	return out, nil
}

type set struct {
	nodes    map[string]*Node
	children map[string][]string
}

// union takes one argument of the command line: words parted by blanks.
func (s *set) union(expr, flag string) (map[string]bool, error) {
	out := map[string]bool{}
	for _, word := range strings.Fields(expr) {
		got, err := s.intersection(word, flag)
		if err != nil {
			return nil, err
		}
		for name := range got {
			out[name] = true
		}
	}
	return out, nil
}

func (s *set) intersection(word, flag string) (map[string]bool, error) {
	var out map[string]bool
	for _, part := range strings.Split(word, ",") {
		got, err := s.one(part, flag)
		if err != nil {
			return nil, err
		}
		if out == nil {
			out = got
			continue
		}
		for name := range out {
			if !got[name] {
				delete(out, name)
			}
		}
	}
	return out, nil
}

var exprRE = regexp.MustCompile(`^(@)?(?:(\d*)(\+))?(.*?)(?:(\+)(\d*))?$`)

func (s *set) one(expr, flag string) (map[string]bool, error) {
	m := exprRE.FindStringSubmatch(expr)
	if m == nil || m[4] == "" || m[1] != "" && (m[3] != "" || m[5] != "") {
		return nil, &fault.Error{Key: flag, Value: expr, Msg: "is not a selection", Hint: "Write a name, +name, name+, @name, tag:x, path:x or state:modified."}
	}
	base, err := s.match(m[4], flag)
	if err != nil {
		return nil, err
	}
	out := map[string]bool{}
	for name := range base {
		out[name] = true
		switch {
		case m[1] != "":
			down := map[string]bool{name: true}
			s.spread(down, name, -1, s.childrenOf)
			for d := range down {
				out[d] = true
				s.spread(out, d, -1, s.parentsOf)
			}
		default:
			if m[3] != "" {
				s.spread(out, name, steps(m[2]), s.parentsOf)
			}
			if m[5] != "" {
				s.spread(out, name, steps(m[6]), s.childrenOf)
			}
		}
	}
	return out, nil
}

func steps(s string) int {
	if s == "" {
		return -1
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		return -1 // more digits than any graph has steps
	}
	return n
}

func (s *set) parentsOf(name string) []string {
	if n := s.nodes[name]; n != nil {
		return n.Deps
	}
	return nil
}

func (s *set) childrenOf(name string) []string { return s.children[name] }

// spread adds what is within so many steps of name, breadth first; -1 is without limit.
func (s *set) spread(out map[string]bool, name string, limit int, next func(string) []string) {
	seen := map[string]bool{name: true}
	level := []string{name}
	for step := 0; len(level) > 0 && step != limit; step++ {
		var following []string
		for _, l := range level {
			for _, n := range next(l) {
				if s.nodes[n] != nil && !seen[n] {
					seen[n] = true
					out[n] = true
					following = append(following, n)
				}
			}
		}
		level = following
	}
}

// match finds the nodes of one name or method:value.
func (s *set) match(expr, flag string) (map[string]bool, error) {
	out := map[string]bool{}
	method, value, ok := strings.Cut(expr, ":")
	if !ok {
		method, value = "name", expr
		switch {
		case strings.Contains(expr, "/"):
			method = "path"
		case strings.HasSuffix(expr, ".sql"):
			method = "file"
		}
	}
	if !s.known(method) {
		return nil, &fault.Error{Key: flag, Value: method, Msg: "unknown selection method", Hint: fault.DidYouMean(method, s.methods())}
	}
	for name, n := range s.nodes {
		if n.matches(method, value) {
			out[name] = true
		}
	}
	// state: and result: pick nothing when nothing changed or failed; that is an answer.
	if len(out) == 0 && method != "state" && method != "result" {
		e := &fault.Error{Key: flag, Value: expr, Msg: "selects nothing"}
		if method == "name" {
			e.Hint = fault.DidYouMean(value, s.names())
			if e.Hint == "" || strings.HasPrefix(e.Hint, "Valid") {
				e.Hint = "`millrace ls` lists what can be selected."
			}
		}
		return nil, e
	}
	return out, nil
}

func (n *Node) matches(method, value string) bool {
	switch method {
	case "name", "fqn":
		_, last, _ := strings.Cut(n.Name, ".")
		schema, _, _ := strings.Cut(n.Name, ".")
		return wild(value, n.Name) || !strings.Contains(value, ".") && (wild(value, last) || value == schema && last != "")
	case "tag":
		return slices.ContainsFunc(n.Tags, func(t string) bool { return wild(value, t) })
	case "path":
		value = strings.TrimSuffix(strings.TrimPrefix(value, "./"), "/")
		return n.Path == value || strings.HasPrefix(n.Path, value+"/") || wild(value, n.Path)
	case "file":
		base := path.Base(n.Path)
		return wild(value, base) || wild(value, strings.TrimSuffix(base, path.Ext(base)))
	case "schema":
		schema, _, _ := strings.Cut(n.Name, ".")
		return wild(value, schema)
	case "resource_type":
		return wild(value, n.Type)
	case "source", "sync", "report", "test", "model", "seed":
		if n.Type != method {
			return false
		}
		name := n.Name
		if method == "source" {
			name = strings.TrimPrefix(name, "raw_")
		}
		for _, prefix := range []string{method + ":", method + "s/"} {
			name = strings.TrimPrefix(name, prefix)
		}
		first, _, _ := strings.Cut(name, ".")
		return wild(value, name) || wild(value, first)
	}
	return slices.ContainsFunc(n.Attrs[method], func(v string) bool { return wild(value, v) })
}

func (s *set) known(method string) bool { return slices.Contains(s.methods(), method) }

func (s *set) methods() []string {
	out := []string{"name", "fqn", "tag", "path", "file", "schema", "resource_type", "source", "sync", "report", "test", "model", "seed", "state", "result"}
	for _, n := range s.nodes {
		for m := range n.Attrs {
			if !slices.Contains(out, m) {
				out = append(out, m)
			}
		}
	}
	sort.Strings(out)
	return out
}

func (s *set) names() []string {
	out := make([]string, 0, len(s.nodes))
	for name := range s.nodes {
		out = append(out, name)
	}
	return out
}

// wild matches with * and ?, case-insensitively like SQL names.
func wild(pattern, s string) bool {
	pattern, s = strings.ToLower(pattern), strings.ToLower(s)
	if !strings.ContainsAny(pattern, "*?[") {
		return pattern == s
	}
	// path.Match stops * at a slash; names of files are matched part by part as in a shell.
	ok, err := path.Match(strings.ReplaceAll(pattern, "/", "\x01"), strings.ReplaceAll(s, "/", "\x01"))
	return ok && err == nil
}

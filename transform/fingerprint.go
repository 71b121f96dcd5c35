package transform

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"strings"

	"millrace/internal/config"
	"millrace/internal/duck"
	"millrace/transform/relation"
)

// formatVersion changes when a binary builds the same SQL into something else.
const formatVersion = "1"

const runRelation = "meta.run"

// hasher adds parts with their lengths, so that ("ab","c") and ("a","bc") differ.
type hasher struct{ h hash.Hash }

func newHash(parts ...string) *hasher {
	h := &hasher{sha256.New()}
	h.add(parts...)
	return h
}

func (h *hasher) add(parts ...string) {
	for _, p := range parts {
		fmt.Fprintf(h.h, "%d:", len(p))
		h.h.Write([]byte(p))
	}
}

func (h *hasher) sum() string { return hex.EncodeToString(h.h.Sum(nil))[:32] }

// fingerprints sets the part of each node's version that does not depend on other nodes.
func (l *loader) fingerprints() {
	for _, n := range l.g.Nodes {
		n.static = n.hash(l.g)
	}
	for _, t := range l.g.Tests {
		t.static = t.hash(l.g)
	}
}

func (n *Node) hash(g *Graph) string {
	switch n.Kind {
	case KindRaw:
		return n.raw.version()
	case KindRun:
		h := newHash("run")
		for _, v := range runRow(g.Run) {
			h.add(fmt.Sprint(v))
		}
		return h.sum()
	case KindGiven:
		h := newHash("given", n.given.Version)
		for _, c := range n.given.Columns {
			h.add(c.Name, c.Type)
		}
		return h.sum()
	case KindSeed:
		h := newHash("seed", string(n.seed))
		for _, e := range n.Meta.Columns.Entries() {
			h.add(e.Key, e.Value.Type)
		}
		return h.sum()
	}
	m := n.Meta
	h := newHash(string(n.Kind), canonical(n.SQL), m.Materialized, strings.Join(m.UniqueKey, "\x00"), m.UpdatedAt, m.HardDeletes)
	if n.Self {
		for _, e := range m.Columns.Entries() {
			h.add(e.Key, e.Value.Type)
		}
	}
	h.add(g.functionVersions(n.calls)...)
	if n.oper != nil {
		opts, _ := json.Marshal(n.opts) // options come from YAML: they always encode
		h.add(m.Operator, n.oper.Version(), string(opts))
	}
	return h.sum()
}

// version combines a node's own hash with the versions of what it reads.
func (n *Node) version(engine string, upstream func(name string) string) string {
	if n.Kind != KindModel && n.Kind != KindTest {
		return n.static
	}
	h := newHash(formatVersion, engine, n.static)
	for _, d := range n.Deps {
		h.add(d, upstream(d))
	}
	return h.sum()
}

// runMeta describes meta.run.
func runMeta() Meta {
	m := Meta{Materialized: "table", Description: "the facts of the run, one row, so that SQL needs no clock", Severity: "error"}
	for _, c := range runColumns() {
		m.Columns.Set(c.Name, ColumnMeta{Description: c.Description})
	}
	return m
}

func runColumns() []relation.Column {
	return []relation.Column{
		{Name: "project", Type: "VARCHAR", Description: "name of the project"},
		{Name: "target", Type: "VARCHAR", Description: "dev, prod, ..."},
		{Name: "time_zone", Type: "VARCHAR", Description: "the project's zone"},
		{Name: "currency", Type: "VARCHAR", Description: "the project's reporting currency"},
		{Name: "today", Type: "DATE", Description: "the day of the run in the project's zone"},
	}
}

func runRow(r Run) []any {
	zone := r.TimeZone
	name := "UTC"
	now := r.Now.UTC()
	if zone != nil {
		name, now = zone.String(), r.Now.In(zone)
	}
	return []any{r.Project, r.Target, name, r.Currency, now.Format("2006-01-02")}
}

func runQuery(r Run) string {
	var cols []string
	row := runRow(r)
	for i, c := range runColumns() {
		cols = append(cols, fmt.Sprintf("%s::%s as %s", duck.Quote(fmt.Sprint(row[i])), c.Type, duck.Ident(c.Name)))
	}
	return "select " + strings.Join(cols, ", ")
}

// seedQuery reads a seed that was written to path. Declared types are used, the others are found from all rows.
func seedQuery(n *Node, path string) string {
	var types []string
	for _, e := range n.Meta.Columns.Entries() {
		if e.Value.Type != "" {
			types = append(types, fmt.Sprintf("%s: %s", duck.Quote(e.Key), duck.Quote(e.Value.Type)))
		}
	}
	opt := ""
	if len(types) > 0 {
		opt = ", types = {" + strings.Join(types, ", ") + "}"
	}
	return fmt.Sprintf("select * from read_csv(%s, header = true, delim = ',', quote = '\"', escape = '\"', sample_size = -1, null_padding = false, strict_mode = true%s)", duck.Quote(path), opt)
}

// columnMeta finds the description of a column whatever the case of its name.
func (m *Meta) column(name string) (config.Entry[ColumnMeta], bool) {
	for _, e := range m.Columns.Entries() {
		if strings.EqualFold(e.Key, name) {
			return e, true
		}
	}
	return config.Entry[ColumnMeta]{}, false
}

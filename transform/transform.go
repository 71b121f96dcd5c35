// Package transform turns landed rows into published relations. It loads the SQL models of a project, finds what each
// reads by parsing it, builds what changed into a copy of the published warehouse, audits it, and publishes by switching
// one symbolic link.
//
// Invariants: P3 (readers see one whole published build; what fails its audit is never published), P4 (the same inputs
// give the same digest). It must not know sources, destinations or flags: raw streams, logical time and operators come
// in as values.
package transform

import (
	"context"
	"io/fs"
	"iter"
	"log/slog"
	"sort"
	"time"

	"millrace/extract/landing"
	"millrace/internal/duck"
	"millrace/transform/relation"
)

// Kind says what a node of the graph is.
type Kind string

// The kinds of nodes.
const (
	KindModel Kind = "model" // sql/<schema>/<name>.sql
	KindSeed  Kind = "seed"  // sql/seeds/<name>.csv
	KindRaw   Kind = "raw"   // raw_<source>.<stream>, there only while building
	KindRun   Kind = "run"   // meta.run
	KindGiven Kind = "given" // a relation that another stage hands in
	KindTest  Kind = "test"  // sql/tests/<name>.sql
	KindUnit  Kind = "unit_test"
)

// RawStream is one landed stream, or one that the catalog knows and nobody has configured yet: then it has columns and no
// loads and is an empty relation with types.
type RawStream struct {
	Schema      string // raw_<source>
	Name        string // stream
	Source      string // the source's name in the project
	Columns     []landing.Column
	Loads       []landing.Manifest // committed loads in commit order
	Disposition landing.Disposition
	PrimaryKey  []string
	// Alias, when set, is a second schema (raw_<connector>) under which the stream is read too; streams of several
	// sources with the same alias and name are unioned there, with the source's name in column _source.
	Alias string
}

// Run is the one row of meta.run: what SQL may know about the run without a clock (P4).
type Run struct {
	Project  string
	Target   string
	TimeZone *time.Location
	Currency string
	Now      time.Time // logical time
}

// Given is a relation whose rows come from Go: decisions, outcomes of sends. Version changes when the rows may have.
type Given struct {
	Name        string // schema.name
	Description string
	Columns     []relation.Column
	Version     string
	Rows        iter.Seq2[[]any, error]
}

// LoadParams is what a graph is made from.
type LoadParams struct {
	FS        fs.FS // the project's folder; SQL is read from its folder sql
	Raw       []RawStream
	Run       Run
	Given     []Given
	Operators map[string]Operator
	Functions []duck.Function // scalar functions in Go that SQL may call, in tables only
	Log       *slog.Logger
}

// Node is one relation or test of the graph.
type Node struct {
	Name  string // schema.name; for tests the file's name
	Kind  Kind
	File  string // path in the project, empty when it has none
	Meta  Meta
	SQL   string   // the statement, blanks in place of the front matter so that offsets are the file's
	Deps  []string // relations it reads, sorted, without itself
	Reads []Ref    // each place where a relation is named, as written
	Self  bool     // reads its own previous version

	text   string // whole file
	static string // hash of everything but upstream versions
	ast    map[string]any
	raw    *rawRelation
	seed   []byte
	given  *Given
	oper   Operator
	opts   any
	calls  []string // functions in Go, sorted
}

// Ref is one place in a file that names a relation.
type Ref struct {
	Name      string
	Line, Col int
}

// Graph is a loaded project. It is immutable.
type Graph struct {
	Nodes map[string]*Node // relations by schema.name
	Tests []*Node          // singular tests by name
	Units []*UnitTest
	Run   Run
	order []string // relations, dependencies first; ties by name
	log   *slog.Logger
	// engine is DuckDB's version: another one may order, hash or round differently, so it is part of every version.
	engine string
	// functions in Go by name, part of the version of what calls them.
	functions map[string]duck.Function
}

// Order lists the relations, what is read before what reads it. It does not depend on the order of files.
func (g *Graph) Order() []string { return g.order }

// Node returns a relation by name.
func (g *Graph) Node(name string) (*Node, bool) {
	n, ok := g.Nodes[name]
	return n, ok
}

// Relations lists the names of all relations but raw ones, sorted.
func (g *Graph) Relations() []string {
	var out []string
	for name, n := range g.Nodes {
		if n.Kind != KindRaw {
			out = append(out, name)
		}
	}
	sort.Strings(out)
	return out
}

// Event tells a caller what a build is doing, for progress lines.
type Event struct {
	Kind         EventKind
	Node         string
	Materialized string
	Status       Status
	Rows         int64
	Took         time.Duration
	Done, Total  int // relations finished, relations to do
	Message      string
	Test         *TestResult // for EventTest
}

// EventKind is what an Event is about.
type EventKind int

// The kinds of events.
const (
	EventStart EventKind = iota
	EventFinish
	EventTest
	EventPublished
)

// Status is what became of a relation or a test in one build.
type Status string

// The outcomes. Held relations stay at their last published version, skipped ones were never published.
const (
	StatusBuilt     Status = "built"
	StatusUnchanged Status = "unchanged"
	StatusFailed    Status = "failed"  // its SQL, or its audit
	StatusHeld      Status = "held"    // something it reads failed
	StatusSkipped   Status = "skipped" // the same, and it was never published
	StatusPass      Status = "pass"
	StatusWarn      Status = "warn"
	StatusError     Status = "error"
)

// Operator is a node that needs Go: its SQL file's query is the input, Run writes the output relation. One value serves
// all nodes that name it and is used concurrently.
type Operator interface {
	// Version is part of the fingerprint: change it when the same input would give another output.
	Version() string
	// Options returns a pointer to the struct that the front matter's `options` decode into.
	Options() any
	// Output says which columns Run will write, given the input's columns. It must not read rows.
	Output(in []relation.Column, options any) ([]relation.Column, error)
	// Run reads in as often as it likes and writes rows to out. The same input must give the same rows (P4): it must not
	// depend on the order of in's rows unless the query orders them totally, nor on a clock (select today from meta.run).
	Run(ctx context.Context, in OperatorInput, out OperatorOutput) error
}

// OperatorInput is the input relation of an operator.
type OperatorInput struct {
	Columns []relation.Column
	Count   int64
	Options any
	// Rows yields the rows in the query's order, in bounded memory. The slice is reused. Cells are as in duck.Result.
	Rows func(ctx context.Context) iter.Seq2[[]any, error]
}

// OperatorOutput takes rows: one cell per column that Output declared.
type OperatorOutput interface {
	Append(row ...any) error
}

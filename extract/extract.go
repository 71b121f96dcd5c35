// Package extract reads sources and lands their rows as Parquet. It holds the stage's interfaces and its engine;
// each source is a package below it, each is one line in the catalog of cmd/millrace.
//
// Invariants: P1 (a checkpoint becomes visible with its rows), P2 (nothing read is dropped), P8 (no secrets in logs).
// It must not know any one outside system, nor what becomes of the rows.
package extract

import (
	"context"
	"iter"
	"log/slog"

	"millrace/extract/landing"
)

// StreamSpec describes one stream before it is read.
type StreamSpec struct {
	Name        string // slug
	Original    string // the name as the source or the project writes it
	Schema      landing.Schema
	Disposition landing.Disposition
	Contract    Contract
	Optional    bool // finding no input is a warning, not an error
}

// Contract says what happens to what the declared schema does not expect.
type Contract struct {
	Columns string // evolve (default), freeze (the load fails), discard (kept in _extra), quarantine
	Types   string // evolve (widen), freeze (the load fails), discard (NULL, value kept in _extra), quarantine (default when declared)
}

// Batch is a bounded number of decoded rows.
//
// Cells are nil, string, int64, float64, bool, time.Time (UTC), json.Number (exact decimal) or json.RawMessage (nested).
// The batch belongs to the consumer until the iterator is resumed; the source may then reuse it.
type Batch struct {
	Columns []string // the source's own column names, one per cell of every row
	Rows    [][]any
	// Text says that string cells carry no type of their own (CSV, spreadsheets): where a column is not declared, its
	// type is inferred from the text. Without it a string cell of an undeclared column stays text.
	Text   bool
	RowIDs []string // aligned with Rows: stable source position ("file.csv:12"); empty means number them
	Bad    []BadRow // what could not be decoded into a row
	// Checkpoint is valid once every row up to and including this batch is durable. Zero: not a safe point to stop at.
	// A batch without rows may carry one: the source has looked further and found nothing.
	Checkpoint landing.Checkpoint
	Warnings   []string // for the person who runs it: "leads.csv is empty"
	Progress   Progress
}

// Progress says how far a read has come, as far as the source knows; zero fields are unknown.
type Progress struct {
	Item        string // "file 3 of 12: leads.csv"
	Bytes, Size int64  // read so far and in all, of the whole stream
}

// BadRow is input that was read but is not a row.
type BadRow struct {
	RowID  string
	Reason string // for a person: what was expected, what was found
	Raw    []byte // the bytes as read, possibly truncated to a stated limit
}

// Stream yields batches in a repeatable order. An error ends it; clean-up lives in the iterator, so stopping early leaks nothing.
type Stream = iter.Seq2[*Batch, error]

// Source is one configured outside system.
type Source interface {
	// Streams lists what can be read. It must not read rows.
	Streams(ctx context.Context) ([]StreamSpec, error)
	// Read yields the rows after from. It may repeat rows, it never skips any (P1).
	Read(ctx context.Context, stream string, from landing.Checkpoint) Stream
	Close() error
}

// Acker is an optional ability of queues: told only after the load that holds the rows is committed.
type Acker interface {
	Ack(ctx context.Context, stream string, at landing.Checkpoint) error
}

// Comparer is an optional ability of sources that can tell cheaply whether a complete read would bring the same rows
// as the read that ended at last. A replace stream with nothing changed is then not landed again.
type Comparer interface {
	Unchanged(ctx context.Context, stream string, last landing.Checkpoint) (bool, error)
}

// Sealer is an optional ability of sources whose checkpoint at the end of a complete read identifies the rows that were
// read: when two complete reads of such a stream end at equal checkpoints, the second brought nothing new and is not landed.
type Sealer interface {
	Sealed(stream string) bool
}

// Checker is an optional ability for doctor: each finding names what was tried and what to do.
type Checker interface {
	Check(ctx context.Context) []Finding
}

// Finding is one result of a readiness check.
type Finding struct {
	Name string // "folder readable"
	OK   bool
	Info string // what was seen
	Hint string // what to do when not OK
}

// Connector is one entry of the catalog: how a kind of source is configured and opened.
type Connector struct {
	Name    string // as written after `connector:`
	Summary string
	// Options returns a pointer to the struct that `config:` decodes into, StreamOptions one for a stream's own keys
	// beside the common ones. Struct tags: yaml, doc, enum, default, required.
	Options       func() any
	StreamOptions func() any
	// Streams lists what the connector knows to read before it is opened, typed; nil where only the project knows.
	Streams func() ([]StreamSpec, error)
	Open    func(ctx context.Context, p OpenParams) (Source, error)
}

// OpenParams is what a connector is opened with.
type OpenParams struct {
	Name    string // the source's name in the project
	Dir     string // the project's folder: relative paths start here
	Options any    // what Connector.Options returned, filled
	Streams []StreamParams
	Log     *slog.Logger
}

// StreamParams is one configured stream.
type StreamParams struct {
	Spec    StreamSpec
	Options any // what Connector.StreamOptions returned, filled
}

// Lander makes rows durable. One writer per stream at a time; the lander holds a lock that says so.
type Lander interface {
	// Last is the checkpoint and schema of the last committed load; zero values if there is none.
	Last(ctx context.Context, source, stream string) (landing.Manifest, bool, error)
	// Begin starts a load. Abort or Commit must follow.
	Begin(ctx context.Context, p BeginParams) (Writer, error)
}

// Compacter is an optional ability of landers: to tidy up a stream after it has landed. It returns how many loads it merged.
type Compacter interface {
	Compact(ctx context.Context, source, stream, runID string) (int, error)
}

// BeginParams identifies a load that is about to be written.
type BeginParams struct {
	Source string
	Spec   StreamSpec
	RunID  string
	Before landing.Checkpoint
	Starts bool // see landing.Manifest.Starts
	Fresh  bool // forget the types of earlier loads (full refresh): with Starts only
}

// Writer writes one load. It is used by one goroutine.
type Writer interface {
	// Write takes rows; they are not durable before Commit. The batch may be reused after it returns.
	Write(ctx context.Context, b *Batch) error
	// Commit makes rows and checkpoint visible in one rename (P1). complete closes a replace read.
	Commit(ctx context.Context, after landing.Checkpoint, complete bool) (landing.Manifest, error)
	// Abort removes what was written. It does nothing after Commit, so it can be deferred.
	Abort() error
}

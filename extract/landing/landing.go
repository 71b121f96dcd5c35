// Package landing is the hand-off between extract and everything after it: plain values that describe rows
// which have landed as Parquet, and how to find them. It imports the standard library only.
//
// On disk a committed load is a folder
//
//	<raw>/<source>/<stream>/<load-id>/part-*.parquet
//	<raw>/<source>/<stream>/<load-id>/quarantine-*.parquet   (rows that did not fit, with their reason)
//	<raw>/<source>/<stream>/<load-id>/manifest.json
//
// A folder without manifest.json is not a load: the manifest is written last, by rename, and is the commit (P1).
// This package must not write files or open Parquet: it only knows the shape.
package landing

import (
	"encoding/json"
	"time"
)

// FormatVersion is the version of manifest.json that this binary writes. Older versions are migrated when read.
const FormatVersion = 1

// ManifestName is the file whose presence makes a load folder a committed load.
const ManifestName = "manifest.json"

// Operational columns, present on every landed row. They are left out of digests.
const (
	ColLoadID      = "_load_id"      // VARCHAR, the load that brought the row
	ColExtractedAt = "_extracted_at" // TIMESTAMP in UTC, when the row was read
	ColRowID       = "_row_id"       // VARCHAR, position within the source, unique within the stream's load, stable when re-read
	ColExtra       = "_extra"        // JSON object with fields the schema does not declare, NULL when there are none
)

// Type is a DuckDB type name as landings use them. Instants are TIMESTAMP in UTC; money is DECIMAL(18,4).
type Type string

// The types of the landing lattice. Anything else that a stream declares must be a DECIMAL(p,s).
const (
	Varchar   Type = "VARCHAR"
	BigInt    Type = "BIGINT"
	Double    Type = "DOUBLE"
	Boolean   Type = "BOOLEAN"
	Date      Type = "DATE"
	Timestamp Type = "TIMESTAMP"
	JSON      Type = "JSON"
)

// Column describes one landed column.
type Column struct {
	Name        string `json:"name"`               // as landed: [a-z_][a-z0-9_]*
	Original    string `json:"original,omitempty"` // the source's own name where it differs
	Type        Type   `json:"type"`
	Declared    bool   `json:"declared,omitempty"` // typed by the source file, not inferred
	Required    bool   `json:"required,omitempty"` // a NULL sends the row to quarantine
	Empty       bool   `json:"empty,omitempty"`    // no value was ever seen and none declared: Type is a placeholder that any first value replaces
	PII         string `json:"pii,omitempty"`      // personal-data tag: email, phone, name, address, id, ip, free_text
	Description string `json:"description,omitempty"`
}

// Schema is the shape of a stream at one load.
type Schema struct {
	Columns    []Column `json:"columns"` // without the operational columns
	PrimaryKey []string `json:"primary_key,omitempty"`
}

// Checkpoint is a source's position. It is opaque to the engine: only the source that wrote it reads State.
type Checkpoint struct {
	Version int             `json:"version"`
	State   json.RawMessage `json:"state,omitempty"`
}

// IsZero reports whether the checkpoint is "from the beginning".
func (c Checkpoint) IsZero() bool { return c.Version == 0 && len(c.State) == 0 }

// Disposition says how a stream's loads add up to its relation.
type Disposition string

// The dispositions: every row ever landed; the latest row per primary key; the rows of the latest complete read.
//
// The latest row is the last by (_load_id, load, file, row in the file). Rows that were replayed or compacted keep the
// _load_id under which they were first read, so an old row that is landed late does not win.
const (
	Append  Disposition = "append"
	Merge   Disposition = "merge"
	Replace Disposition = "replace"
)

// File is one Parquet file of a load.
type File struct {
	Name   string `json:"name"` // relative to the load's folder
	Rows   int64  `json:"rows"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
	// Columns are the columns that the file holds with other types than the load's schema, or lacks (empty type): it was
	// written before a later row widened or added them. Readers cast; see Groups.
	Columns map[string]Type `json:"columns,omitempty"`
}

// SchemaChange records one way in which a load's schema differs from the load before it.
type SchemaChange struct {
	Column string `json:"column"`
	Kind   string `json:"kind"` // added, widened, missing
	From   Type   `json:"from,omitempty"`
	To     Type   `json:"to,omitempty"`
}

// Manifest describes one committed load of one stream.
type Manifest struct {
	FormatVersion int            `json:"version"`
	Source        string         `json:"source"`
	Stream        string         `json:"stream"`                    // slug: [a-z][a-z0-9_]{0,62}
	Original      string         `json:"original_stream,omitempty"` // the stream's own name where it differs
	LoadID        string         `json:"load_id"`                   // sorts in commit order within the stream
	RunID         string         `json:"run_id"`
	Disposition   Disposition    `json:"write_disposition"`
	Schema        Schema         `json:"schema"`
	Changes       []SchemaChange `json:"schema_changes,omitempty"`
	Files         []File         `json:"files"`
	Quarantine    []File         `json:"quarantine,omitempty"`
	Rows          int64          `json:"rows"`
	Quarantined   int64          `json:"quarantined"`
	// Starts is true when the load begins a complete read of a replace stream, or a full refresh of any other: once the
	// read is complete, rows of earlier loads no longer count. A complete read may roll over several loads; only the
	// first has Starts, only the last has Complete. See Current.
	Starts   bool `json:"starts,omitempty"`
	Complete bool `json:"complete,omitempty"`
	// Replaces lists loads whose rows this one holds instead (compaction): from its commit on they do not count.
	Replaces []string `json:"replaces,omitempty"`
	// Replayed lists loads whose quarantined rows this one took over: each of them is landed here, or quarantined here again.
	Replayed []string   `json:"replayed,omitempty"`
	Before   Checkpoint `json:"checkpoint_before"`
	After    Checkpoint `json:"checkpoint_after"`
	// StartedAt and LandedAt are instants in UTC.
	StartedAt time.Time `json:"started_at"`
	LandedAt  time.Time `json:"landed_at"`

	// Dir is the load's folder; set when the manifest is read, never stored.
	Dir string `json:"-"`
}

// Package relation is the hand-off between transform and the stages after it: plain values that describe what a
// published build holds. It imports the standard library only.
package relation

import "time"

// Column is one column of a relation.
type Column struct {
	Name        string   `json:"name"`
	Type        string   `json:"type"` // DuckDB type
	Description string   `json:"description,omitempty"`
	PII         string   `json:"pii,omitempty"`
	Tags        []string `json:"tags,omitempty"`
}

// Relation is a table or view of a published build.
type Relation struct {
	Name         string    `json:"name"` // schema.name
	Materialized string    `json:"materialized"`
	Description  string    `json:"description,omitempty"`
	Owner        string    `json:"owner,omitempty"`
	Tags         []string  `json:"tags,omitempty"`
	Columns      []Column  `json:"columns"`
	Key          []string  `json:"key,omitempty"` // unique key, if one is declared
	Rows         int64     `json:"rows"`
	Version      string    `json:"version"`         // changes when the content may have changed
	BuiltAt      time.Time `json:"built_at"`        // UTC
	BuildID      string    `json:"build_id"`        // the build that last rebuilt it
	Stale        bool      `json:"stale,omitempty"` // stayed at an earlier version: its audit or an ancestor failed
	StaleWhy     string    `json:"stale_why,omitempty"`
}

// Build is one published warehouse file.
type Build struct {
	ID          string              `json:"id"`
	Path        string              `json:"path"` // the real file, not the link
	PublishedAt time.Time           `json:"published_at"`
	Relations   map[string]Relation `json:"relations"` // by schema.name
}

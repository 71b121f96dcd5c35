package duck

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// SyntaxError is what json_serialize_sql or json_serialize_plan says about a text that it cannot take.
type SyntaxError struct {
	Kind       string // parser, binder, catalog, not implemented, ...
	Subtype    string // SYNTAX_ERROR, COLUMN_NOT_FOUND, MISSING_ENTRY, ...
	Msg        string
	Name       string   // the name that was not found, if that is the trouble
	Candidates []string // DuckDB's suggestions
	Offset     int      // byte offset in the text, -1 when there is none
}

func (e *SyntaxError) Error() string { return e.Msg }

type serialized struct {
	Error      bool   `json:"error"`
	Kind       string `json:"error_type"`
	Msg        string `json:"error_message"`
	Subtype    string `json:"error_subtype"`
	Position   string `json:"position"`
	Name       string `json:"name"`
	Candidates string `json:"candidates"`
	Statements []struct {
		Node map[string]any `json:"node"`
	} `json:"statements"`
	Plans []map[string]any `json:"plans"`
}

// Parse returns the syntax tree of each statement in text, as DuckDB's own parser sees it. A text that is not made
// of SELECT statements is a *SyntaxError.
func (db *DB) Parse(ctx context.Context, text string) ([]map[string]any, error) {
	s, err := db.serialize(ctx, "json_serialize_sql", text)
	if err != nil {
		return nil, err
	}
	out := make([]map[string]any, len(s.Statements))
	for i := range s.Statements {
		out[i] = s.Statements[i].Node
	}
	return out, nil
}

// Plan binds text against this database and returns the bound, unoptimised plan. What cannot be bound is a *SyntaxError.
func (db *DB) Plan(ctx context.Context, text string) (map[string]any, error) {
	s, err := db.serialize(ctx, "json_serialize_plan", text)
	if err != nil {
		return nil, err
	}
	if len(s.Plans) != 1 {
		return nil, fmt.Errorf("plan holds %d statements, expected one", len(s.Plans))
	}
	return s.Plans[0], nil
}

func (db *DB) serialize(ctx context.Context, fn, text string) (*serialized, error) {
	var doc string
	// Without the casts the driver binds the text as JSON, and cannot scan JSON into a string.
	if err := db.DB.QueryRowContext(ctx, "select "+fn+"(?::varchar)::varchar", text).Scan(&doc); err != nil {
		// Some texts make the function itself fail; its message has the same parts.
		var e *Error
		if errors.As(Clean(err), &e) {
			return nil, &SyntaxError{Kind: e.Kind, Msg: e.Msg, Offset: -1}
		}
		return nil, err
	}
	s := new(serialized)
	if err := json.Unmarshal([]byte(doc), s); err != nil {
		return nil, fmt.Errorf("read what %s returned: %w", fn, err)
	}
	if s.Error {
		e := &SyntaxError{Kind: s.Kind, Subtype: s.Subtype, Msg: s.Msg, Name: s.Name, Offset: -1}
		if n, err := strconv.Atoi(s.Position); err == nil {
			e.Offset = n
			if s.Subtype == "SYNTAX_ERROR" { // the parser counts characters, the binder bytes
				e.Offset = byteOffset(text, n)
			}
		}
		if s.Candidates != "" {
			e.Candidates = []string{s.Candidates}
		}
		return nil, e
	}
	return s, nil
}

// byteOffset is where the n-th character of text begins.
func byteOffset(text string, n int) int {
	for i := range text {
		if n == 0 {
			return i
		}
		n--
	}
	return len(text)
}

package duck

import (
	"context"
	"errors"
	"regexp"
	"strconv"
	"strings"

	duckdb "github.com/duckdb/duckdb-go/v2"
)

// Error is what DuckDB said, without the parts that help nobody: no process numbers, no links, no stack.
type Error struct {
	Kind string // "Parser", "Binder", "Catalog", "Conversion", "Out of Memory", "IO", ...
	Msg  string
	// Line and Col point into the statement that was run, 1-based; zero when DuckDB named no place. Col counts
	// characters, and is zero when DuckDB cut the line.
	Line, Col int
	Hint      string // what to do next, where it is known
	Err       error  // what the driver returned
	write     bool   // the database could not write
}

func (e *Error) Error() string {
	s := e.Msg
	if e.Kind != "" {
		s = e.Kind + " error: " + e.Msg
	}
	if e.Hint != "" {
		s = strings.TrimRight(s, ".") + ". " + e.Hint
	}
	return s
}

// Unwrap returns the driver's error.
func (e *Error) Unwrap() error { return e.Err }

// Fatal reports whether the database cannot go on after err: the disk is full or fails, or DuckDB gave the file up. What
// only one query met, such as a file that cannot be read or too little memory, is not fatal.
func Fatal(err error) bool {
	var e *Error
	if !errors.As(err, &e) {
		return false
	}
	return e.Kind == "FATAL" || e.write || strings.Contains(e.Msg, "has been invalidated")
}

var (
	kindRE  = regexp.MustCompile(`^([A-Za-z][A-Za-z -]*?) Error: `)
	lineRE  = regexp.MustCompile(`\n+LINE (\d+): (.*)\n( *)\^\s*$`)
	pidRE   = regexp.MustCompile(`(?s)Conflicting lock is held in .*`)
	seeRE   = regexp.MustCompile(`(?s)\s*See also https?://\S+`)
	stackRE = regexp.MustCompile(`(?s)\s*(Stack Trace:|This error signals an assertion failure).*`)
)

// Clean turns a driver error into an *Error. Other errors, and nil, pass through.
func Clean(err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	var have *Error
	if errors.As(err, &have) {
		return err
	}
	msg := err.Error()
	var d *duckdb.Error
	if errors.As(err, &d) {
		msg = d.Msg
	} else if !kindRE.MatchString(msg) {
		return err
	}
	if strings.HasPrefix(msg, "INTERRUPT Error") {
		return errors.Join(context.Canceled, &Error{Kind: "INTERRUPT", Msg: "the query was stopped", Err: err})
	}
	return parse(msg, err)
}

func parse(msg string, cause error) *Error {
	e := &Error{Err: cause}
	if m := kindRE.FindStringSubmatch(msg); m != nil {
		e.Kind = m[1]
		msg = msg[len(m[0]):]
	}
	msg = stackRE.ReplaceAllString(msg, "")
	msg = seeRE.ReplaceAllString(msg, "")
	if m := lineRE.FindStringSubmatchIndex(msg); m != nil {
		e.Line, _ = strconv.Atoi(msg[m[2]:m[3]])
		shown := msg[m[4]:m[5]]
		if !strings.HasPrefix(shown, "...") {
			e.Col = (m[7] - m[6]) - len("LINE : ") - len(strconv.Itoa(e.Line)) + 1
			e.Col = max(e.Col, 0)
		}
		msg = msg[:m[0]]
	}
	low := strings.ToLower(msg)
	switch {
	case pidRE.MatchString(msg):
		msg = strings.TrimSpace(pidRE.ReplaceAllString(msg, "another process has it open"))
		e.Hint = "Wait until it has finished, or close the program that has the file open."
	case strings.Contains(low, "no space left") || strings.Contains(low, "disk full"):
		e.Kind = "IO"
		e.write = true
		e.Hint = "The disk is full: free some space and run again; nothing was published."
	case strings.Contains(low, "out of memory") || e.Kind == "Out of Memory":
		e.Kind = "Out of Memory"
		if i := strings.Index(msg, "\n"); i > 0 {
			msg = msg[:i]
		}
		e.Hint = "Raise limits.memory in millrace.yml, lower limits.threads, or make the query smaller."
	case strings.Contains(low, "could not write") || strings.Contains(low, "failed to write"):
		e.Kind = "IO"
		e.write = true
		e.Hint = "Check the free space and the permissions of the folder."
	}
	e.Msg = strings.TrimSpace(msg)
	return e
}

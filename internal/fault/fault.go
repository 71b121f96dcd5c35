// Package fault holds the one error type that people read: what was tried, where, with which value, and what to do
// next. It decides the exit code. It must not print and must not log.
package fault

import (
	"errors"
	"fmt"
	"sort"
	"strings"

	"github.com/agnivade/levenshtein"
)

// Exit codes of every command (DESIGN section 3).
const (
	ExitOK      = 0 // done, warnings allowed
	ExitHandled = 1 // finished, with failures that were handled and named
	ExitUsage   = 2 // usage, configuration, or unhandled
	ExitLocked  = 3 // another run holds the target's lock
	ExitDiffer  = 4 // differences or pending approvals found, and asked to fail on them
)

// Error is a failure as a person reads it. Zero fields are left out.
type Error struct {
	File  string // path relative to the project
	Line  int    // 1-based
	Col   int    // 1-based
	Key   string // dotted path of the key: "streams.accounts.columns.id.type"
	Value string // the offending value, shortened; never a secret
	Msg   string // what is wrong
	Hint  string // what to do next, an imperative sentence
	Exit  int    // 0 means ExitUsage
	Err   error  // cause
}

// Error renders "file:line:col: key: msg (value): cause. Hint".
func (e *Error) Error() string {
	var b strings.Builder
	if e.File != "" {
		b.WriteString(e.File)
		if e.Line > 0 {
			fmt.Fprintf(&b, ":%d", e.Line)
			if e.Col > 0 {
				fmt.Fprintf(&b, ":%d", e.Col)
			}
		}
		b.WriteString(": ")
	}
	if e.Key != "" {
		b.WriteString(e.Key + ": ")
	}
	b.WriteString(e.Msg)
	if e.Value != "" {
		fmt.Fprintf(&b, ": %q", Shorten(e.Value, 80))
	}
	if e.Err != nil {
		if b.Len() > 0 && e.Msg != "" {
			b.WriteString(": ")
		}
		b.WriteString(e.Err.Error())
	}
	if e.Hint != "" {
		s := b.String()
		if !strings.HasSuffix(s, ".") && !strings.HasSuffix(s, "?") {
			b.WriteString(".")
		}
		b.WriteString(" " + e.Hint)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Wrap says what was being tried. It returns nil for a nil error and keeps the exit code of the cause.
func Wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), err)
}

// Hint adds what to do next to an error that has none.
func Hint(err error, hint string) error {
	if err == nil {
		return nil
	}
	return &Error{Err: err, Hint: hint, Exit: ExitCode(err)}
}

// Handled marks an error as a failure that the command finished in spite of: exit code 1.
func Handled(err error) error {
	if err == nil {
		return nil
	}
	return &Error{Err: err, Exit: ExitHandled}
}

// ExitCode maps any error to the command's exit code.
func ExitCode(err error) int {
	if err == nil {
		return ExitOK
	}
	var e *Error
	if errors.As(err, &e) && e.Exit != 0 {
		return e.Exit
	}
	return ExitUsage
}

// List is several errors reported together, in the order found. Use Or to turn it into an error.
type List []error

// Add appends err unless it is nil; a List inside is flattened.
func (l *List) Add(err error) {
	if err == nil {
		return
	}
	var inner List
	if errors.As(err, &inner) {
		*l = append(*l, inner...)
		return
	}
	*l = append(*l, err)
}

// Or returns nil for an empty list, the error itself for one, the list for more.
func (l List) Or() error {
	switch len(l) {
	case 0:
		return nil
	case 1:
		return l[0]
	}
	return l
}

func (l List) Error() string {
	parts := make([]string, len(l))
	for i, e := range l {
		parts[i] = e.Error()
	}
	return strings.Join(parts, "\n")
}

// Unwrap makes errors.Is and errors.As look into every member.
func (l List) Unwrap() []error { return l }

// Nearest returns the candidate closest to word, or "" when none is close enough to be what was meant.
func Nearest(word string, candidates []string) string {
	best, dist := "", 1<<30
	sorted := append([]string(nil), candidates...)
	sort.Strings(sorted)
	for _, c := range sorted {
		if d := levenshtein.ComputeDistance(strings.ToLower(word), strings.ToLower(c)); d < dist {
			best, dist = c, d
		}
	}
	if best == "" || dist > max(1, min(len(word), len(best))/2) {
		return ""
	}
	return best
}

// DidYouMean is the hint for an unknown name: the nearest valid one, or all of them when there are few.
func DidYouMean(word string, candidates []string) string {
	if n := Nearest(word, candidates); n != "" {
		return fmt.Sprintf("Did you mean %q?", n)
	}
	if len(candidates) > 0 && len(candidates) <= 24 {
		sorted := append([]string(nil), candidates...)
		sort.Strings(sorted)
		return "Valid: " + strings.Join(sorted, ", ") + "."
	}
	return ""
}

// Shorten cuts s to n runes, with an ellipsis that shows the cut.
func Shorten(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n]) + fmt.Sprintf("… (%d characters)", len(r))
}

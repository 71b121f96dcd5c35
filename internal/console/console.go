// Package console writes what a person or a program reads on a terminal: one line a step, tables, one JSON result.
// Results go to standard output, everything else to standard error. It must not decide what is said.
package console

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/term"
)

// Console is safe for concurrent use.
type Console struct {
	Out   io.Writer // results
	Err   io.Writer // progress and messages
	JSON  bool      // one JSON result on Out; steps go to Err
	Quiet bool      // no steps, only results and errors
	Color bool
	TTY   bool // Err is a terminal: transient progress may be drawn

	mu        sync.Mutex
	transient bool // a progress line stands on the terminal
}

// New decides colour and progress from the streams and NO_COLOR / TERM=dumb.
func New(out, err io.Writer, getenv func(string) string) *Console {
	c := &Console{Out: out, Err: err}
	c.TTY = isTerminal(err) && getenv("TERM") != "dumb" && getenv("CI") == ""
	c.Color = isTerminal(out) && c.TTY && getenv("NO_COLOR") == ""
	return c
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Status words of a step.
const (
	OK    = "OK"
	Warn  = "WARN"
	Fail  = "FAIL"
	Skip  = "SKIP"
	Stale = "STALE"
	Start = "…"
)

// Step writes one finished step: "extract  OK    crm.accounts  85 rows  [0.12s]". A zero duration is left out.
func (c *Console) Step(stage, status, name, detail string, took time.Duration) {
	if c.Quiet && status != Fail {
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%-8s %s  %s", stage, c.paint(status, fmt.Sprintf("%-5s", status)), pad(name, 34))
	if detail != "" {
		b.WriteString("  " + detail)
	}
	if took > 0 {
		fmt.Fprintf(&b, "  [%s]", Duration(took))
	}
	c.line(strings.TrimRight(b.String(), " "))
}

// Say writes a line for a person; not in quiet mode.
func (c *Console) Say(format string, args ...any) {
	if c.Quiet {
		return
	}
	c.line(fmt.Sprintf(format, args...))
}

// line goes to standard output, or to standard error when standard output carries JSON.
func (c *Console) line(s string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clear()
	w := c.Out
	if c.JSON {
		w = c.Err
	}
	fmt.Fprintln(w, s)
}

// Progress draws a transient line on a terminal; nothing elsewhere.
func (c *Console) Progress(format string, args ...any) {
	if !c.TTY || c.Quiet {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clear()
	fmt.Fprintf(c.Err, format, args...)
	c.transient = true
}

// Done removes the transient line.
func (c *Console) Done() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clear()
}

func (c *Console) clear() {
	if c.transient {
		fmt.Fprint(c.Err, "\r\x1b[2K")
		c.transient = false
	}
}

// Result writes v as one JSON document on standard output.
func (c *Console) Result(v any) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clear()
	e := json.NewEncoder(c.Out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// Error writes what went wrong to standard error, each member of a list on a line of its own.
func (c *Console) Error(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clear()
	fmt.Fprintln(c.Err, c.paint(Fail, "error:")+" "+err.Error())
}

// Table writes rows under headers, columns aligned; numbers are the caller's to align by padding.
func (c *Console) Table(headers []string, rows [][]string, rightAligned ...int) {
	right := map[int]bool{}
	for _, i := range rightAligned {
		right[i] = true
	}
	width := make([]int, len(headers))
	for i, h := range headers {
		width[i] = utf8.RuneCountInString(h)
	}
	for _, r := range rows {
		for i, cell := range r {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clear()
	write := func(cells []string, paint bool) {
		var b strings.Builder
		for i, cell := range cells {
			if i > 0 {
				b.WriteString("  ")
			}
			fill := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
			if right[i] {
				b.WriteString(fill + cell)
			} else {
				b.WriteString(cell + fill)
			}
		}
		s := strings.TrimRight(b.String(), " ")
		if paint {
			s = c.paint("bold", s)
		}
		fmt.Fprintln(c.Out, s)
	}
	write(headers, true)
	for _, r := range rows {
		write(r, false)
	}
}

func (c *Console) paint(status, s string) string {
	if !c.Color {
		return s
	}
	code := map[string]string{OK: "32", Warn: "33", Fail: "31;1", Skip: "2", Stale: "33", "bold": "1"}[status]
	if code == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func pad(s string, n int) string {
	if w := utf8.RuneCountInString(s); w < n {
		return s + strings.Repeat(" ", n-w)
	}
	return s
}

// Duration renders a duration as people read it: 0.12s, 3.4s, 2m05s.
func Duration(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.2fs", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1fs", d.Seconds())
	}
	return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
}

// Count renders an integer with thousands separators and its noun: Count(1234, "row") is "1,234 rows".
func Count(n int64, noun string) string {
	s := Thousands(n) + " " + noun
	if n != 1 {
		if strings.HasSuffix(noun, "y") {
			s = strings.TrimSuffix(s, "y") + "ies"
		} else {
			s += "s"
		}
	}
	return s
}

// Thousands renders an integer with separators: 1,234,567.
func Thousands(n int64) string {
	s := fmt.Sprint(n)
	sign := ""
	if n < 0 {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

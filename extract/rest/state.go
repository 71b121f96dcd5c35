package rest

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"millrace/extract/landing"
	"millrace/internal/fault"
)

const stateVersion = 1

// state is what a checkpoint holds. Everything before Cursor has landed; what Open describes has landed up to its page.
type state struct {
	Cursor string `json:"cursor,omitempty"`
	FullAt string `json:"full_at,omitempty"` // start of the last read from the beginning
	Open   *open  `json:"open,omitempty"`
	// Days are digests of the rows of the days that the next look-back reads again.
	Days map[string]string `json:"days,omitempty"`
	// Parts are the states of the partitions (or parents) of a child stream with a cursor of its own.
	Parts map[string]*state `json:"parts,omitempty"`
	// Backfill is a date range that is read beside the cursor: when it is done the state is as it was before.
	Backfill *span `json:"backfill,omitempty"`
	// Digest stands at the end of a complete read: equal digests mean equal rows under an equal declaration.
	Digest string `json:"digest,omitempty"`
}

// open is a window that has been read in part.
type open struct {
	Start string `json:"start"`
	End   string `json:"end"`
	Page  string `json:"page,omitempty"`  // resumable cursor of the next page
	Split string `json:"split,omitempty"` // last key, for split_on_limit
	Full  bool   `json:"full,omitempty"`  // the window is read by the initial call
	Last  bool   `json:"last,omitempty"`  // its end was the present when it was opened: rows may have come late since
}

type span struct {
	From string `json:"from"`
	To   string `json:"to"`
}

func decodeState(c landing.Checkpoint) (*state, error) {
	s := &state{}
	if c.IsZero() {
		return s, nil
	}
	if c.Version > stateVersion {
		return nil, &fault.Error{Msg: fmt.Sprintf("the stored position has version %d, this program knows %d", c.Version, stateVersion), Hint: "Use the newer program, or reset the stream's state."}
	}
	if err := json.Unmarshal(c.State, s); err != nil {
		return nil, &fault.Error{Msg: "the stored position cannot be read", Err: err, Hint: "Reset the stream's state: it is then read from the beginning."}
	}
	return s, nil
}

func (s *state) checkpoint() (landing.Checkpoint, error) {
	b, err := json.Marshal(s)
	if err != nil {
		return landing.Checkpoint{}, fmt.Errorf("write position: %w", err)
	}
	return landing.Checkpoint{Version: stateVersion, State: b}, nil
}

// window is one stretch of an incremental read: timestamps are half-open [start, end), dates hold both ends.
type window struct {
	start, end time.Time
	full       bool // read by the initial call, which does not filter
	last       bool // nothing is left to read after it
	late       bool // its end was the present of an earlier run
	resume     *open
}

// windows lists what is left to read, oldest first. It is recomputed from state, so that a resumed read goes on where the
// last one stopped.
func (r *resource) next(s *state, o readOptions) (*window, error) {
	inc := r.cursorDef()
	limit, err := r.endOf(inc, o)
	if err != nil {
		return nil, err
	}
	if s.Open != nil {
		start, err1 := parseInstant(s.Open.Start)
		end, err2 := parseInstant(s.Open.End)
		if err1 == nil && err2 == nil {
			return &window{start: start, end: end, full: s.Open.Full, last: !end.Before(limit), late: s.Open.Last, resume: s.Open}, nil
		}
	}
	initial := inc.InitialValue
	if o.initial != "" {
		initial = o.initial
	}
	begin, err := initialInstant(initial, limit)
	if err != nil {
		return nil, &fault.Error{Key: "initial_value", Value: initial, Msg: "is not a date or a time", Hint: "Write 2024-01-31, 2024-01-31T00:00:00Z, or -90d for ninety days back."}
	}
	w := &window{start: begin, full: true}
	if s.Cursor != "" && (o.continued || !due(inc.FullEvery, s.FullAt, o.now)) {
		cur, err := parseInstant(s.Cursor)
		if err != nil {
			return nil, &fault.Error{Value: s.Cursor, Msg: "the stored position is not a time", Hint: "Reset the stream's state: it is then read from the beginning."}
		}
		w.full = false
		// Within a run the next window begins where the last one ended; only the first looks back.
		w.start = cur
		if !o.continued {
			w.start = cur.Add(-o.lag(inc))
			if r.looksBack(o) {
				w.start = w.start.Truncate(24 * time.Hour) // whole days can be compared with what was read before
			}
		}
		if r.dateCursor {
			w.start = w.start.AddDate(0, 0, 1)
			if o.lag(inc) >= 24*time.Hour && !o.continued {
				w.start = cur.Add(-o.lag(inc)).AddDate(0, 0, 1)
			}
		}
		if w.start.Before(begin) {
			w.start = begin
		}
		if inc.Exclusive {
			w.start = w.start.Add(-time.Second)
		}
	}
	if w.start.After(limit) || !r.dateCursor && w.start.Equal(limit) {
		return nil, nil
	}
	w.end = limit
	if inc.Step > 0 && !(w.full && r.full != nil) {
		step := inc.Step
		if r.dateCursor {
			step -= 24 * time.Hour
		}
		if e := w.start.Add(step); e.Before(limit) {
			w.end = e
		}
	}
	w.last = !w.end.Before(limit)
	return w, nil
}

// initialInstant reads where a first read begins: a date, a time, or days before its end ("-90d").
func initialInstant(s string, end time.Time) (time.Time, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok && strings.HasPrefix(days, "-") {
		n, err := strconv.Atoi(days)
		if err != nil || n < -36500 {
			return time.Time{}, fmt.Errorf("not a number of days: %q", s)
		}
		y, m, d := end.Date()
		return time.Date(y, m, d, 0, 0, 0, 0, time.UTC).AddDate(0, 0, n), nil
	}
	return parseInstant(s)
}

// due reports whether everything is to be read again.
func due(every time.Duration, last string, now time.Time) bool {
	if every == 0 {
		return false
	}
	t, err := parseInstant(last)
	return err != nil || now.Sub(t) >= every
}

// cursorDef is the resource's own cursor, or that of the parent it follows.
func (r *resource) cursorDef() *IncrementalDef {
	if r.Incremental == nil && r.FollowParent {
		return r.parent.cursorDef()
	}
	return r.Incremental
}

func (r *resource) endOf(inc *IncrementalDef, o readOptions) (time.Time, error) {
	if !o.to.IsZero() {
		return o.to, nil
	}
	now := o.now.UTC()
	if inc.Type != "date" {
		return now.Truncate(time.Second), nil
	}
	zone := time.UTC
	if o.zone != nil {
		zone = o.zone
	}
	y, m, d := now.In(zone).Date()
	day := time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	if inc.End == "yesterday" {
		day = day.AddDate(0, 0, -1)
	}
	return day, nil
}

// readOptions is what one read is told beside the state.
type readOptions struct {
	now       time.Time
	zone      *time.Location
	initial   string         // replaces initial_value
	look      *time.Duration // replaces lag
	to        time.Time      // end of a backfill
	continued bool           // a window of this run came before
}

func (o readOptions) lag(inc *IncrementalDef) time.Duration {
	if o.look != nil {
		return *o.look
	}
	return inc.Lag
}

func formatInstant(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

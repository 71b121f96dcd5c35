package file

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"

	"millrace/extract/landing"
)

// stateVersion of the checkpoints this package writes.
const stateVersion = 1

// state is a checkpoint: what was read of each file.
type state struct {
	Config string              `json:"config"`
	Files  map[string]position `json:"files"`
}

// position is how far one file was read. Size and MTime are the file's when it was read.
type position struct {
	Size  int64 `json:"size"`
	MTime int64 `json:"mtime_ns"`
	Done  bool  `json:"done,omitempty"`
	Rows  int64 `json:"rows"` // rows and bad rows handed on
	// SHA256 is of the first Offset bytes of a plain text file, and of the whole file otherwise (only once it is done).
	SHA256 string `json:"sha256,omitempty"`
	Offset int64  `json:"offset,omitempty"` // of the next line, in a plain text file
	Line   int64  `json:"line,omitempty"`   // its number, from 1
	// Open is the offset, plus one, of a last line that had no line end: when the file grows, that line may grow too.
	Open     int64 `json:"open,omitempty"`
	OpenLine int64 `json:"open_line,omitempty"`
}

func parseState(c landing.Checkpoint) (state, error) {
	s := state{Files: map[string]position{}}
	if c.IsZero() {
		return s, nil
	}
	if c.Version != stateVersion {
		return s, fmt.Errorf("checkpoint version %d is not known here (%d is). Run with the millrace that wrote it, or reset it with: millrace state reset", c.Version, stateVersion)
	}
	if err := json.Unmarshal(c.State, &s); err != nil {
		return s, fmt.Errorf("checkpoint cannot be read: %w. Look at it with: millrace state show", err)
	}
	if s.Files == nil {
		s.Files = map[string]position{}
	}
	return s, nil
}

func (s state) checkpoint() landing.Checkpoint {
	b, err := json.Marshal(s)
	if err != nil {
		panic("file: a checkpoint of numbers and texts cannot be encoded: " + err.Error())
	}
	return landing.Checkpoint{Version: stateVersion, State: b}
}

func (s state) clone() state {
	return state{Config: s.Config, Files: maps.Clone(s.Files)}
}

// plan is what to do with one file.
type plan struct {
	in    input
	at    position // where to go on; zero: from the beginning
	skip  bool
	touch bool // unchanged content under a new time stamp
}

// compare decides what is new in a file since it was last read.
func compare(in input, had position, found bool) (plan, error) {
	p := plan{in: in}
	if !found {
		return p, nil
	}
	if had.Size == in.size && had.MTime == in.mtime {
		p.skip, p.at = had.Done, had
		return p, nil
	}
	if had.Offset > 0 { // plain text: the part that was read may still be there, with more behind it
		sum, ok, err := hashPrefix(in.path, had.Offset)
		if err != nil {
			return p, err
		}
		if ok && sum == had.SHA256 {
			p.at = had
			if had.Done && in.size == had.Offset {
				p.skip, p.touch = true, true
			}
			return p, nil
		}
		return p, nil
	}
	if had.Done && had.Size == in.size && had.SHA256 != "" {
		sum, _, err := hashPrefix(in.path, in.size)
		if err != nil {
			return p, err
		}
		if sum == had.SHA256 {
			p.skip, p.touch, p.at = true, true, had
		}
	}
	return p, nil
}

// Unchanged reports whether the stream's files, and how they are read, are what they were at the end of the last read.
func (s *Source) Unchanged(ctx context.Context, name string, last landing.Checkpoint) (bool, error) {
	st, err := s.stream(name)
	if err != nil {
		return false, err
	}
	had, err := parseState(last)
	if err != nil {
		return false, err
	}
	files, err := s.list(st)
	if err != nil {
		return false, err
	}
	if had.Config != st.config || len(files) != len(had.Files) {
		return false, ctx.Err()
	}
	for _, in := range files {
		at, found := had.Files[in.name]
		if !found {
			return false, nil
		}
		p, err := compare(in, at, true)
		if err != nil {
			return false, err
		}
		if !p.skip {
			return false, nil
		}
	}
	return true, ctx.Err()
}

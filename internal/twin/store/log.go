package store

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"millrace/internal/atomicfile"
	"millrace/internal/fault"
)

// logName is the one state file of a twin's folder.
const logName = "twin.log"

// Header is the first line of the log: what the market is regenerated from.
type Header struct {
	Format int    `json:"millrace_twin"` // 1
	Seed   uint64 `json:"seed"`
	Size   string `json:"size"`
	Start  string `json:"start"` // YYYY-MM-DD
}

// Log is an append-only file of commits. Each line is a CRC-32C in hex, a space, JSON and a newline.
type Log struct {
	f    *os.File
	lock *os.File
	end  int64
	path string
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// openLog opens or makes the log of a folder and hands the header and each whole line to the callbacks. A torn last
// line (power loss in the middle of an append: it was never answered) is cut off; damage before it is an error.
func openLog(dir string, want Header, onHeader func(Header) error, onCommit func(Commit) error) (*Log, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open twin: %w", err)
	}
	lock, err := lockFile(filepath.Join(dir, "twin.lock"))
	if err != nil {
		return nil, err
	}
	l := &Log{lock: lock, path: filepath.Join(dir, logName)}
	if err := l.load(want, onHeader, onCommit); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

func (l *Log) load(want Header, onHeader func(Header) error, onCommit func(Commit) error) error {
	var err error
	if _, err = os.Stat(l.path); errors.Is(err, os.ErrNotExist) {
		if err := atomicfile.Write(l.path, line(want), 0o600); err != nil {
			return fmt.Errorf("make twin state: %w", err)
		}
	}
	if l.f, err = os.OpenFile(l.path, os.O_RDWR, 0o600); err != nil {
		return fmt.Errorf("open twin state: %w", err)
	}
	r := bufio.NewReaderSize(l.f, 1<<20)
	for n := 1; ; n++ {
		raw, err := r.ReadBytes('\n')
		if err == io.EOF && len(raw) == 0 {
			break
		}
		if err != nil && err != io.EOF {
			return fmt.Errorf("read twin state: %w", err)
		}
		body, ok := check(raw)
		if !ok {
			if err == io.EOF || r.Buffered() == 0 && atEOF(r) {
				break // torn tail
			}
			return &fault.Error{File: l.path, Line: n, Msg: "the line does not match its checksum", Hint: "Remove the folder to start a new market."}
		}
		if n == 1 {
			var h Header
			if err := json.Unmarshal(body, &h); err != nil || h.Format != 1 {
				return &fault.Error{File: l.path, Line: 1, Msg: "not the state of a twin of this version", Hint: "Remove the folder to start a new market."}
			}
			if err := onHeader(h); err != nil {
				return err
			}
		} else {
			var c Commit
			if err := json.Unmarshal(body, &c); err != nil {
				return &fault.Error{File: l.path, Line: n, Msg: "the line is not a commit", Err: err, Hint: "Remove the folder to start a new market."}
			}
			if err := onCommit(c); err != nil {
				return fmt.Errorf("%s:%d: replay: %w", l.path, n, err)
			}
		}
		l.end += int64(len(raw))
	}
	if l.end == 0 {
		return &fault.Error{File: l.path, Line: 1, Msg: "the header is damaged", Hint: "Remove the folder to start a new market."}
	}
	if err := l.f.Truncate(l.end); err != nil {
		return fmt.Errorf("cut the torn end of the twin state: %w", err)
	}
	return nil
}

func atEOF(r *bufio.Reader) bool {
	_, err := r.Peek(1)
	return err == io.EOF
}

// append makes a commit durable. After an error nothing of it stays.
func (l *Log) append(c Commit) error {
	b := line(c)
	if _, err := l.f.WriteAt(b, l.end); err != nil {
		l.f.Truncate(l.end)
		return fmt.Errorf("write twin state: %w", err)
	}
	if err := l.f.Sync(); err != nil {
		l.f.Truncate(l.end)
		return fmt.Errorf("sync twin state: %w", err)
	}
	l.end += int64(len(b))
	return nil
}

// Close releases the files and the folder.
func (l *Log) Close() error {
	var first error
	for _, f := range []*os.File{l.f, l.lock} {
		if f == nil {
			continue
		}
		if err := f.Close(); err != nil && first == nil {
			first = err
		}
	}
	return first
}

func line(v any) []byte {
	body, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("twin: a commit always marshals: %v", err)) // plain structs of strings and numbers
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%08x %s\n", crc32.Checksum(body, castagnoli), body)
	return b.Bytes()
}

func check(raw []byte) (body []byte, ok bool) {
	if len(raw) < 11 || raw[8] != ' ' || raw[len(raw)-1] != '\n' {
		return nil, false
	}
	sum, err := strconv.ParseUint(string(raw[:8]), 16, 32)
	body = raw[9 : len(raw)-1]
	return body, err == nil && uint32(sum) == crc32.Checksum(body, castagnoli)
}

// restart empties the log down to its header.
func (l *Log) restart(h Header) error {
	b := line(h)
	if err := l.f.Truncate(int64(len(b))); err != nil {
		return fmt.Errorf("reset twin state: %w", err)
	}
	if _, err := l.f.WriteAt(b, 0); err != nil {
		return fmt.Errorf("reset twin state: %w", err)
	}
	if err := l.f.Sync(); err != nil {
		return fmt.Errorf("reset twin state: %w", err)
	}
	l.end = int64(len(b))
	return nil
}

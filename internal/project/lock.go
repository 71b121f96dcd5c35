package project

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"millrace/internal/fault"
)

// Holder says who holds a lock; it is the content of the lock file.
type Holder struct {
	PID     int       `json:"pid"`
	Host    string    `json:"host"`
	User    string    `json:"user"`
	Command string    `json:"command"`
	Since   time.Time `json:"since"` // UTC
	RunID   string    `json:"run_id"`
}

// Lock is a held lock. Release it; the operating system releases it too when the process ends, however it ends, so a
// dead holder never blocks. The file stays: removing it would let two processes lock two different files.
type Lock struct{ f *os.File }

// Lock takes the target's lock without waiting.
func (p *Project) Lock(h Holder) (*Lock, error) {
	l, err := AcquireLock(p.LockFile(), h)
	var f *fault.Error
	if errors.As(err, &f) && f.Exit == fault.ExitLocked {
		f.Msg = fmt.Sprintf("the target %s is in use", p.Target)
	}
	return l, err
}

// AcquireLock takes the lock at path, or says who holds it: a *fault.Error with ExitLocked. h.Since is the current time.
// The lock is flock(2) on a file of our own; it is advisory and holds between processes and between calls in one process.
func AcquireLock(path string, h Holder) (*Lock, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("make the folder of the lock: %w", err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open the lock: %w", err)
	}
	if err := flock(f, syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, lockedError(f, h.Since)
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	h.Since = h.Since.UTC()
	data, err := json.Marshal(h)
	if err == nil {
		// Written in place: a rename would put the content into a file that nobody has locked.
		if err = f.Truncate(0); err == nil {
			if _, err = f.WriteAt(append(data, '\n'), 0); err == nil {
				err = f.Sync()
			}
		}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("write the lock %s: %w", path, err)
	}
	return &Lock{f}, nil
}

// Release gives the lock up. It may be called more than once.
func (l *Lock) Release() error {
	if l == nil || l.f == nil {
		return nil
	}
	f := l.f
	l.f = nil
	// Emptied while still held, so that nobody reads the name of a holder that is gone.
	err := f.Truncate(0)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("release the lock: %w", err)
	}
	return nil
}

// LockHolder looks at a lock without taking it for longer than the look. held is false when nobody holds it.
func LockHolder(path string) (h Holder, held bool, err error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return Holder{}, false, nil
	}
	if err != nil {
		return Holder{}, false, fmt.Errorf("look at the lock: %w", err)
	}
	defer f.Close()
	// A shared lock does not disturb another look; a holder that starts in this instant may be told to try again.
	err = flock(f, syscall.LOCK_SH|syscall.LOCK_NB)
	if err == nil {
		return Holder{}, false, nil
	}
	if !errors.Is(err, syscall.EWOULDBLOCK) {
		return Holder{}, false, fmt.Errorf("look at the lock %s: %w", path, err)
	}
	h, _ = readHolder(f)
	return h, true, nil
}

func flock(f *os.File, how int) error {
	for {
		err := syscall.Flock(int(f.Fd()), how)
		if !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// readHolder reads the content; ok is false when the holder has not written it yet.
func readHolder(f *os.File) (h Holder, ok bool) {
	data, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<16))
	return h, err == nil && json.Unmarshal(data, &h) == nil && h.PID > 0
}

func lockedError(f *os.File, now time.Time) error {
	e := &fault.Error{Exit: fault.ExitLocked, Msg: "the lock is held",
		Hint: "Wait until it ends, or use another target with --target."}
	h, ok := readHolder(f)
	if !ok {
		e.Err = errors.New("by a run that is just starting")
		e.Hint = "Try again in a moment."
		return e
	}
	var b strings.Builder
	fmt.Fprintf(&b, "held by `%s`", h.Command)
	if h.User != "" {
		fmt.Fprintf(&b, " of %s", h.User)
	}
	if h.Host != "" {
		fmt.Fprintf(&b, " on %s", h.Host)
	}
	fmt.Fprintf(&b, " (process %d", h.PID)
	if h.RunID != "" {
		fmt.Fprintf(&b, ", run %s", h.RunID)
	}
	fmt.Fprintf(&b, ") since %s", h.Since.UTC().Format("2006-01-02 15:04:05 UTC"))
	if d := now.Sub(h.Since).Truncate(time.Second); d > 0 {
		fmt.Fprintf(&b, ", for %s", d)
	}
	e.Err = errors.New(b.String())
	e.Hint = fmt.Sprintf("Wait until it ends, use another target with --target, or end it with `kill %d`: the next run resumes.", h.PID)
	return e
}

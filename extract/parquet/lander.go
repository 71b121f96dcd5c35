// Package parquet is the Lander: it turns decoded rows into Parquet files and makes them visible together with their
// checkpoint by one rename (P1). Rows that do not fit are written beside them with the reason (P2). Memory is bounded
// whatever the size of the stream. It reads landings back for replay and compaction.
//
// It must not know where rows come from, nor what becomes of them.
package parquet

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"millrace/extract"
	"millrace/extract/landing"
	"millrace/internal/atomicfile"
	"millrace/internal/fault"
)

// Options of a Lander. Zero numbers mean the defaults.
type Options struct {
	Dir string           // the raw folder
	Now func() time.Time // the clock
	Log *slog.Logger

	InferRows     int   // rows that are looked at before undeclared columns get a type: 10 000
	InferBytes    int64 // or this much, whichever comes first: 16 MB
	PartBytes     int64 // a part file is closed at this size: 128 MB
	RowGroupRows  int   // 122 880, DuckDB's own
	RowGroupBytes int64 // of values before encoding: 32 MB; bounds memory when cells are large

	CompactLoads int // so many small loads side by side are merged: 16

	// Fault is called before each durable step with its name; an error stops there. For tests that crash (see Steps).
	Fault func(step string) error
}

// Steps are the names that Options.Fault is called with, in the order in which a load passes them.
func Steps() []string {
	return []string{"begin", "folder", "part", "part-closed", "files-synced", "manifest-written", "manifest-synced", "manifest-renamed", "committed"}
}

// Lander lands streams below one raw folder. It takes a lock for each stream at its first load and holds it until Close.
// It is safe for concurrent use with different streams.
type Lander struct {
	opt   Options
	mu    sync.Mutex
	locks map[string]*os.File
	busy  map[string]bool
}

var (
	_ extract.Lander    = (*Lander)(nil)
	_ extract.Compacter = (*Lander)(nil)
)

// New returns a lander. It writes nothing yet. Close it.
func New(o Options) *Lander {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.InferRows <= 0 {
		o.InferRows = 10_000
	}
	if o.InferBytes <= 0 {
		o.InferBytes = 16 << 20
	}
	if o.PartBytes <= 0 {
		o.PartBytes = 128 << 20
	}
	if o.RowGroupRows <= 0 {
		o.RowGroupRows = 122_880
	}
	if o.RowGroupBytes <= 0 {
		o.RowGroupBytes = 32 << 20
	}
	if o.CompactLoads <= 1 {
		o.CompactLoads = 16
	}
	if o.Fault == nil {
		o.Fault = func(string) error { return nil }
	}
	return &Lander{opt: o, locks: map[string]*os.File{}, busy: map[string]bool{}}
}

// Close releases the locks. Open writers must be finished first.
func (l *Lander) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, f := range l.locks {
		f.Close()
		delete(l.locks, key)
	}
	return nil
}

// Last is the manifest of the newest committed load, whether its read was complete or not.
func (l *Lander) Last(_ context.Context, source, stream string) (landing.Manifest, bool, error) {
	loads, err := landing.Loads(l.opt.Dir, source, stream)
	if err != nil || len(loads) == 0 {
		return landing.Manifest{}, false, err
	}
	return loads[len(loads)-1], true, nil
}

// Unfinished reports whether the newest complete read of the stream (see landing.Manifest.Starts) has not reached its end.
func (l *Lander) Unfinished(_ context.Context, source, stream string) bool {
	loads, err := landing.Loads(l.opt.Dir, source, stream)
	if err != nil {
		return false // Last has said so already
	}
	for i := len(loads) - 1; i >= 0; i-- {
		switch {
		case loads[i].Complete:
			return false
		case loads[i].Starts:
			return true
		}
	}
	return false
}

// Begin starts a load: it takes the stream's lock, removes what a killed load left behind, and makes the load's folder.
func (l *Lander) Begin(ctx context.Context, p extract.BeginParams) (extract.Writer, error) {
	name := p.Source + "." + p.Spec.Name
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if !landing.ValidName(p.Source) || !landing.ValidName(p.Spec.Name) {
		return nil, &fault.Error{Key: "stream", Value: name, Msg: "not a name that can be a folder",
			Hint: fmt.Sprintf("Use letters, digits and underscores, such as %q.", landing.Slug(p.Spec.Name))}
	}
	if err := l.lock(p.Source, p.Spec.Name); err != nil {
		return nil, err
	}
	w, err := l.begin(p)
	if err != nil {
		l.release(name)
		return nil, fault.Wrap(diskFull(err, l.opt.Dir), "land %s", name)
	}
	return w, nil
}

func (l *Lander) begin(p extract.BeginParams) (*writer, error) {
	if err := l.opt.Fault("begin"); err != nil {
		return nil, err
	}
	dir := l.streamDir(p.Source, p.Spec.Name)
	loads, err := landing.Loads(l.opt.Dir, p.Source, p.Spec.Name)
	if err != nil {
		return nil, err
	}
	if err := sweep(dir); err != nil {
		return nil, err
	}
	next, err := nextSequence(dir)
	if err != nil {
		return nil, err
	}
	now := l.opt.Now().UTC()
	id := fmt.Sprintf("%06d-%s", next, now.Format("20060102T150405Z"))
	loadDir := filepath.Join(dir, id)
	if err := os.Mkdir(loadDir, 0o755); err != nil {
		return nil, fmt.Errorf("make the load's folder: %w", err)
	}
	if err := l.opt.Fault("folder"); err != nil {
		return nil, err
	}
	var prev *landing.Manifest
	if len(loads) > 0 {
		prev = &loads[len(loads)-1]
	}
	return newWriter(l, p, loadDir, id, prev, now), nil
}

func (l *Lander) streamDir(source, stream string) string {
	return filepath.Join(l.opt.Dir, source, stream)
}

// lock takes the stream's lock for this Lander, and marks the stream as being written.
func (l *Lander) lock(source, stream string) error {
	key := source + "." + stream
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.busy[key] {
		return fmt.Errorf("land %s: a load of this stream is open already", key)
	}
	if l.locks[key] == nil {
		dir := l.streamDir(source, stream)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return diskFull(fmt.Errorf("land %s: %w", key, err), l.opt.Dir)
		}
		f, err := os.OpenFile(filepath.Join(dir, ".lock"), os.O_CREATE|os.O_RDWR, 0o644)
		if err != nil {
			return diskFull(fmt.Errorf("land %s: lock: %w", key, err), l.opt.Dir)
		}
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
			holder := make([]byte, 32)
			n, _ := f.ReadAt(holder, 0)
			f.Close()
			if errors.Is(err, unix.EWOULDBLOCK) {
				return &fault.Error{Exit: fault.ExitLocked, Msg: fmt.Sprintf("%s is being landed by another process (%s)", key, strings.TrimSpace(string(holder[:n]))),
					Hint: "Wait until it has finished, or end it; then run again."}
			}
			return fmt.Errorf("land %s: lock: %w", key, err)
		}
		// Who holds it, for the message above. The lock itself is the kernel's and ends with the process.
		if err := f.Truncate(0); err == nil {
			f.WriteAt([]byte("pid "+strconv.Itoa(os.Getpid())+"\n"), 0)
		}
		l.locks[key] = f
	}
	l.busy[key] = true
	return nil
}

func (l *Lander) release(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.busy, key)
}

// sweep removes folders of loads that were never committed. The caller holds the stream's lock.
func sweep(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("look for leftovers: %w", err)
	}
	for _, e := range entries {
		if !e.IsDir() || landing.Sequence(e.Name()) == 0 {
			continue
		}
		path := filepath.Join(dir, e.Name())
		if _, err := os.Stat(filepath.Join(path, landing.ManifestName)); err == nil {
			continue
		} else if !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("look for leftovers: %w", err)
		}
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("remove what a killed load left: %w", err)
		}
	}
	return nil
}

// nextSequence counts loads that were compacted away too, so that a number is never given twice.
func nextSequence(dir string) (int64, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	var last int64
	for _, e := range entries {
		if e.IsDir() {
			last = max(last, landing.Sequence(e.Name()))
		}
	}
	return last + 1, nil
}

// commit writes the manifest: temporary file, sync, rename, sync of the folder. The rename is the commit (P1).
func (l *Lander) commit(m landing.Manifest) error {
	data, err := m.Encode()
	if err != nil {
		return err
	}
	// The folders' entries must be durable before the manifest can be: a manifest whose parts are gone would be a lie.
	for _, dir := range []string{m.Dir, filepath.Dir(m.Dir), filepath.Dir(filepath.Dir(m.Dir))} {
		if err := atomicfile.SyncDir(dir); err != nil {
			return err
		}
	}
	if err := l.opt.Fault("files-synced"); err != nil {
		return err
	}
	tmp := filepath.Join(m.Dir, "."+landing.ManifestName+".tmp")
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	if _, err = f.Write(data); err == nil {
		if err = l.opt.Fault("manifest-written"); err == nil {
			err = f.Sync()
		}
	}
	if err2 := f.Close(); err == nil {
		err = err2
	}
	if err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	if err := l.opt.Fault("manifest-synced"); err != nil {
		return err
	}
	if err := os.Rename(tmp, filepath.Join(m.Dir, landing.ManifestName)); err != nil {
		return fmt.Errorf("commit manifest: %w", err)
	}
	if err := l.opt.Fault("manifest-renamed"); err != nil {
		return err
	}
	if err := atomicfile.SyncDir(m.Dir); err != nil {
		return err
	}
	return l.opt.Fault("committed")
}

// diskFull says what to do about an error that means there is no room.
func diskFull(err error, dir string) error {
	if err == nil || !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EDQUOT) {
		return err
	}
	var free string
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) == nil {
		free = fmt.Sprintf(" (%d MB free)", st.Bavail*uint64(st.Bsize)>>20)
	}
	return &fault.Error{Msg: fmt.Sprintf("the disk that holds %s is full%s", dir, free), Err: err,
		Hint: "Nothing was half landed. Free some space, then run again: it goes on after the last committed load.", Exit: fault.ExitHandled}
}

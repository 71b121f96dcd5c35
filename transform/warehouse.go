package transform

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"syscall"
	"time"

	"millrace/internal/atomicfile"
	"millrace/internal/duck"
	"millrace/internal/fault"
	"millrace/transform/relation"
)

// Names inside <target>/warehouse.
const (
	warehouseDir = "warehouse"
	linkName     = "current.duckdb"
	buildPrefix  = "build-"
	buildSuffix  = ".duckdb"
)

// warehouse is the folder of builds of one target. The link is the commit (P3): a build that it does not point at, and
// that is newer, was never published. Ids grow, so newer is greater.
type warehouse struct{ dir string }

func newWarehouse(target string) warehouse {
	dir := filepath.Join(target, warehouseDir)
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs // views of Parquet files need whole paths
	}
	return warehouse{dir}
}

func (w warehouse) link() string { return filepath.Join(w.dir, linkName) }

func (w warehouse) path(id string) string { return filepath.Join(w.dir, buildPrefix+id+buildSuffix) }

// current returns the id of the published build, "" when there is none.
func (w warehouse) current() (string, error) {
	to, err := os.Readlink(w.link())
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", &fault.Error{File: w.link(), Msg: "is not the link to the published build", Err: err, Hint: "Remove it and run `millrace build`."}
	}
	id := buildID(filepath.Base(to))
	if id == "" {
		return "", &fault.Error{File: w.link(), Value: to, Msg: "does not point at a build", Hint: "Remove it and run `millrace build`."}
	}
	if _, err := os.Stat(w.path(id)); errors.Is(err, os.ErrNotExist) {
		return "", nil // the warehouse was lost: it is built anew
	} else if err != nil {
		return "", fault.Wrap(err, "look at the published build")
	}
	return id, nil
}

func buildID(name string) string {
	if !strings.HasPrefix(name, buildPrefix) || !strings.HasSuffix(name, buildSuffix) {
		return ""
	}
	return strings.TrimSuffix(strings.TrimPrefix(name, buildPrefix), buildSuffix)
}

// builds lists the ids of all build files, oldest first.
func (w warehouse) builds() ([]string, error) {
	entries, err := os.ReadDir(w.dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, e := range entries {
		if id := buildID(e.Name()); id != "" {
			ids = append(ids, id)
		}
	}
	sort.Strings(ids)
	return ids, nil
}

// clean removes what a killed build left. The caller holds the target's lock, so nobody is writing.
func (w warehouse) clean(current string) error {
	entries, err := os.ReadDir(w.dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fault.Wrap(err, "clean the warehouse folder")
	}
	for _, e := range entries {
		name := e.Name()
		id := buildID(name)
		left := strings.HasSuffix(name, ".wal") || strings.HasSuffix(name, ".tmp") || strings.HasSuffix(name, ".next") || id != "" && id > current
		if !left {
			continue
		}
		if err := os.RemoveAll(filepath.Join(w.dir, name)); err != nil {
			return fault.Wrap(err, "remove %s, left by a build that was stopped", name)
		}
	}
	return nil
}

// nextID is an id greater than all there are, readable as the time in UTC.
func (w warehouse) nextID(now time.Time) (string, error) {
	ids, err := w.builds()
	if err != nil {
		return "", fault.Wrap(err, "list builds")
	}
	last := ""
	if len(ids) > 0 {
		last = ids[len(ids)-1]
	}
	for t := now.UTC(); ; t = t.Add(time.Millisecond) {
		id := strings.Replace(t.Format("20060102-150405.000"), ".", "-", 1)
		if id > last {
			return id, nil
		}
		if len(last) == len(id) { // the clock went back: continue after the last build
			if p, err := time.Parse("20060102-150405.000", last[:15]+"."+last[16:]); err == nil && p.After(t) {
				t = p
			}
		}
	}
}

// copy makes the file of a new build from the published one. Blocks are shared where the file system can.
func (w warehouse) copy(from, to string) (err error) {
	src, err := os.Open(w.path(from))
	if err != nil {
		return fault.Wrap(err, "copy the published build")
	}
	defer src.Close()
	dst, err := os.OpenFile(w.path(to), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return fault.Wrap(err, "copy the published build")
	}
	defer func() {
		if cerr := dst.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			os.Remove(w.path(to))
			err = diskHint(fault.Wrap(err, "copy the published build"))
		}
	}()
	if cloneFile(dst, src) {
		return nil
	}
	_, err = io.Copy(dst, src)
	return err
}

// publish makes the closed file of a build durable and switches the link to it: that rename is the commit.
func (w warehouse) publish(id string, step func(string)) error {
	if _, err := os.Stat(w.path(id) + ".wal"); err == nil {
		return &fault.Error{File: w.path(id) + ".wal", Msg: "the build was closed with changes outside its file", Hint: "Nothing was published. Run again."}
	}
	f, err := os.OpenFile(w.path(id), os.O_RDWR, 0)
	if err != nil {
		return fault.Wrap(err, "publish")
	}
	err = f.Sync()
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return diskHint(fault.Wrap(err, "make the build durable"))
	}
	if err := atomicfile.SyncDir(w.dir); err != nil {
		return err
	}
	step("synced")
	if err := atomicfile.Symlink(buildPrefix+id+buildSuffix, w.link()); err != nil {
		return diskHint(err)
	}
	step("switched")
	return nil
}

// retain keeps the newest builds: readers may still open the one that a link named a moment ago.
// Pinned builds stay however old they are.
func (w warehouse) retain(keep int, pinned []string) error {
	ids, err := w.builds()
	if err != nil {
		return fault.Wrap(err, "list builds")
	}
	for i := 0; i < len(ids)-keep; i++ {
		if slices.Contains(pinned, ids[i]) {
			continue
		}
		if err := os.Remove(w.path(ids[i])); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fault.Wrap(err, "remove an old build")
		}
	}
	return nil
}

func diskHint(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fault.Hint(err, "The disk is full: free some space and run again; nothing was published.")
	}
	return err
}

// ErrNothingPublished is returned by Published when no build has been published yet.
var ErrNothingPublished = errors.New("nothing is published yet")

// Published describes the build that readers see now. dir is the target's folder (.millrace/<target>).
func Published(ctx context.Context, dir string) (relation.Build, error) {
	s, err := readPublished(ctx, dir)
	if err != nil {
		return relation.Build{}, err
	}
	return s.build(), nil
}

func readPublished(ctx context.Context, dir string) (*state, error) {
	w := newWarehouse(dir)
	for try := 0; ; try++ {
		id, err := w.current()
		if err != nil {
			return nil, err
		}
		if id == "" {
			return nil, &fault.Error{Err: ErrNothingPublished, Hint: "Run `millrace run` or `millrace build`."}
		}
		s, err := readBuild(ctx, w, id)
		// Between reading the link and opening the file, publishes may have removed it: look again.
		if now, cerr := w.current(); err != nil && cerr == nil && now != id && try < 10 {
			continue
		}
		return s, err
	}
}

func readBuild(ctx context.Context, w warehouse, id string) (*state, error) {
	db, err := duck.Open(ctx, w.path(id), duck.Options{ReadOnly: true, Threads: 1})
	if err != nil {
		return nil, err
	}
	defer db.Close()
	s, err := readState(ctx, db)
	if err != nil {
		return nil, fault.Wrap(err, "read the records of build %s", id)
	}
	s.id, s.path = id, w.path(id)
	return s, nil
}

// OpenBuild opens one build by its id, for plans that pin the build they were made from. Close the result.
func OpenBuild(ctx context.Context, dir, id string, o duck.Options) (*duck.DB, relation.Build, error) {
	w := newWarehouse(dir)
	if _, err := os.Stat(w.path(id)); errors.Is(err, os.ErrNotExist) {
		return nil, relation.Build{}, &fault.Error{Msg: "the build is not kept any more", Value: id, Hint: "Make a new plan from the published build with `millrace plan`."}
	}
	s, err := readBuild(ctx, w, id)
	if err != nil {
		return nil, relation.Build{}, err
	}
	o.ReadOnly, o.Allow = true, w.externalFiles(s)
	db, err := duck.Open(ctx, s.path, o)
	if err != nil {
		return nil, relation.Build{}, fault.Wrap(err, "open build %s", id)
	}
	return db, s.build(), nil
}

// Open opens the published build for reading, locked: no files, no settings (DESIGN section 5). Close the result.
func Open(ctx context.Context, dir string, o duck.Options) (*duck.DB, relation.Build, error) {
	w := newWarehouse(dir)
	o.ReadOnly = true
	for try := 0; ; try++ {
		s, err := readPublished(ctx, dir)
		if err != nil {
			return nil, relation.Build{}, err
		}
		o.Allow = w.externalFiles(s)
		db, err := duck.Open(ctx, s.path, o)
		if err == nil {
			return db, s.build(), nil
		}
		if now, cerr := w.current(); cerr == nil && now != s.id && try < 10 {
			continue
		}
		return nil, relation.Build{}, fmt.Errorf("open the published build: %w", err)
	}
}

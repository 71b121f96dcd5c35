package transform

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"millrace/internal/atomicfile"
	"millrace/internal/duck"
	"millrace/internal/fault"
)

// Relations with memory cannot be rebuilt from what has landed. Each published version is also written as Parquet:
//
//	<target>/stateful/<schema>.<name>/<build>.parquet
//	<target>/stateful/current.json      which of them belong to the published build
//
// The files are written before the link is switched and current.json after it; a crash between the two is repaired by the
// next build from the published build itself. When the warehouse is lost, current.json restores the memory.
const (
	statefulDir   = "stateful"
	statefulIndex = "current.json"
)

// statefulEntry is one relation with memory in current.json.
type statefulEntry struct {
	File    string `json:"file"`
	Build   string `json:"build"`
	Rows    int64  `json:"rows"`
	Version string `json:"version"`
	Static  string `json:"static"`
}

type statefulFile struct {
	Format    int                      `json:"version"`
	Build     string                   `json:"build"`
	Relations map[string]statefulEntry `json:"relations"`
}

// memory is the folder of exports of one target.
type memory struct {
	dir     string
	g       *Graph
	log     *slog.Logger
	restore map[string]statefulEntry // what this build brings back
}

// stateful reports whether a relation's content depends on what it held before, beyond what its inputs say.
func (n *Node) stateful() bool {
	return n.Kind == KindModel && (n.Meta.Materialized == "snapshot" || n.Meta.Stateful)
}

func (m *memory) path(parts ...string) string {
	return filepath.Join(append([]string{m.dir}, parts...)...)
}

func (m *memory) readIndex() (*statefulFile, error) {
	idx := &statefulFile{Format: 1, Relations: map[string]statefulEntry{}}
	text, err := os.ReadFile(m.path(statefulIndex))
	if errors.Is(err, os.ErrNotExist) {
		return idx, nil
	}
	if err != nil {
		return nil, fault.Wrap(err, "read the memory of snapshots")
	}
	if err := json.Unmarshal(text, idx); err != nil || idx.Format != 1 {
		return nil, &fault.Error{File: m.path(statefulIndex), Msg: "is not an index of relations with memory that this binary reads", Err: err,
			Hint: "Restore it from a backup; remove it only if the history may start anew."}
	}
	return idx, nil
}

// remember looks up what relations with memory are to be restored: those that the published build does not hold although
// they were published once.
func (m *memory) remember(ctx context.Context, prev *state) error {
	if err := m.repairIndex(ctx, prev); err != nil {
		return err
	}
	idx, err := m.readIndex()
	if err != nil {
		return err
	}
	m.restore = map[string]statefulEntry{}
	for name, e := range idx.Relations {
		n := m.g.Nodes[name]
		if n == nil || !n.stateful() || prev.nodes[name] != nil {
			continue
		}
		if _, err := os.Stat(m.path(e.File)); err != nil {
			return &fault.Error{File: m.path(e.File), Msg: "the history of " + name + " is missing", Err: err, Hint: "Restore the file from a backup, or remove " + name + " from " + m.path(statefulIndex) + " to start its history anew."}
		}
		r := &record{kind: KindModel, static: e.Static}
		r.Name, r.Materialized, r.Rows, r.Version, r.BuildID = name, n.Meta.Materialized, e.Rows, e.Version, e.Build
		prev.nodes[name] = r
		m.restore[name] = e
	}
	return nil
}

// restoreTables puts remembered relations into the copy.
func (m *memory) restoreTables(ctx context.Context, db *duck.DB, prev *state) error {
	for _, name := range sortedKeysOf(m.restore) {
		if err := db.Exec(ctx, "create schema if not exists "+duck.Ident(schemaOf(name))); err != nil {
			return fault.Wrap(err, "restore %s", name)
		}
		q := "create table " + ident(name) + " as from read_parquet(" + duck.Quote(m.path(m.restore[name].File)) + ")"
		if err := db.Exec(ctx, q); err != nil {
			return fault.Wrap(err, "restore %s", name)
		}
		cols, err := describe(ctx, db, "from "+ident(name))
		if err != nil {
			return fault.Wrap(err, "restore %s", name)
		}
		prev.nodes[name].Columns = cols
		m.log.Info("restored a relation with memory", "relation", name, "build", m.restore[name].Build)
	}
	return nil
}

// export writes the relations with memory that are new in this build.
func (m *memory) export(ctx context.Context, db *duck.DB, id string, fresh map[string]bool) error {
	for _, name := range m.g.order {
		if m.g.Nodes[name].stateful() && fresh[name] {
			if err := m.exportOne(ctx, db, name, id); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *memory) exportOne(ctx context.Context, db *duck.DB, name, build string) error {
	dir := m.path(name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return diskHint(fault.Wrap(err, "write the memory of %s", name))
	}
	tmp := filepath.Join(dir, build+".parquet.next")
	if err := db.Exec(ctx, "copy (from "+ident(name)+") to "+duck.Quote(tmp)+" (format parquet, compression zstd)"); err != nil {
		return fault.Wrap(err, "write the memory of %s", name)
	}
	if err := syncFile(tmp); err != nil {
		return diskHint(fault.Wrap(err, "write the memory of %s", name))
	}
	if err := os.Rename(tmp, filepath.Join(dir, build+".parquet")); err != nil {
		return fault.Wrap(err, "write the memory of %s", name)
	}
	return atomicfile.SyncDir(dir)
}

func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// writeIndex points current.json at what the published build holds and removes files that nothing needs. A relation that
// left the project keeps its entry: it comes back with its history.
func (m *memory) writeIndex(s *state) error {
	idx, err := m.readIndex()
	if err != nil {
		return err
	}
	changed := false
	for name, r := range s.nodes {
		n := m.g.Nodes[name]
		if n == nil || !n.stateful() {
			continue
		}
		e := statefulEntry{File: filepath.Join(name, r.BuildID+".parquet"), Build: r.BuildID, Rows: r.Rows, Version: r.Version, Static: r.static}
		if idx.Relations[name] != e {
			idx.Relations[name], changed = e, true
		}
	}
	if !changed {
		return nil
	}
	idx.Build = s.id
	text, err := json.MarshalIndent(idx, "", "  ")
	if err != nil {
		return fault.Wrap(err, "write the memory of snapshots")
	}
	if err := os.MkdirAll(m.path(), 0o755); err != nil {
		return diskHint(fault.Wrap(err, "write the memory of snapshots"))
	}
	if err := atomicfile.Write(m.path(statefulIndex), text, 0o644); err != nil {
		return diskHint(err)
	}
	return m.clean(idx)
}

func (m *memory) clean(idx *statefulFile) error {
	var errs []error
	for name, e := range idx.Relations {
		files, err := os.ReadDir(m.path(name))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, f := range files {
			if filepath.Join(name, f.Name()) != e.File {
				errs = append(errs, os.Remove(m.path(name, f.Name())))
			}
		}
	}
	return errors.Join(errs...)
}

// repairIndex finishes what a build that was stopped just after its commit did not: the published build says what
// current.json must say.
func (m *memory) repairIndex(ctx context.Context, prev *state) error {
	if prev.id == "" {
		return nil
	}
	var missing []string
	for name, r := range prev.nodes {
		n := m.g.Nodes[name]
		if n == nil || !n.stateful() {
			continue
		}
		if _, err := os.Stat(m.path(name, r.BuildID+".parquet")); errors.Is(err, os.ErrNotExist) {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		db, err := duck.Open(ctx, prev.path, duck.Options{ReadOnly: true})
		if err != nil {
			return err
		}
		defer db.Close()
		for _, name := range missing {
			if err := m.exportOne(ctx, db, name, prev.nodes[name].BuildID); err != nil {
				return err
			}
		}
	}
	return m.writeIndex(prev)
}

func sortedKeysOf[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

package transform

import (
	"context"
	"encoding/json"
	"errors"
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

// stateful reports whether a relation's content depends on what it held before, beyond what its inputs say.
func (n *Node) stateful() bool {
	return n.Kind == KindModel && (n.Meta.Materialized == "snapshot" || n.Meta.Stateful)
}

func (b *builder) statefulPath(parts ...string) string {
	return filepath.Join(append([]string{b.p.Dir, statefulDir}, parts...)...)
}

func (b *builder) readIndex() (*statefulFile, error) {
	idx := &statefulFile{Format: 1, Relations: map[string]statefulEntry{}}
	text, err := os.ReadFile(b.statefulPath(statefulIndex))
	if errors.Is(err, os.ErrNotExist) {
		return idx, nil
	}
	if err != nil {
		return nil, fault.Wrap(err, "read the memory of snapshots")
	}
	if err := json.Unmarshal(text, idx); err != nil || idx.Format != 1 {
		return nil, &fault.Error{File: b.statefulPath(statefulIndex), Msg: "is not an index of relations with memory that this binary reads", Err: err,
			Hint: "Restore it from a backup; remove it only if the history may start anew."}
	}
	return idx, nil
}

// remember looks up what relations with memory are to be restored: those that the published build does not hold although
// they were published once.
func (b *builder) remember(ctx context.Context) error {
	if err := b.repairIndex(ctx); err != nil {
		return err
	}
	idx, err := b.readIndex()
	if err != nil {
		return err
	}
	b.restore = map[string]statefulEntry{}
	for name, e := range idx.Relations {
		n := b.g.Nodes[name]
		if n == nil || !n.stateful() || b.prev.nodes[name] != nil {
			continue
		}
		if _, err := os.Stat(b.statefulPath(e.File)); err != nil {
			return &fault.Error{File: b.statefulPath(e.File), Msg: "the history of " + name + " is missing", Err: err, Hint: "Restore the file from a backup, or remove " + name + " from " + b.statefulPath(statefulIndex) + " to start its history anew."}
		}
		r := &record{kind: KindModel, static: e.Static}
		r.Name, r.Materialized, r.Rows, r.Version, r.BuildID = name, n.Meta.Materialized, e.Rows, e.Version, e.Build
		b.prev.nodes[name] = r
		b.restore[name] = e
	}
	return nil
}

// restoreTables puts remembered relations into the copy.
func (b *builder) restoreTables(ctx context.Context) error {
	for _, name := range sortedKeysOf(b.restore) {
		if err := b.db.Exec(ctx, "create schema if not exists "+duck.Ident(schemaOf(name))); err != nil {
			return fault.Wrap(err, "restore %s", name)
		}
		q := "create table " + ident(name) + " as from read_parquet(" + duck.Quote(b.statefulPath(b.restore[name].File)) + ")"
		if err := b.db.Exec(ctx, q); err != nil {
			return fault.Wrap(err, "restore %s", name)
		}
		cols, err := describe(ctx, b.db, "from "+ident(name))
		if err != nil {
			return fault.Wrap(err, "restore %s", name)
		}
		b.prev.nodes[name].Columns = cols
		b.p.Log.Info("restored a relation with memory", "relation", name, "build", b.restore[name].Build)
	}
	return nil
}

// export writes the relations with memory that are new in this build.
func (b *builder) export(ctx context.Context) error {
	for _, name := range b.g.order {
		if b.g.Nodes[name].stateful() && b.fresh[name] {
			if err := b.exportOne(ctx, b.db, name, b.id); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *builder) exportOne(ctx context.Context, db *duck.DB, name, build string) error {
	dir := b.statefulPath(name)
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

// settleState points current.json at what the published build holds and removes files that nothing needs. A relation that
// left the project keeps its entry: it comes back with its history.
func (b *builder) settleState() error {
	return b.writeIndex(b.next)
}

func (b *builder) writeIndex(s *state) error {
	idx, err := b.readIndex()
	if err != nil {
		return err
	}
	changed := false
	for name, r := range s.nodes {
		n := b.g.Nodes[name]
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
	if err := os.MkdirAll(b.statefulPath(), 0o755); err != nil {
		return diskHint(fault.Wrap(err, "write the memory of snapshots"))
	}
	if err := atomicfile.Write(b.statefulPath(statefulIndex), text, 0o644); err != nil {
		return diskHint(err)
	}
	return b.cleanState(idx)
}

func (b *builder) cleanState(idx *statefulFile) error {
	var errs []error
	for name, e := range idx.Relations {
		files, err := os.ReadDir(b.statefulPath(name))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, f := range files {
			if filepath.Join(name, f.Name()) != e.File {
				errs = append(errs, os.Remove(b.statefulPath(name, f.Name())))
			}
		}
	}
	return errors.Join(errs...)
}

// repairIndex finishes what a build that was stopped just after its commit did not: the published build says what
// current.json must say.
func (b *builder) repairIndex(ctx context.Context) error {
	if b.prev.id == "" {
		return nil
	}
	var missing []string
	for name, r := range b.prev.nodes {
		n := b.g.Nodes[name]
		if n == nil || !n.stateful() {
			continue
		}
		if _, err := os.Stat(b.statefulPath(name, r.BuildID+".parquet")); errors.Is(err, os.ErrNotExist) {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		db, err := duck.Open(ctx, b.prev.path, duck.Options{ReadOnly: true})
		if err != nil {
			return err
		}
		defer db.Close()
		for _, name := range missing {
			if err := b.exportOne(ctx, db, name, b.prev.nodes[name].BuildID); err != nil {
				return err
			}
		}
	}
	return b.writeIndex(b.prev)
}

func sortedKeysOf[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// External relations are Parquet files beside the builds, one for each version, never changed. A project that was moved to another folder makes them
// again with its next build:
//
//	<target>/warehouse/external/<schema>.<name>/<build>.parquet
const externalDir = "external"

func (w warehouse) externalFile(name, build string) string {
	return filepath.Join(w.dir, externalDir, name, build+".parquet")
}

// external writes the rows of this version and makes the relation a view of the file.
func (b *builder) external(ctx context.Context, n *Node, next, q string) error {
	file := b.wh.externalFile(n.Name, b.id)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return diskHint(fault.Wrap(err, "write %s", n.Name))
	}
	if err := b.db.Exec(ctx, "copy ("+q+"\n) to "+duck.Quote(file)+" (format parquet, compression zstd)"); err != nil {
		return err
	}
	if err := syncFile(file); err != nil {
		return diskHint(fault.Wrap(err, "write %s", n.Name))
	}
	if err := atomicfile.SyncDir(filepath.Dir(file)); err != nil {
		return err
	}
	return b.create(ctx, "view", next, "from read_parquet("+duck.Quote(file)+")")
}

// externalFiles are the files that a build refers to.
func (w warehouse) externalFiles(s *state) []string {
	var out []string
	for _, name := range s.names() {
		if r := s.nodes[name]; r.Materialized == "external" {
			out = append(out, w.externalFile(name, r.BuildID))
		}
	}
	return out
}

// retainExternal removes the files that no remaining build refers to.
func (w warehouse) retainExternal(ctx context.Context) error {
	files, err := filepath.Glob(filepath.Join(w.dir, externalDir, "*", "*.parquet"))
	if err != nil || len(files) == 0 {
		return err
	}
	ids, err := w.builds()
	if err != nil {
		return err
	}
	keep := map[string]bool{}
	for _, id := range ids {
		s, err := readBuild(ctx, w, id)
		if err != nil {
			return err // what cannot be read may refer to anything
		}
		for _, f := range w.externalFiles(s) {
			keep[f] = true
		}
	}
	var errs []error
	for _, f := range files {
		if !keep[f] {
			errs = append(errs, os.Remove(f))
		}
	}
	return errors.Join(errs...)
}

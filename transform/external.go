package transform

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"millrace/internal/atomicfile"
	"millrace/internal/duck"
	"millrace/internal/fault"
)

// External relations are Parquet files beside the builds, one for each version, never changed. A project that was moved to another folder makes them
// again with its next build:
//
//	<target>/warehouse/external/<schema>.<name>/<build>.parquet
const externalDir = "external"

func (w warehouse) externalFile(name, build string) string {
	return filepath.Join(w.dir, externalDir, name, build+".parquet")
}

// external writes the rows of this version and makes the relation a view of the file.
func (m *maker) external(ctx context.Context, n *Node, next, q string) error {
	file := m.wh.externalFile(n.Name, m.id)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return diskHint(fault.Wrap(err, "write %s", n.Name))
	}
	if err := m.db.Exec(ctx, "copy ("+q+"\n) to "+duck.Quote(file)+" (format parquet, compression zstd)"); err != nil {
		return err
	}
	if err := syncFile(file); err != nil {
		return diskHint(fault.Wrap(err, "write %s", n.Name))
	}
	if err := atomicfile.SyncDir(filepath.Dir(file)); err != nil {
		return err
	}
	return m.create(ctx, "view", next, "from read_parquet("+duck.Quote(file)+")")
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

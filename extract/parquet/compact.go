package parquet

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"millrace/extract"
	"millrace/extract/landing"
	"millrace/internal/atomicfile"
	"millrace/internal/fault"
)

// Limits of compaction: a load is small up to smallRows, a merged one does not grow beyond mergedRows.
const (
	smallRows  = 200_000
	mergedRows = 2_000_000
)

// compaction is one stream being tidied.
type compaction struct{ source, stream, runID string }

// Compact merges runs of small loads into one. The merged load names those that it replaces, so its commit is the
// switch: before it the old loads count, after it the new one does, and never both. Rows keep their operational
// values and their order; quarantined rows move along. Loads with different types are not merged: text made here might
// differ from text made by a reader's cast.
//
// Old folders are removed by the first Compact of a later run, when no reader that knows their names is left, and
// with them the loads that a later complete read (landing.Manifest.Starts) has superseded. It reports how many loads it
// merged.
func (l *Lander) Compact(ctx context.Context, source, stream, runID string) (merged int, err error) {
	p := compaction{source, stream, runID}
	name := source + "." + stream
	if err := l.lock(p.source, p.stream); err != nil {
		return 0, err
	}
	defer l.release(name)
	if err := l.drop(p); err != nil {
		return 0, fault.Wrap(err, "compact %s", name)
	}
	if err := sweep(l.streamDir(p.source, p.stream)); err != nil {
		return 0, fault.Wrap(err, "compact %s", name)
	}
	loads, err := landing.Loads(l.opt.Dir, p.source, p.stream)
	if err != nil {
		return 0, err
	}
	replayed := map[string]bool{}
	for _, m := range loads {
		for _, id := range m.Replayed {
			replayed[id] = true
		}
	}
	for _, set := range compactable(landing.Current(loads), l.opt.CompactLoads) {
		if err := l.merge(ctx, p, set, replayed); err != nil {
			return merged, fault.Wrap(diskFull(err, l.opt.Dir), "compact %s", name)
		}
		merged += len(set)
	}
	return merged, nil
}

// compactable finds runs of small loads of one read with the same columns. The newest load stays: it is being built on.
func compactable(loads []landing.Manifest, atLeast int) [][]landing.Manifest {
	var out [][]landing.Manifest
	var set []landing.Manifest
	var rows int64
	end := func() {
		if len(set) >= atLeast {
			out = append(out, set)
		}
		set, rows = nil, 0
	}
	for i, m := range loads {
		small := m.Rows <= smallRows && i < len(loads)-1 && plainTypes(m)
		if !small {
			end()
			continue
		}
		if len(set) > 0 && (m.Starts || rows+m.Rows > mergedRows || !sameColumns(set[0], m) || set[0].Disposition != m.Disposition) {
			end()
		}
		set = append(set, m)
		rows += m.Rows
	}
	end()
	return out
}

// plainTypes reports whether all files of the load have the load's own columns.
func plainTypes(m landing.Manifest) bool {
	for _, f := range m.Files {
		if len(f.Columns) > 0 {
			return false
		}
	}
	return true
}

func sameColumns(a, b landing.Manifest) bool {
	return slices.EqualFunc(a.Schema.Columns, b.Schema.Columns, func(x, y landing.Column) bool {
		return x.Name == y.Name && x.Original == y.Original && x.Type == y.Type && x.Empty == y.Empty && x.Declared == y.Declared && x.Required == y.Required
	}) && slices.Equal(a.Schema.PrimaryKey, b.Schema.PrimaryKey)
}

// merge writes the loads of set as one, which sorts where the last of them did.
func (l *Lander) merge(ctx context.Context, p compaction, set []landing.Manifest, replayed map[string]bool) (err error) {
	first, last := set[0], set[len(set)-1]
	id := last.LoadID + ".c"
	dir := filepath.Join(l.streamDir(p.source, p.stream), id)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return fmt.Errorf("make the load's folder: %w", err)
	}
	if err := l.opt.Fault("folder"); err != nil {
		return err
	}
	w := newWriter(l, extract.BeginParams{Source: p.source, Spec: specOf(last), RunID: p.runID, Before: first.Before, Starts: first.Starts}, dir, id, &last, l.opt.Now().UTC())
	w.prev = nil // nothing changes in the schema here
	w.keepColumns(last)
	defer func() {
		if !w.closed {
			w.closed = true
			if w.part != nil {
				w.part.abort()
			}
			if w.quarantine != nil {
				w.quarantine.abort()
			}
			if _, e := landing.Read(dir); e != nil {
				err = errors.Join(err, os.RemoveAll(dir))
			}
		}
	}()
	complete := false
	for _, m := range set {
		w.m.Replaces = append(w.m.Replaces, m.LoadID)
		for _, id := range m.Replayed {
			if !slices.Contains(w.m.Replayed, id) {
				w.m.Replayed = append(w.m.Replayed, id)
			}
		}
		complete = complete || m.Complete
		for _, f := range m.Files {
			if err := w.copyPart(ctx, filepath.Join(m.Dir, f.Name), m); err != nil {
				return err
			}
		}
		if replayed[m.LoadID] {
			continue // the load that replayed them holds them now
		}
		for q, err := range ReadQuarantine(m) {
			if err != nil {
				return err
			}
			w.given++
			if err := w.reject(rejected{rowID: q.RowID, reason: q.Reason, column: q.Column, value: q.Value, raw: q.Raw, from: &origin{q.Load, q.ExtractedAt.UnixMicro()}}); err != nil {
				return err
			}
		}
	}
	w.m.StartedAt = first.StartedAt
	m, err := w.commit(last.After, complete)
	if err != nil {
		return err
	}
	w.closed = true
	l.opt.Log.Debug("compacted", "source", p.source, "stream", p.stream, "loads", len(set), "rows", m.Rows)
	return nil
}

// copyPart takes the rows of one part file as they are.
func (w *writer) copyPart(ctx context.Context, path string, m landing.Manifest) error {
	var names []string
	var casts []caster
	for _, c := range m.Schema.Columns {
		names, casts = append(names, c.Name), append(casts, newCaster(c.Type, false))
	}
	width := len(names)
	names = append(names, operational...)
	var r rows
	flush := func() error {
		if len(r.cells) == 0 {
			return nil
		}
		w.given += int64(len(r.cells))
		err := w.accept(r)
		r = rows{}
		return err
	}
	var size int
	for v, err := range scan(path, names) {
		if err != nil {
			return err
		}
		row := make([]any, width)
		for i, c := range casts {
			row[i] = cellOf(v[i], c)
			if s, ok := row[i].(string); ok {
				size += len(s)
			}
		}
		r.cells = append(r.cells, row)
		r.loads = append(r.loads, origin{loadID: string(v[width].ByteArray()), at: v[width+1].Int64()})
		r.ids = append(r.ids, string(v[width+2].ByteArray()))
		var extra []byte
		if !v[width+3].IsNull() {
			extra = append(extra, v[width+3].ByteArray()...)
		}
		r.extra = append(r.extra, extra)
		if len(r.cells) >= maxChunk || size > 4<<20 {
			size = 0
			if err := flush(); err != nil {
				return err
			}
			if err := ctx.Err(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// drop removes what an earlier run has replaced. The manifest goes first: without it the folder is no load any more.
func (l *Lander) drop(p compaction) error {
	dir := l.streamDir(p.source, p.stream)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var all []landing.Manifest
	for _, e := range entries {
		if !e.IsDir() || landing.Sequence(e.Name()) == 0 {
			continue
		}
		m, err := landing.Read(filepath.Join(dir, e.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		all = append(all, m)
	}
	gone := map[string]bool{}
	for _, m := range all {
		if m.RunID == p.runID {
			continue
		}
		for _, id := range m.Replaces {
			gone[id] = true
		}
	}
	loads, err := landing.Loads(l.opt.Dir, p.source, p.stream)
	if err != nil {
		return err
	}
	if cur := landing.Current(loads); len(cur) > 0 && cur[0].Starts {
		settled := false // the read that counts was complete before this run began
		for _, m := range cur {
			settled = settled || m.Complete && m.RunID != p.runID
		}
		for _, m := range loads {
			if m.LoadID == cur[0].LoadID {
				break
			}
			if settled {
				gone[m.LoadID] = true
			}
		}
	}
	for _, m := range all {
		if !gone[m.LoadID] {
			continue
		}
		if err := os.Remove(filepath.Join(m.Dir, landing.ManifestName)); err != nil {
			return err
		}
		if err := l.opt.Fault("dropped"); err != nil {
			return err
		}
		if err := os.RemoveAll(m.Dir); err != nil {
			return err
		}
	}
	return atomicfile.SyncDir(dir)
}

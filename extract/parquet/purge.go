package parquet

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	pq "github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"millrace/extract/landing"
	"millrace/internal/atomicfile"
	"millrace/internal/fault"
	"millrace/internal/privacy"
)

// Screen says whose rows are looked for in a stream.
type Screen func(source string, columns []privacy.Column) *privacy.Judge

// Purged is what an erasure found, or took out of, one stream.
type Purged struct {
	Source      string `json:"source"`
	Stream      string `json:"stream"`
	Loads       int    `json:"loads"`                 // that hold something
	Dropped     int64  `json:"rows"`                  // rows that go
	Redacted    int64  `json:"redacted,omitempty"`    // rows that stay without what is personal
	Quarantined int64  `json:"quarantined,omitempty"` // rows of quarantine that go
}

// Empty reports whether nothing was found.
func (p Purged) Empty() bool { return p.Dropped+p.Redacted+p.Quarantined == 0 }

// Purge takes rows about erased people out of every load of a stream, superseded loads and quarantine included, and
// redacts those that stay. With dry it only counts. A part file is written anew beside the old one, the manifest that names
// it takes the old one's place by rename, and then the old file goes: whenever a crash comes, a load is whole, and what a
// killed purge left behind goes with the next one. It must not run beside a build of the same target: builds read files
// by name.
func (l *Lander) Purge(ctx context.Context, source, stream string, screen Screen, dry bool) (Purged, error) {
	out := Purged{Source: source, Stream: stream}
	name := source + "." + stream
	if err := l.lock(source, stream); err != nil {
		return out, err
	}
	defer l.release(name)
	entries, err := os.ReadDir(l.streamDir(source, stream))
	if err != nil {
		return out, fault.Wrap(err, "erase in %s", name)
	}
	for _, e := range entries { // not landing.Loads: what a compaction replaced is still on disk
		if !e.IsDir() || landing.Sequence(e.Name()) == 0 {
			continue
		}
		dir := filepath.Join(l.streamDir(source, stream), e.Name())
		m, err := landing.Read(dir)
		if errors.Is(err, fs.ErrNotExist) {
			if !dry { // a load that was never committed holds rows too
				err = os.RemoveAll(dir)
			} else {
				err = nil
			}
		}
		if err == nil && m.Dir != "" {
			err = l.purgeLoad(ctx, m, screen, dry, &out)
		}
		if err != nil {
			return out, fault.Wrap(diskFull(err, l.opt.Dir), "erase in %s", name)
		}
	}
	return out, nil
}

func (l *Lander) purgeLoad(ctx context.Context, m landing.Manifest, screen Screen, dry bool, out *Purged) error {
	if !dry {
		if err := unlisted(m); err != nil {
			return err
		}
	}
	next := m
	next.Files, next.Quarantine = slices.Clone(m.Files), slices.Clone(m.Quarantine)
	var old []string
	found := Purged{}
	for i, f := range m.Files {
		w := rewrite{l: l, m: m, file: f, judge: screen(m.Source, columnsOf(m)), dry: dry}
		made, err := w.run(ctx, &found)
		if err != nil {
			return err
		}
		if made != nil {
			made.Columns = f.Columns
			next.Files[i] = *made
			old = append(old, f.Name)
			next.Rows -= f.Rows - made.Rows
		}
	}
	for i, f := range m.Quarantine {
		w := rewrite{l: l, m: m, file: f, judge: screen(m.Source, nil), dry: dry, raw: true}
		made, err := w.run(ctx, &found)
		if err != nil {
			return err
		}
		if made != nil {
			next.Quarantine[i] = *made
			old = append(old, f.Name)
			next.Quarantined -= f.Rows - made.Rows
		}
	}
	if found.Empty() {
		return nil
	}
	out.Loads++
	out.Dropped += found.Dropped
	out.Redacted += found.Redacted
	out.Quarantined += found.Quarantined
	if dry {
		return nil
	}
	if err := l.commit(next); err != nil {
		return err
	}
	for _, f := range old {
		if err := os.Remove(filepath.Join(m.Dir, f)); err != nil {
			return err
		}
		if err := l.opt.Fault("purged"); err != nil {
			return err
		}
	}
	return atomicfile.SyncDir(m.Dir)
}

// Matching yields the rows of a stream's current and superseded loads that are about a person or mention them, with quarantine,
// by the names of their columns. Values are as Parquet has them; what is null is left out.
func (l *Lander) Matching(ctx context.Context, source, stream string, screen Screen, fn func(row map[string]any) error) error {
	loads, err := landing.Loads(l.opt.Dir, source, stream)
	if err != nil {
		return err
	}
	for _, m := range loads {
		for i, f := range append(slices.Clone(m.Files), m.Quarantine...) {
			r := rewrite{l: l, m: m, file: f, raw: i >= len(m.Files)}
			r.judge = screen(m.Source, nil)
			if !r.raw {
				r.judge = screen(m.Source, columnsOf(m))
			}
			r.shown = fn
			if err := r.each(ctx, filepath.Join(m.Dir, f.Name), func(pq.Row, privacy.Verdict) error { return nil }); err != nil {
				return fault.Wrap(err, "read %s.%s", source, stream)
			}
		}
	}
	return nil
}

// show gives a row by the names of the file's columns.
func show(file *pq.File, row pq.Row) map[string]any {
	out := map[string]any{}
	for i, c := range file.Schema().Columns() {
		v := row[i]
		switch {
		case v.IsNull():
		case v.Kind() == pq.ByteArray:
			out[c[0]] = string(v.ByteArray())
		default:
			out[c[0]] = v.String()
		}
	}
	return out
}

// unlisted removes files of a load that its manifest does not name: a killed purge left them.
func unlisted(m landing.Manifest) error {
	entries, err := os.ReadDir(m.Dir)
	if err != nil {
		return err
	}
	named := map[string]bool{landing.ManifestName: true}
	for _, f := range append(slices.Clone(m.Files), m.Quarantine...) {
		named[f.Name] = true
	}
	for _, e := range entries {
		if !named[e.Name()] && strings.HasSuffix(e.Name(), ".parquet") {
			if err := os.Remove(filepath.Join(m.Dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

func columnsOf(m landing.Manifest) []privacy.Column {
	out := make([]privacy.Column, len(m.Schema.Columns))
	for i, c := range m.Schema.Columns {
		out[i] = privacy.Column{Name: c.Name, PII: c.PII}
	}
	return append(out, privacy.Column{Name: landing.ColExtra, PII: "free_text"})
}

// rewrite is one file that is looked through, and written anew where it holds something.
type rewrite struct {
	l     *Lander
	m     landing.Manifest
	file  landing.File
	judge *privacy.Judge
	dry   bool
	raw   bool // of quarantine

	shown func(row map[string]any) error // gets each row that is not kept, as it is on disk

	at []int // column of the file for each column that is judged; -1: the file lacks it
}

// run looks first and writes only what has to be written. The new file has the old one's columns and types.
func (r *rewrite) run(ctx context.Context, found *Purged) (*landing.File, error) {
	path := filepath.Join(r.m.Dir, r.file.Name)
	before := *found
	if err := r.each(ctx, path, func(_ pq.Row, v privacy.Verdict) error {
		switch {
		case v == privacy.Keep:
		case r.raw:
			found.Quarantined++
		case v == privacy.Drop:
			found.Dropped++
		default:
			found.Redacted++
		}
		return nil
	}); err != nil {
		return nil, err
	}
	if *found == before || r.dry {
		return nil, nil
	}
	name := again(r.file.Name)
	to := filepath.Join(r.m.Dir, name)
	file, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o644)
	if err != nil {
		return nil, err
	}
	made, err := r.write(ctx, path, file)
	if err2 := file.Close(); err == nil {
		err = err2
	}
	if err != nil {
		return nil, errors.Join(err, os.Remove(to))
	}
	made.Name = name
	return made, r.l.opt.Fault("rewritten")
}

// again is the name of the next version of a file: part-00001.parquet, part-00001.e1.parquet, part-00001.e2.parquet.
func again(name string) string {
	base := strings.TrimSuffix(name, ".parquet")
	n := 0
	if head, tail, ok := strings.Cut(base, ".e"); ok {
		if _, err := fmt.Sscanf(tail, "%d", &n); err == nil {
			base = head
		}
	}
	return fmt.Sprintf("%s.e%d.parquet", base, n+1)
}

func (r *rewrite) write(ctx context.Context, path string, file *os.File) (*landing.File, error) {
	src, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	info, err := src.Stat()
	if err != nil {
		return nil, err
	}
	in, err := pq.OpenFile(src, info.Size())
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	sum := sha256.New()
	size := &counter{}
	buf := bufio.NewWriterSize(io.MultiWriter(file, sum, size), 256<<10)
	w := pq.NewGenericWriter[any](buf, in.Schema(), pq.Compression(&zstd.Codec{Level: zstd.SpeedFastest}),
		pq.DictionaryMaxBytes(1<<20), pq.PageBufferSize(256<<10), pq.CreatedBy("millrace", "1", ""), pq.DataPageStatistics(false))
	var rows, group int64
	var one [1]pq.Row
	err = r.each(ctx, path, func(row pq.Row, v privacy.Verdict) error {
		if v == privacy.Drop {
			return nil
		}
		one[0] = row
		if _, err := w.WriteRows(one[:]); err != nil {
			return err
		}
		rows++
		if group++; group >= int64(r.l.opt.RowGroupRows) {
			group = 0
			return w.Flush()
		}
		return nil
	})
	if err == nil {
		err = w.Close()
	}
	if err == nil {
		err = buf.Flush()
	}
	if err == nil {
		err = file.Sync()
	}
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", path, err)
	}
	if n := w.File().NumRows(); n != rows {
		return nil, fmt.Errorf("%s holds %d rows but %d were written: the erasure is given up. This is a fault in millrace", path, n, rows)
	}
	return &landing.File{Rows: rows, Bytes: size.n, SHA256: hex.EncodeToString(sum.Sum(nil))}, nil
}

type counter struct{ n int64 }

func (c *counter) Write(b []byte) (int, error) { c.n += int64(len(b)); return len(b), nil }

// each yields every row of a file with its verdict; a row to be redacted has been.
func (r *rewrite) each(ctx context.Context, path string, fn func(pq.Row, privacy.Verdict) error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	file, err := pq.OpenFile(f, info.Size(), pq.SkipBloomFilters(true), pq.SkipPageIndex(true), pq.ReadBufferSize(256<<10))
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	r.place(file)
	cells := make([]any, len(r.at))
	buf := make([]pq.Row, readBatch)
	for _, g := range file.RowGroups() {
		rows := g.Rows()
		for {
			n, rerr := rows.ReadRows(buf)
			for _, row := range buf[:n] {
				var as map[string]any
				if r.shown != nil {
					as = show(file, row) // before it is redacted
				}
				v := r.verdict(row, cells)
				if r.shown != nil && v != privacy.Keep {
					if err := r.shown(as); err != nil {
						return errors.Join(err, rows.Close())
					}
				}
				if err := fn(row, v); err != nil {
					return errors.Join(err, rows.Close())
				}
			}
			if err := ctx.Err(); err != nil {
				return errors.Join(err, rows.Close())
			}
			if errors.Is(rerr, io.EOF) {
				break
			}
			if rerr != nil {
				return errors.Join(fmt.Errorf("read %s: %w", path, rerr), rows.Close())
			}
		}
		if err := rows.Close(); err != nil {
			return fmt.Errorf("read %s: %w", path, err)
		}
	}
	return nil
}

func (r *rewrite) place(file *pq.File) {
	names := []string{"raw", "value"}
	if !r.raw {
		names = names[:0]
		for _, c := range columnsOf(r.m) {
			names = append(names, c.Name)
		}
	}
	r.at = make([]int, len(names))
	for i, n := range names {
		r.at[i] = -1
		leaf, ok := file.Schema().Lookup(n)
		if !ok {
			continue
		}
		r.at[i] = int(leaf.ColumnIndex)
		t := leaf.Node.Type()
		switch {
		case t.Kind() == pq.ByteArray:
		case t.Kind() == pq.Int64 && (t.LogicalType() == nil || strings.HasPrefix(t.String(), "INT")):
		default:
			r.at[i] = -1 // numbers and times name nobody
		}
	}
}

func (r *rewrite) verdict(row pq.Row, cells []any) privacy.Verdict {
	for i, at := range r.at {
		cells[i] = nil
		if at < 0 || row[at].IsNull() {
			continue
		}
		switch row[at].Kind() {
		case pq.ByteArray:
			cells[i] = string(row[at].ByteArray())
		case pq.Int64:
			cells[i] = row[at].Int64()
		}
	}
	if r.raw {
		for _, c := range cells {
			if s, ok := c.(string); ok && r.judge.Text(s) {
				return privacy.Drop
			}
		}
		return privacy.Keep
	}
	v := r.judge.Row(cells)
	if v != privacy.Redact {
		return v
	}
	for i, at := range r.at {
		switch {
		case at < 0 || row[at].IsNull():
		case cells[i] == nil:
			row[at] = pq.Value{}.Level(0, 0, at)
		case row[at].Kind() == pq.ByteArray:
			row[at] = pq.ByteArrayValue([]byte(cells[i].(string))).Level(0, row[at].DefinitionLevel(), at)
		}
	}
	return v
}

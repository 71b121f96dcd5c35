package activate

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"millrace/internal/atomicfile"
	"millrace/internal/duck"
	"millrace/internal/fault"
	"millrace/internal/state"
)

// Attacher is an ability of warehouses that are a file: the comparison with what is acknowledged then runs inside the
// database, and a row that stands as acknowledged is never seen by Go.
type Attacher interface {
	// Attach gives the build's file, and the limits of memory and threads that a reader of it keeps.
	Attach(ctx context.Context) (path string, o duck.Options, err error)
}

type keyBytes = [16]byte

// sourceRow is one row of the relation: key, subject, decision and time zone as text, then the mapped columns in the order of the
// sync's fields.
type sourceRow struct {
	cells  []any
	source []byte // fingerprint; nil when it was not computed
}

func (r sourceRow) text(i int) string {
	s, _ := r.cells[i].(string)
	return s
}

// comparison splits a relation into rows that stand exactly as they were acknowledged, of which only the number matters,
// and rows that may differ, which exact code looks at. A fingerprint covers everything of a row and of the mapping that
// decides what is sent; equal fingerprints mean an equal wish. Rows that differ in a way that does not matter are found
// to be unchanged by the exact code.
type comparison struct {
	total    int // rows of the relation
	nullKeys int
	same     int // rows that stand as acknowledged
	// twice counts, of these, the rows of each key that is there more than once, word for word.
	twice map[string]int
	// rows gives the rows that may differ, by key. It can be asked several times.
	rows func(ctx context.Context) iter.Seq2[sourceRow, error]
	// settled gives key, subject and decision of the rows that stand as acknowledged; nil when there are none.
	settled func(ctx context.Context) iter.Seq2[sourceRow, error]
	// left are the acknowledged entries that no row stands for exactly.
	left  map[keyBytes]bool // true once a row with this key has been met
	close func() error
}

// compare prepares the comparison. cutoff, when set, treats entries that were acknowledged before it as different.
func (e *Engine) compare(ctx context.Context, s *Sync, w Warehouse, scope string, cutoff time.Time) (*comparison, error) {
	if at, ok := w.(Attacher); ok {
		c, err := e.compareInside(ctx, s, at, scope, cutoff, true)
		if err != nil && ctx.Err() == nil {
			// The snapshot is a copy: whatever is wrong with it, the ledger itself has all of it.
			e.log().Warn("the comparison is made again from the ledger itself", "sync", s.Name, "error", err.Error())
			c, err = e.compareInside(ctx, s, at, scope, cutoff, false)
		}
		return c, err
	}
	return e.compareHere(ctx, s, w, scope)
}

// compareHere takes every row for one that may differ.
func (e *Engine) compareHere(ctx context.Context, s *Sync, w Warehouse, scope string) (*comparison, error) {
	c := &comparison{left: map[keyBytes]bool{}, close: func() error { return nil }}
	err := e.State.Ledger.Tail(ctx, scope, 0, func(t state.TailRow) error {
		if t.Gone {
			return nil
		}
		k, err := state.KeyBytes(t.KeyID)
		c.left[k] = false
		return err
	})
	if err != nil {
		return nil, err
	}
	all := func(ctx context.Context) iter.Seq2[[]any, error] { return w.Query(ctx, s.query()) }
	for row, err := range all(ctx) {
		if err != nil {
			return nil, fault.Wrap(err, "sync %s: read %s", s.Name, s.File.Relation)
		}
		c.total++
		if k, _ := row[0].(string); k == "" {
			c.nullKeys++
		}
	}
	c.rows = func(ctx context.Context) iter.Seq2[sourceRow, error] {
		return func(yield func(sourceRow, error) bool) {
			for row, err := range all(ctx) {
				if err != nil {
					yield(sourceRow{}, fault.Wrap(err, "sync %s: read %s", s.Name, s.File.Relation))
					return
				}
				if len(row) != fixed+len(s.fields) {
					yield(sourceRow{}, fmt.Errorf("sync %s: the query gave %d columns instead of %d", s.Name, len(row), fixed+len(s.fields)))
					return
				}
				if k, _ := row[0].(string); k == "" {
					continue
				}
				if !yield(sourceRow{cells: row}, nil) {
					return
				}
			}
		}
	}
	return c, nil
}

// sources is the relation with a fingerprint for each row: columns key, subject, decision, zone, f0.., hi, lo.
func (s *Sync) sources(secret string) string {
	schema, name, _ := strings.Cut(s.File.Relation, ".")
	optional := func(c string) string {
		if c == "" {
			return "null::varchar"
		}
		return "cast(" + ident(c) + " as varchar)"
	}
	key := "cast(" + ident(s.File.Key.Column) + " as varchar)"
	cols := []string{key + " as \"key\"", optional(s.File.Subject) + " as subject", optional(s.File.Decision) + " as decision", optional(s.zoneColumn()) + " as zone"}
	// The lengths behind the values make the text unambiguous; an empty text has length 0, a null has none.
	parts, lengths := []string{duck.Quote(secret + s.meaning()), key}, []string{"strlen(" + key + ")"}
	for i, f := range s.fields {
		cols = append(cols, fmt.Sprintf("%s as f%d", ident(f.Column), i))
		text := optional(f.Column)
		parts = append(parts, "'|'", text)
		lengths = append(lengths, "','", "strlen("+text+")")
	}
	parts = append(append(parts, "'|'"), lengths...)
	return fmt.Sprintf(`select * exclude (print), (print >> 64)::ubigint as hi, (print & 18446744073709551615)::ubigint as lo
		from (select %s, md5_number(concat(%s)) as print from %s.%s)`, strings.Join(cols, ", "), strings.Join(parts, ", "), ident(schema), ident(name))
}

// halves splits sixteen bytes as the queries do.
func halves(b []byte) (hi, lo uint64) {
	return binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:16])
}

func joined(hi, lo string) ([]byte, error) {
	h, err := strconv.ParseUint(hi, 10, 64)
	if err != nil {
		return nil, err
	}
	l, err := strconv.ParseUint(lo, 10, 64)
	if err != nil {
		return nil, err
	}
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, h), l), nil
}

// compareInside joins relation and fingerprints in a database of its own, to which the build is attached.
func (e *Engine) compareInside(ctx context.Context, s *Sync, at Attacher, scope string, cutoff time.Time, useSnapshot bool) (c *comparison, err error) {
	path, o, err := at.Attach(ctx)
	if err != nil {
		return nil, err
	}
	db, err := duck.Open(ctx, "", duck.Options{Threads: o.Threads, MemoryLimit: o.MemoryLimit, TempDir: o.TempDir})
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1) // temporary tables and the attached build belong to one connection
	defer func() {
		if err != nil {
			err = errors.Join(err, db.Close())
		}
	}()
	acked, err := e.ackedTable(ctx, db, scope, useSnapshot)
	if err != nil {
		return nil, err
	}
	if !cutoff.IsZero() {
		// An entry that is due again stands for nothing, so its row is looked at.
		acked = fmt.Sprintf("select khi, klo, case when day < %d then null else hi end as hi, lo from (%s)", dayOf(cutoff), acked)
	}
	from := "select * from sources"
	for _, q := range []string{
		"attach " + duck.Quote(path) + " as build (read_only)",
		"use build",
		"create temp view sources as " + s.sources(e.State.Ledger.Secret(scope)),
		"create temp view acked as " + acked,
		// Entries without a fingerprint match nothing: null equals nothing.
		`create temp table differ as select r.*, a.khi, a.klo from (` + from + `) as r full outer join acked as a on r.hi = a.hi and r.lo = a.lo where r.hi is null or a.hi is null`,
	} {
		if err := db.Exec(ctx, q); err != nil {
			return nil, fault.Wrap(err, "sync %s: compare %s with what is acknowledged", s.Name, s.File.Relation)
		}
	}
	c = &comparison{left: map[keyBytes]bool{}, close: db.Close}
	one := func(q string, into ...*int) error {
		res, err := db.Query(ctx, q)
		if err != nil {
			return fault.Wrap(err, "sync %s: compare", s.Name)
		}
		for i := range into {
			n, _ := res.Rows[0][i].(int64)
			*into[i] = int(n)
		}
		return nil
	}
	var differ, entries, left int
	schema, name, _ := strings.Cut(s.File.Relation, ".")
	if err := errors.Join(
		one("select count(*) from "+ident(schema)+"."+ident(name), &c.total),
		one(`select count(*) filter (khi is null), count(*) filter (khi is null and coalesce("key", '') = ''), count(*) filter (khi is not null) from differ`, &differ, &c.nullKeys, &left),
		one("select count(*) from acked", &entries),
	); err != nil {
		return nil, err
	}
	c.same = c.total - differ
	if c.same != entries-left { // some row stands twice, word for word
		c.twice = map[string]int{}
		err := db.Each(ctx, `select "key", count(*) as n from sources where coalesce("key", '') <> '' and (hi, lo) in (select hi, lo from acked where hi is not null) group by "key" having n > 1`, func(row []any) error {
			key, _ := row[0].(string)
			n, _ := row[1].(int64)
			c.twice[key] = int(n)
			return nil
		})
		if err != nil {
			return nil, fault.Wrap(err, "sync %s: compare", s.Name)
		}
	}
	err = db.Each(ctx, "select khi::varchar, klo::varchar from differ where khi is not null", func(row []any) error {
		hi, _ := row[0].(string)
		lo, _ := row[1].(string)
		b, err := joined(hi, lo)
		if err == nil {
			c.left[keyBytes(b)] = false
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	fields := ""
	for i := range s.fields {
		fields += fmt.Sprintf("f%d, ", i)
	}
	c.rows = each(db, s, `select "key", subject, decision, zone, `+fields+`hi::varchar, lo::varchar from differ where khi is null and "key" <> '' order by "key"`, fixed+len(s.fields))
	c.settled = each(db, s, `select "key", subject, decision, hi::varchar, lo::varchar from sources where (hi, lo) in (select hi, lo from acked where hi is not null)`, 3)
	return c, nil
}

// each makes an iterator of a query whose last two columns are a fingerprint.
func each(db *duck.DB, s *Sync, q string, n int) func(context.Context) iter.Seq2[sourceRow, error] {
	return func(ctx context.Context) iter.Seq2[sourceRow, error] {
		return func(yield func(sourceRow, error) bool) {
			stopped := errors.New("enough")
			err := db.Each(ctx, q, func(row []any) error {
				hi, _ := row[n].(string)
				lo, _ := row[n+1].(string)
				b, err := joined(hi, lo)
				if err != nil {
					return err
				}
				if !yield(sourceRow{cells: row[:n:n], source: b}, nil) {
					return stopped
				}
				return nil
			})
			if err != nil && !errors.Is(err, stopped) {
				yield(sourceRow{}, fault.Wrap(err, "sync %s: read %s", s.Name, s.File.Relation))
			}
		}
	}
}

func dayOf(t time.Time) int64 { return t.UTC().Unix() / 86400 }

// ackedTable gives a query for the ledger's fingerprints: khi, klo, hi, lo, day. What changed since the snapshot is read
// from the state file into a temporary table.
func (e *Engine) ackedTable(ctx context.Context, db *duck.DB, scope string, useSnapshot bool) (string, error) {
	l := e.State.Ledger
	snap, ok, err := l.Snapshot(ctx, scope)
	if err != nil {
		return "", err
	}
	if ok {
		if _, err := os.Stat(snap.File); err != nil || !useSnapshot {
			ok = false
		}
	}
	since := int64(0)
	if ok {
		since = snap.Version
	}
	if err := os.MkdirAll(l.SnapshotDir(), 0o700); err != nil {
		return "", err
	}
	f, err := os.CreateTemp(l.SnapshotDir(), "tail-*.csv") // mode 0600
	if err != nil {
		return "", err
	}
	defer os.Remove(f.Name())
	w := bufio.NewWriterSize(f, 1<<16)
	err = l.Tail(ctx, scope, since, func(t state.TailRow) error {
		k, err := state.KeyBytes(t.KeyID)
		if err != nil {
			return err
		}
		hi, lo := halves(k[:])
		line := strconv.AppendUint(nil, hi, 10)
		line = append(line, ',')
		line = strconv.AppendUint(line, lo, 10)
		line = append(line, ',')
		if len(t.Source) == 16 {
			hi, lo = halves(t.Source)
			line = strconv.AppendUint(line, hi, 10)
			line = append(line, ',')
			line = strconv.AppendUint(line, lo, 10)
		} else {
			line = append(line, ',')
		}
		line = append(line, ',')
		line = strconv.AppendInt(line, dayOf(t.Acked), 10)
		line = append(line, ',')
		line = strconv.AppendBool(line, t.Gone)
		_, err = w.Write(append(line, '\n'))
		return err
	})
	if err = errors.Join(err, w.Flush(), f.Close()); err != nil {
		return "", fmt.Errorf("read the ledger of %s: %w", scope, err)
	}
	q := "create temp table tail as select * from read_csv(" + duck.Quote(f.Name()) + `, header = false, delim = ',', auto_detect = false,
		columns = {khi: 'ubigint', klo: 'ubigint', hi: 'ubigint', lo: 'ubigint', day: 'integer', gone: 'boolean'})`
	if err := db.Exec(ctx, q); err != nil {
		return "", err
	}
	if !ok {
		return "select khi, klo, hi, lo, day from tail where not gone", nil
	}
	return "select khi, klo, hi, lo, day from read_parquet(" + duck.Quote(snap.File) + ") as s where not exists (select 1 from tail as t where t.khi = s.khi and t.klo = s.klo)" +
		" union all select khi, klo, hi, lo, day from tail where not gone", nil
}

// When a snapshot is made: a small ledger is read from the state file in no time.
const (
	snapshotFrom = 20_000  // entries that changed since the last one
	snapshotPart = 10      // or this part of the ledger, whichever is more ...
	snapshotMax  = 200_000 // ... but no more than this
)

// compact writes a new snapshot when enough has changed since the last one. It changes nothing that a plan depends on, so
// a crash at any point of it is harmless.
func (e *Engine) compact(ctx context.Context, scope string) error {
	l := e.State.Ledger
	snap, had, err := l.Snapshot(ctx, scope)
	if err != nil {
		return err
	}
	since := int64(0)
	if had {
		if _, err := os.Stat(snap.File); err == nil {
			since = snap.Version
		}
	}
	tail, err := l.TailSize(ctx, scope, since)
	if err != nil || tail < snapshotFrom {
		return err
	}
	stats, err := l.Stats(ctx, scope)
	if err != nil || tail < min(stats.Entries/snapshotPart, snapshotMax) {
		return err
	}
	version, err := l.Version(ctx, scope)
	if err != nil {
		return err
	}
	return e.writeSnapshot(ctx, scope, version)
}

func (e *Engine) writeSnapshot(ctx context.Context, scope string, version int64) (err error) {
	l := e.State.Ledger
	db, err := duck.Open(ctx, "", duck.Options{Threads: 2, MemoryLimit: "512MB", TempDir: filepath.Join(l.SnapshotDir(), "tmp")})
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	defer func() { err = errors.Join(err, db.Close()) }()
	q, err := e.ackedTable(ctx, db, scope, true)
	if err != nil {
		return err
	}
	tmp, err := os.CreateTemp(l.SnapshotDir(), "new-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	if err := tmp.Close(); err != nil {
		return err
	}
	if err := db.Exec(ctx, "copy ("+q+") to "+duck.Quote(tmp.Name())+" (format parquet, compression uncompressed)"); err != nil {
		return err
	}
	res, err := db.Query(ctx, "select count(*) from read_parquet("+duck.Quote(tmp.Name())+")")
	if err != nil {
		return err
	}
	n, _ := res.Rows[0][0].(int64)
	if f, err := os.OpenFile(tmp.Name(), os.O_RDWR, 0o600); err != nil {
		return err
	} else if err := errors.Join(f.Chmod(0o600), f.Sync(), f.Close()); err != nil {
		return err
	}
	final := filepath.Join(l.SnapshotDir(), strings.TrimPrefix(filepath.Base(tmp.Name()), "new-")+".parquet")
	if err := os.Rename(tmp.Name(), final); err != nil {
		return err
	}
	if err := atomicfile.SyncDir(l.SnapshotDir()); err != nil {
		return err
	}
	old, err := l.SetSnapshot(ctx, scope, state.Snapshot{File: final, Version: version, Entries: int(n)})
	if err != nil || old == "" {
		return err
	}
	if err := os.Remove(old); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Compact writes a snapshot of the sync's ledger now, however little has changed since the last one.
func (e *Engine) Compact(ctx context.Context, s *Sync, d Destination) error {
	caps, err := d.Capabilities(s.File.Object)
	if err != nil {
		return err
	}
	scope := s.scope(caps)
	version, err := e.State.Ledger.Version(ctx, scope)
	if err != nil {
		return err
	}
	return e.writeSnapshot(ctx, scope, version)
}

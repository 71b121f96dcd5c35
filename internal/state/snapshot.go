package state

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"time"
)

// Snapshot is a file that holds, for every entry of a scope's ledger at one version, its key id and the fingerprint of the
// relation's row behind it: what a query engine needs to find the rows that changed without reading this database. It
// holds keyed hashes only and can be made again; the ledger stays the truth.
type Snapshot struct {
	File    string // absolute path
	Version int64
	Entries int
}

// SnapshotDir is the folder for snapshots, beside the state file.
func (s Ledger) SnapshotDir() string { return filepath.Join(filepath.Dir(s.d.path), "acked") }

// Snapshot gives the scope's newest snapshot; false when there is none.
func (s Ledger) Snapshot(ctx context.Context, scope string) (Snapshot, bool, error) {
	var v Snapshot
	err := s.d.db.QueryRowContext(ctx, `select file, version, entries from ledger_snapshots where scope = ?`, scope).Scan(&v.File, &v.Version, &v.Entries)
	if errors.Is(err, sql.ErrNoRows) {
		return v, false, nil
	}
	if err != nil {
		return v, false, fmt.Errorf("read ledger: %w", err)
	}
	v.File = filepath.Join(s.SnapshotDir(), v.File)
	return v, true, nil
}

// SetSnapshot records a snapshot that is durable already, and gives the file that it replaces; empty when there was none.
func (s Ledger) SetSnapshot(ctx context.Context, scope string, v Snapshot) (old string, err error) {
	err = s.d.tx(ctx, "record snapshot of the ledger", func(t *sql.Tx) error {
		err := t.QueryRowContext(ctx, `select file from ledger_snapshots where scope = ?`, scope).Scan(&old)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if _, err := t.ExecContext(ctx, `insert into ledger_snapshots (scope, file, version, entries) values (?,?,?,?) on conflict (scope) do update set
			file = excluded.file, version = excluded.version, entries = excluded.entries`, scope, filepath.Base(v.File), v.Version, v.Entries); err != nil {
			return err
		}
		_, err = t.ExecContext(ctx, `delete from acked_gone where scope = ? and version <= ?`, scope, v.Version)
		return err
	})
	if old != "" {
		old = filepath.Join(s.SnapshotDir(), old)
	}
	return old, err
}

// TailRow is one entry that changed after a version.
type TailRow struct {
	KeyID  string
	Source []byte // nil: not known, or the entry is gone
	Acked  time.Time
	Gone   bool
}

// Tail calls fn for every entry of a scope that changed, appeared or went after a version; 0 gives all. fn must not write.
func (s Ledger) Tail(ctx context.Context, scope string, since int64, fn func(TailRow) error) error {
	rows, err := s.d.db.QueryContext(ctx, `select key_id, source, acked_at, 0 from acked where scope = ? and version > ?
		union all
		select key_id, null, null, 1 from acked_gone as g where scope = ? and version > ? and not exists (select 1 from acked where acked.scope = g.scope and acked.key_id = g.key_id)`,
		scope, since, scope, since)
	if err != nil {
		return fmt.Errorf("read ledger: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var v TailRow
		if err := rows.Scan(&v.KeyID, &v.Source, instant{&v.Acked}, &v.Gone); err != nil {
			return fmt.Errorf("read ledger: %w", err)
		}
		if err := fn(v); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read ledger: %w", err)
	}
	return nil
}

// TailSize counts what changed after a version.
func (s Ledger) TailSize(ctx context.Context, scope string, since int64) (int, error) {
	var n int
	err := s.d.db.QueryRowContext(ctx, `select (select count(*) from acked where scope = ? and version > ?) + (select count(*) from acked_gone where scope = ? and version > ?)`,
		scope, since, scope, since).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("read ledger: %w", err)
	}
	return n, nil
}

// Stats are the counts of a ledger: its entries, and for each field those that hold a value of ours.
type Stats struct {
	Entries int
	Filled  map[string]int
}

// Stats gives the counts. They are kept with every change; a ledger from before they were is counted once.
func (s Ledger) Stats(ctx context.Context, scope string) (Stats, error) {
	out := Stats{Filled: map[string]int{}}
	var counted bool
	err := s.d.db.QueryRowContext(ctx, `select entries, counted from ledgers where scope = ?`, scope).Scan(&out.Entries, &counted)
	if errors.Is(err, sql.ErrNoRows) {
		return out, nil
	}
	if err != nil {
		return out, fmt.Errorf("read ledger: %w", err)
	}
	if !counted {
		return s.recount(ctx, scope)
	}
	type pair struct {
		field string
		n     int
	}
	list, err := all(ctx, s.d.db, "read ledger", func(r scanner) (pair, error) {
		var p pair
		return p, r.Scan(&p.field, &p.n)
	}, `select field, filled from ledger_fields where scope = ?`, scope)
	for _, p := range list {
		out.Filled[p.field] = p.n
	}
	return out, err
}

func (s Ledger) recount(ctx context.Context, scope string) (Stats, error) {
	out := Stats{Filled: map[string]int{}}
	err := s.d.tx(ctx, "count ledger", func(t *sql.Tx) error {
		list, err := all(ctx, t, "count ledger", func(r scanner) (struct{}, error) {
			e, err := s.scan(r, scope)
			if err != nil {
				return struct{}{}, err
			}
			out.Entries++
			for f, v := range e.Fields {
				if holds(v.V) {
					out.Filled[f]++
				}
			}
			return struct{}{}, nil
		}, `select key_id, body, claim, remote_id, created_it, outbox_id, acked_at, source from acked where scope = ?`, scope)
		if err != nil {
			return err
		}
		_ = list // the counts are what was wanted
		if _, err := t.ExecContext(ctx, `delete from ledger_fields where scope = ?`, scope); err != nil {
			return err
		}
		for f, n := range out.Filled {
			if _, err := t.ExecContext(ctx, `insert into ledger_fields (scope, field, filled) values (?,?,?)`, scope, f, n); err != nil {
				return err
			}
		}
		_, err = t.ExecContext(ctx, `update ledgers set entries = ?, counted = 1 where scope = ?`, out.Entries, scope)
		return err
	})
	return out, err
}

// Secret is a key for fingerprints of one scope's source rows: hexadecimal, the same for ever, known to this state only.
// With it a fingerprint tells nothing to one who tries out addresses.
func (s Ledger) Secret(scope string) string { return s.d.vault.ID("fingerprint", scope) }

// KeyBytes gives the sixteen bytes of a key id.
func KeyBytes(id string) ([16]byte, error) {
	var out [16]byte
	raw, err := hex.DecodeString(id)
	if err != nil || len(raw) != len(out) {
		return out, fmt.Errorf("%q is not a key id", id)
	}
	copy(out[:], raw)
	return out, nil
}

// Package state keeps what cannot be rebuilt: the journal of runs, the ledgers of what was sent, approvals, pre-images.
// One SQLite file per target holds all of it; the rest of Millrace sees small typed methods and no SQL.
//
// Durability: every method that writes has reached the disk when it returns nil (write-ahead log, synchronous FULL).
// Concurrency: a DB is safe for concurrent use, and several processes may hold the same file; a writer waits up to
// ten seconds for another. Every transaction that writes takes the write lock at its begin, so none fails half-way
// because a reader's snapshot grew old.
//
// Invariants: P6 (only an answer moves a row's ledger), P8 (pre-images and payloads are encrypted; see Vault).
// It must not know any stage: callers hand in plain values and hand-off values.
package state

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"millrace/internal/atomicfile"
	"millrace/internal/fault"

	_ "modernc.org/sqlite" // registers the driver; nothing else of it is used by name
)

// applicationID marks a SQLite file as Millrace's ("MILR"); other files are refused instead of being changed.
const applicationID = 0x4d494c52

// busyMillis is how long a writer waits for another one before it gives up.
const busyMillis = 10_000

// DB is the state of one target. Its parts are grouped by concern.
type DB struct {
	Runs       Runs       // journal of runs and steps
	Deliveries Deliveries // reports handed to channels
	Decisions  Decisions  // log of decisions
	Switches   Switches   // kill switches
	Consents   Consents   // what subjects allow
	Touches    Touches    // messages that reached somebody
	Plans      Plans      // plans and approvals
	Outbox     Outbox     // changes on their way, attempts, pre-images, jobs
	Ledger     Ledger     // what destinations acknowledged
	Spend      Spend      // money that rows commit
	Edits      Edits      // what people changed at destinations after us
	Health     Health     // whether syncs are well
	Overrides  Overrides  // what people said about who is who
	Tombstones Tombstones // erased people who must not come back
	Erasures   Erasures   // requests to forget people

	db    *sql.DB
	vault *Vault
	path  string
}

// Open opens the file at path and creates it, readable by its owner only, when it is not there. Older files are
// migrated inside one transaction per step; a file written by a newer binary is refused untouched.
func Open(ctx context.Context, path string) (*DB, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open state %s: %w", path, err)
	}
	if err := create(abs); err != nil {
		return nil, err
	}
	q := url.Values{"_txlock": {"immediate"}, "_pragma": {
		fmt.Sprintf("busy_timeout(%d)", busyMillis), "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(ON)",
	}}
	dsn := (&url.URL{Scheme: "file", Path: abs, RawQuery: q.Encode()}).String()
	pool, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, fmt.Errorf("open state %s: %w", path, err)
	}
	pool.SetMaxOpenConns(8)
	pool.SetMaxIdleConns(8)
	if err := migrate(ctx, pool, path); err != nil {
		pool.Close()
		return nil, err
	}
	db := &DB{db: pool, path: abs}
	db.Runs = Runs{db}
	db.Deliveries = Deliveries{db}
	db.Decisions, db.Switches, db.Consents, db.Touches = Decisions{db}, Switches{db}, Consents{db}, Touches{db}
	db.Plans, db.Outbox, db.Ledger = Plans{db}, Outbox{db}, Ledger{db}
	db.Overrides, db.Tombstones, db.Erasures = Overrides{db}, Tombstones{db}, Erasures{db}
	db.Spend, db.Edits, db.Health = Spend{db}, Edits{db}, Health{db}
	if db.vault, err = openVault(ctx, db); err != nil {
		pool.Close()
		return nil, err
	}
	return db, nil
}

// create makes an empty file with mode 0600 before SQLite does: its journal files inherit the mode (P8).
func create(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("create folder for state: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return &fault.Error{File: path, Msg: "cannot create the state file", Err: err,
			Hint: "Check that the folder can be written and the disk has room."}
	}
	if err := f.Close(); err != nil {
		return err
	}
	return atomicfile.SyncDir(filepath.Dir(path))
}

// Vault encrypts values about people and makes keyed identifiers, with this state's key.
func (d *DB) Vault() *Vault { return d.vault }

// Close releases the file. The last process to close it folds the write-ahead log in.
func (d *DB) Close() error { return d.db.Close() }

// Path is the file's absolute path.
func (d *DB) Path() string { return d.path }

// Backup writes a consistent copy to path, which must not exist, while others read and write. Copying the file by
// hand would miss the write-ahead log.
func (d *DB) Backup(ctx context.Context, path string) error {
	if _, err := os.Stat(path); err == nil {
		return &fault.Error{File: path, Msg: "the backup would overwrite a file", Hint: "Name a new file."}
	}
	tmp := path + ".part"
	os.Remove(tmp)
	if f, err := os.OpenFile(tmp, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600); err != nil {
		return fmt.Errorf("backup state: %w", err)
	} else if err := f.Close(); err != nil {
		return fmt.Errorf("backup state: %w", err)
	}
	if _, err := d.db.ExecContext(ctx, "vacuum into ?", tmp); err != nil {
		os.Remove(tmp)
		return fmt.Errorf("backup state to %s: %w", path, err)
	}
	f, err := os.OpenFile(tmp, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("backup state: %w", err)
	}
	err = errors.Join(f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		return fmt.Errorf("backup state to %s: %w", path, err)
	}
	return atomicfile.SyncDir(filepath.Dir(path))
}

// tx runs fn in one writing transaction.
func (d *DB) tx(ctx context.Context, what string, fn func(*sql.Tx) error) error {
	t, err := d.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if err := fn(t); err != nil {
		return errors.Join(fmt.Errorf("%s: %w", what, err), ignoreDone(t.Rollback()))
	}
	if err := t.Commit(); err != nil {
		return fmt.Errorf("%s: commit: %w", what, err)
	}
	return nil
}

func ignoreDone(err error) error {
	if errors.Is(err, sql.ErrTxDone) {
		return nil
	}
	return err
}

// exec runs one statement and reports how many rows it touched.
func (d *DB) exec(ctx context.Context, what, q string, args ...any) (int64, error) {
	var n int64
	err := d.tx(ctx, what, func(t *sql.Tx) error {
		res, err := t.ExecContext(ctx, q, args...)
		if err != nil {
			return err
		}
		n, err = res.RowsAffected()
		return err
	})
	return n, err
}

// scanner is a row or rows.
type scanner interface{ Scan(dest ...any) error }

// queryer is the database or a transaction.
type queryer interface {
	QueryContext(ctx context.Context, q string, args ...any) (*sql.Rows, error)
}

// all reads every row of a query with one scan function.
func all[T any](ctx context.Context, q queryer, what string, scan func(scanner) (T, error), query string, args ...any) ([]T, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
		out = append(out, v)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return out, nil
}

// timeLayout is fixed in width, so that text order is time order, and readable in the SQLite shell.
const timeLayout = "2006-01-02T15:04:05.000000Z"

func stamp(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format(timeLayout)
}

// instant reads what stamp wrote; NULL is the zero time.
type instant struct{ at *time.Time }

func (i instant) Scan(v any) error {
	switch x := v.(type) {
	case nil:
		*i.at = time.Time{}
		return nil
	case string:
		t, err := time.Parse(timeLayout, x)
		if err != nil {
			return fmt.Errorf("time %q in state is not in the form %s: %w", x, timeLayout, err)
		}
		*i.at = t
		return nil
	}
	return fmt.Errorf("time in state has type %T", v)
}

// text reads a nullable text column; NULL is "".
type text struct{ s *string }

func (t text) Scan(v any) error {
	switch x := v.(type) {
	case nil:
		*t.s = ""
	case string:
		*t.s = x
	case []byte:
		*t.s = string(x)
	default:
		return fmt.Errorf("text in state has type %T", v)
	}
	return nil
}

func nullable(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func hexID(n int64) string {
	return "0x" + hex.EncodeToString([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
}

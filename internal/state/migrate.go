package state

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"strings"

	"millrace/internal/fault"
)

// The migrations in order; the number in a name is the version that the file has after it. A migration that has been
// released is never edited: a new one follows it.
//
//go:embed migrations/*.sql
var migrationFiles embed.FS

func migrations() ([]string, error) {
	names, err := fs.Glob(migrationFiles, "migrations/*.sql") // Glob sorts
	if err != nil {
		return nil, err
	}
	out := make([]string, len(names))
	for i, n := range names {
		if !strings.HasPrefix(n, fmt.Sprintf("migrations/%04d_", i+1)) {
			return nil, fmt.Errorf("state migration %s is out of order: number %04d expected", n, i+1)
		}
		b, err := migrationFiles.ReadFile(n)
		if err != nil {
			return nil, err
		}
		out[i] = string(b)
	}
	return out, nil
}

// migrate brings the file to this binary's version. Every step is one transaction that begins by reading the version
// again, so two processes that open an old file at once do each step once.
func migrate(ctx context.Context, db *sql.DB, path string) error {
	steps, err := migrations()
	if err != nil {
		return err
	}
	// Looking first without the write lock: a file that is up to date opens while another process writes.
	if v, err := check(ctx, db, path, len(steps)); err != nil || v == len(steps) {
		return err
	}
	for {
		done := false
		t, err := db.BeginTx(ctx, nil)
		if err != nil {
			return notAFile(path, err)
		}
		err = func() error {
			v, err := check(ctx, t, path, len(steps))
			if err != nil {
				return err
			}
			if v == len(steps) {
				done = true
				return nil
			}
			if _, err := t.ExecContext(ctx, steps[v]); err != nil {
				return fmt.Errorf("migrate state %s to version %d: %w", path, v+1, err)
			}
			for _, p := range []string{fmt.Sprintf("pragma user_version = %d", v+1), fmt.Sprintf("pragma application_id = %d", applicationID)} {
				if _, err := t.ExecContext(ctx, p); err != nil {
					return fmt.Errorf("migrate state %s: %s: %w", path, p, err)
				}
			}
			return nil
		}()
		if err != nil || done {
			_ = t.Rollback() // nothing was written, or the error says why
			return err
		}
		if err := t.Commit(); err != nil {
			return fmt.Errorf("migrate state %s: commit: %w", path, err)
		}
	}
}

type rowQueryer interface {
	QueryRowContext(ctx context.Context, q string, args ...any) *sql.Row
}

// check reads the version and refuses files that are not ours or newer than this binary.
func check(ctx context.Context, t rowQueryer, path string, latest int) (int, error) {
	var v, app, tables int64
	for q, dst := range map[string]*int64{"pragma user_version": &v, "pragma application_id": &app, "select count(*) from sqlite_schema": &tables} {
		if err := t.QueryRowContext(ctx, q).Scan(dst); err != nil {
			return 0, notAFile(path, err)
		}
	}
	switch {
	case app != applicationID && (tables > 0 || v > 0 || app != 0):
		return 0, &fault.Error{File: path, Msg: "this SQLite file is not a Millrace state file", Value: "application_id " + hexID(app),
			Hint: "Move it away, or point the target at another folder."}
	case v > int64(latest):
		return 0, &fault.Error{File: path, Msg: fmt.Sprintf("the state was written by a newer Millrace (version %d, this one knows %d)", v, latest),
			Hint: "Use the newer binary; nothing was changed."}
	}
	return int(v), nil
}

func notAFile(path string, err error) error {
	hint := "Check that the file can be read and written."
	if strings.Contains(err.Error(), "not a database") || strings.Contains(err.Error(), "malformed") {
		hint = "The file is damaged or is not SQLite: restore it from a backup (millrace state backup), or move it away to start anew; without it Millrace has no memory of what was sent."
	}
	return &fault.Error{File: path, Msg: "cannot open the state file", Err: err, Hint: hint}
}

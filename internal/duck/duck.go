// Package duck is the only importer of the DuckDB driver, and so of cgo. It opens databases with the settings that
// Millrace relies on and reads results into plain values. It must not know models, sources or projects.
package duck

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	duckdb "github.com/duckdb/duckdb-go/v2"
)

// Options are the settings of one open database.
type Options struct {
	ReadOnly bool
	// Locked switches external access off and locks the configuration: for any query that a person or a language
	// model wrote. Files and other databases cannot be reached then.
	Locked      bool
	Threads     int    // 0: DuckDB's default
	MemoryLimit string // "2GB"; empty: DuckDB's default. Peak memory of the process is about 0.75 GB above it.
	TempDir     string // where to spill; empty: DuckDB's default
}

// DB is an open database. It is safe for concurrent use; Close it.
type DB struct {
	*sql.DB
	connector *duckdb.Connector
}

// Column is one column of a result.
type Column struct {
	Name string
	Type string // DuckDB type name
}

// Result is a whole result in memory. Cells are nil, bool, int64, float64, string, []byte, time.Time (UTC),
// Decimal, *big.Int or nested []any / map[string]any.
type Result struct {
	Columns []Column
	Rows    [][]any
}

// Open opens the database at path, or an in-memory one when path is empty.
func Open(ctx context.Context, path string, o Options) (*DB, error) {
	dsn := path
	if o.ReadOnly {
		dsn += "?access_mode=READ_ONLY"
	}
	c, err := duckdb.NewConnector(dsn, nil)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name(path), Clean(err))
	}
	db := &DB{DB: sql.OpenDB(c), connector: c}
	// Instants are UTC everywhere; results must not depend on the session's zone (P4).
	set := []string{"set TimeZone = 'UTC'", "set autoinstall_known_extensions = false", "set autoload_known_extensions = false"}
	if o.Threads > 0 {
		set = append(set, fmt.Sprintf("set threads = %d", o.Threads))
	}
	if o.MemoryLimit != "" {
		set = append(set, fmt.Sprintf("set memory_limit = %s", Quote(o.MemoryLimit)))
	}
	if o.TempDir != "" {
		set = append(set, fmt.Sprintf("set temp_directory = %s", Quote(o.TempDir)))
	}
	if o.Locked {
		set = append(set, "set enable_external_access = false", "set lock_configuration = true")
	}
	for _, s := range set {
		if _, err := db.ExecContext(ctx, s); err != nil {
			db.Close()
			return nil, fmt.Errorf("open %s: %s: %w", name(path), s, Clean(err))
		}
	}
	return db, nil
}

// Query runs q and reads the whole result.
func (db *DB) Query(ctx context.Context, q string, args ...any) (*Result, error) {
	return read(db.DB.QueryContext(ctx, q, args...))
}

func read(rows *sql.Rows, err error) (*Result, error) {
	if err != nil {
		return nil, Clean(err)
	}
	defer rows.Close()
	types, err := rows.ColumnTypes()
	if err != nil {
		return nil, Clean(err)
	}
	res := &Result{Columns: make([]Column, len(types))}
	for i, t := range types {
		res.Columns[i] = Column{Name: t.Name(), Type: t.DatabaseTypeName()}
	}
	for rows.Next() {
		row := make([]any, len(types))
		ptr := make([]any, len(types))
		for i := range row {
			ptr[i] = &row[i]
		}
		if err := rows.Scan(ptr...); err != nil {
			return nil, Clean(err)
		}
		for i := range row {
			row[i] = plain(row[i])
		}
		res.Rows = append(res.Rows, row)
	}
	return res, Clean(rows.Err())
}

// Exec runs a statement that returns no rows of interest.
func (db *DB) Exec(ctx context.Context, q string, args ...any) error {
	_, err := db.DB.ExecContext(ctx, q, args...)
	return Clean(err)
}

// Each runs q and calls fn for every row; cells are as in Result. The slice is reused between calls.
func (db *DB) Each(ctx context.Context, q string, fn func(row []any) error, args ...any) error {
	rows, err := db.DB.QueryContext(ctx, q, args...)
	if err != nil {
		return Clean(err)
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return Clean(err)
	}
	row, ptr := make([]any, len(names)), make([]any, len(names))
	for i := range row {
		ptr[i] = &row[i]
	}
	for rows.Next() {
		if err := rows.Scan(ptr...); err != nil {
			return Clean(err)
		}
		for i := range row {
			row[i] = plain(row[i])
		}
		if err := fn(row); err != nil {
			return err
		}
	}
	return Clean(rows.Err())
}

// Version is the version of the engine, such as v1.5.5.
func (db *DB) Version(ctx context.Context) (string, error) {
	var v string
	err := db.DB.QueryRowContext(ctx, "select version()").Scan(&v)
	return v, Clean(err)
}

func name(path string) string {
	if path == "" {
		return "an in-memory database"
	}
	return path
}

// Ident quotes an identifier.
func Ident(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// Quote quotes a text literal.
func Quote(s string) string { return `'` + strings.ReplaceAll(s, `'`, `''`) + `'` }

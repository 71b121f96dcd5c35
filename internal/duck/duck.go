// Package duck is the only importer of the DuckDB driver, and so of cgo. It opens databases with the settings that
// Millrace relies on and reads results into plain values. It must not know models, sources or projects.
package duck

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"

	duckdb "github.com/duckdb/duckdb-go/v2"
	"github.com/duckdb/duckdb-go/v2/mapping"
)

// Options are the settings of one open database.
type Options struct {
	ReadOnly bool
	// Locked switches external access off and locks the configuration: for any query that a person or a language
	// model wrote. Files and other databases cannot be reached then.
	Locked bool
	// Allow are files that a locked database may still read: its own Parquet. A locked read-only database refuses every
	// statement that is not a query, so they cannot be written.
	Allow       []string
	Threads     int    // 0: DuckDB's default
	MemoryLimit string // "2GB"; empty: DuckDB's default. Peak memory of the process is about 0.75 GB above it.
	TempDir     string // where to spill; empty: DuckDB's default
	Functions   []Function
}

// DB is an open database. It is safe for concurrent use; Close it.
type DB struct {
	*sql.DB
	connector *duckdb.Connector
	readsOnly bool
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
	db := &DB{DB: sql.OpenDB(c), connector: c, readsOnly: o.ReadOnly && o.Locked}
	// A file that is open twice in one process is one database: once its configuration is locked, it has been set.
	if done, err := db.configured(ctx, o); err != nil || done {
		if err != nil {
			db.Close()
			return nil, fmt.Errorf("open %s: %w", name(path), Clean(err))
		}
		return db, nil
	}
	if err := db.register(ctx, o.Functions); err != nil {
		db.Close()
		return nil, fmt.Errorf("open %s: %w", name(path), err)
	}
	// Instants are UTC everywhere; results must not depend on the session's zone (P4). Global, or only this one
	// connection of the pool would have it.
	set := []string{"set global TimeZone = 'UTC'", "set autoinstall_known_extensions = false", "set autoload_known_extensions = false"}
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
		if len(o.Allow) > 0 {
			q := make([]string, len(o.Allow))
			for i, f := range o.Allow {
				q[i] = Quote(f)
			}
			set = append(set, "set allowed_paths = ["+strings.Join(q, ", ")+"]")
		}
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

// configured reports whether the database was opened and locked before in this process, with settings that serve o. A
// reader that did not ask for the lock reads under it.
func (db *DB) configured(ctx context.Context, o Options) (bool, error) {
	if !o.ReadOnly {
		return false, nil
	}
	var locked, external bool
	var zone string
	err := db.QueryRowContext(ctx, "select current_setting('lock_configuration'), current_setting('enable_external_access'), current_setting('TimeZone')").Scan(&locked, &external, &zone)
	if err != nil || !locked {
		return false, err
	}
	if external || zone != "UTC" {
		return false, fmt.Errorf("it is open in this process already, with a configuration that must not be used for queries")
	}
	return true, nil
}

// Query runs q and reads the whole result.
func (db *DB) Query(ctx context.Context, q string, args ...any) (*Result, error) {
	if db.readsOnly {
		if err := db.onlyReads(ctx, q); err != nil {
			return nil, err
		}
	}
	return read(db.DB.QueryContext(ctx, q, args...))
}

// onlyReads refuses what is not a single query: COPY, ATTACH, SET, CALL and all that changes something.
func (db *DB) onlyReads(ctx context.Context, q string) error {
	// The driver runs all statements but the last while it prepares: they have to be counted first.
	n, err := countStatements(q)
	if err != nil {
		return err
	}
	if n > 1 {
		return &Error{Kind: "Query", Msg: "more than one statement", Hint: "Ask one query at a time."}
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return Clean(err)
	}
	defer conn.Close()
	return conn.Raw(func(dc any) error {
		stmt, err := dc.(driver.ConnPrepareContext).PrepareContext(ctx, q)
		if err != nil {
			return Clean(err)
		}
		defer stmt.Close()
		kind, err := stmt.(*duckdb.Stmt).StatementType()
		if err != nil {
			return Clean(err)
		}
		if kind != duckdb.STATEMENT_TYPE_SELECT && kind != duckdb.STATEMENT_TYPE_EXPLAIN {
			return &Error{Kind: "Query", Msg: "only queries run on a published build", Hint: "Write SELECT, FROM, DESCRIBE or SUMMARIZE; to change something, edit a model in sql/."}
		}
		return nil
	})
}

// countStatements asks DuckDB's parser how many statements a text holds, in an empty database, without running any.
func countStatements(q string) (int, error) {
	if !strings.Contains(q, ";") {
		return 1, nil
	}
	var db mapping.Database
	var conn mapping.Connection
	if mapping.Open(":memory:", &db) != mapping.StateSuccess {
		return 0, errors.New("start the SQL parser")
	}
	defer mapping.Close(&db)
	if mapping.Connect(db, &conn) != mapping.StateSuccess {
		return 0, errors.New("start the SQL parser")
	}
	defer mapping.Disconnect(&conn)
	var stmts mapping.ExtractedStatements
	n := mapping.ExtractStatements(conn, q, &stmts)
	defer mapping.DestroyExtracted(&stmts)
	if n == 0 {
		if msg := mapping.ExtractStatementsError(stmts); msg != "" {
			return 0, parse(msg, nil)
		}
		return 0, &Error{Kind: "Query", Msg: "holds no statement"}
	}
	return int(n), nil
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

package duck

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"math/big"

	duckdb "github.com/duckdb/duckdb-go/v2"
)

// Appender writes rows into an existing table at full speed, on a connection of its own. It is for one goroutine.
// Rows are visible to others only after Close, which must be called once; Abort gives them up.
type Appender struct {
	conn *sql.Conn
	app  *duckdb.Appender
	vals []driver.Value
}

// NewAppender opens an appender on schema.table.
func (db *DB) NewAppender(ctx context.Context, schema, table string) (*Appender, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, Clean(err)
	}
	a := &Appender{conn: conn}
	err = conn.Raw(func(dc any) error {
		var err error
		a.app, err = duckdb.NewAppenderFromConn(dc.(driver.Conn), schema, table)
		return err
	})
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("append to %s.%s: %w", schema, table, Clean(err))
	}
	return a, nil
}

// Append adds one row: as many cells as the table has columns, each nil, bool, int64, float64, string, []byte,
// time.Time or Decimal. The slice may be reused.
func (a *Appender) Append(row []any) error {
	a.vals = a.vals[:0]
	for _, v := range row {
		switch x := v.(type) {
		case Decimal:
			v = duckdb.Decimal{Width: 38, Scale: uint8(x.Scale), Value: x.Unscaled}
		case int:
			v = int64(x)
		case *big.Int:
			v = x
		}
		a.vals = append(a.vals, v)
	}
	return Clean(a.app.AppendRow(a.vals...))
}

// Close makes the rows durable in the table.
func (a *Appender) Close() error {
	err := a.app.Close()
	if cerr := a.conn.Close(); err == nil {
		err = cerr
	}
	return Clean(err)
}

// Abort drops the rows that were not flushed yet and closes. The table may hold earlier ones: drop it.
func (a *Appender) Abort() {
	_ = a.app.Clear() // what cannot be cleared is dropped with the table
	_ = a.app.Close()
	_ = a.conn.Close()
}

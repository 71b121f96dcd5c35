package duck

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"math/big"
	"regexp"
	"strconv"

	duckdb "github.com/duckdb/duckdb-go/v2"
)

// Appender writes rows into an existing table at full speed, on a connection of its own. It is for one goroutine.
// Rows are visible to others only after Close, which must be called once; Abort gives them up.
type Appender struct {
	conn  *sql.Conn
	app   *duckdb.Appender
	vals  []driver.Value
	types []colType
}

// colType is what the driver must be told of a column: it takes the digits of a decimal as they come.
type colType struct {
	name    string
	decimal bool
	huge    bool
	scale   int
}

var decimalType = regexp.MustCompile(`^DECIMAL\((\d+),\s*(\d+)\)$`)

// NewAppender opens an appender on schema.table.
func (db *DB) NewAppender(ctx context.Context, schema, table string) (*Appender, error) {
	a := &Appender{}
	err := db.Each(ctx, "select column_name, data_type from duckdb_columns() where database_name = current_database() and schema_name = ? and table_name = ? order by column_index", func(row []any) error {
		c := colType{name: text(row[0]), huge: row[1] == "HUGEINT" || row[1] == "UHUGEINT"}
		if m := decimalType.FindStringSubmatch(text(row[1])); m != nil {
			c.decimal = true
			c.scale, _ = strconv.Atoi(m[2]) // digits by the pattern
		}
		a.types = append(a.types, c)
		return nil
	}, schema, table)
	if err != nil {
		return nil, fmt.Errorf("append to %s.%s: %w", schema, table, err)
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, Clean(err)
	}
	a.conn = conn
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

// Append adds one row: as many cells as the table has columns, each nil, bool, int, int64, float64, string, []byte,
// time.Time, *big.Int or Decimal. A DECIMAL column takes whole numbers, decimals and texts exactly, and floating-point
// numbers rounded to its scale. The slice may be reused.
func (a *Appender) Append(row []any) error {
	if len(row) != len(a.types) {
		return fmt.Errorf("a row has %d cells, the table has %d columns", len(row), len(a.types))
	}
	a.vals = a.vals[:0]
	for i, v := range row {
		c := a.types[i]
		switch x := v.(type) {
		case int:
			v = int64(x)
		case Decimal:
			if !c.decimal {
				v = x.Float()
			}
		}
		if v != nil && c.decimal {
			d, err := rescale(v, c.scale)
			if err != nil {
				return fmt.Errorf("column %s: %w", c.name, err)
			}
			v = d
		}
		if n, ok := v.(int64); ok && c.huge {
			v = big.NewInt(n)
		}
		a.vals = append(a.vals, v)
	}
	return Clean(a.app.AppendRow(a.vals...))
}

// rescale gives a value the scale of its column. Digits that do not fit are an error, except those of a float64.
func rescale(v any, scale int) (duckdb.Decimal, error) {
	var r *big.Rat
	exact := true
	switch x := v.(type) {
	case int64:
		r = new(big.Rat).SetInt64(x)
	case *big.Int:
		r = new(big.Rat).SetInt(x)
	case Decimal:
		r = new(big.Rat).SetFrac(x.Unscaled, pow10(x.Scale))
	case float64:
		exact = false
		if r = new(big.Rat).SetFloat64(x); r == nil {
			return duckdb.Decimal{}, fmt.Errorf("%v is not a decimal number", x)
		}
	case string:
		var ok bool
		if r, ok = new(big.Rat).SetString(x); !ok {
			return duckdb.Decimal{}, fmt.Errorf("%q is not a decimal number", x)
		}
	default:
		return duckdb.Decimal{}, fmt.Errorf("%T is not a decimal number", v)
	}
	r.Mul(r, new(big.Rat).SetInt(pow10(scale)))
	n := new(big.Int)
	if r.IsInt() {
		n.Set(r.Num())
	} else if exact {
		return duckdb.Decimal{}, fmt.Errorf("%v has more than %d digits behind the point", v, scale)
	} else { // half away from zero
		twice := new(big.Int).Mul(new(big.Int).Abs(r.Num()), big.NewInt(2))
		n.Div(twice.Add(twice, r.Denom()), new(big.Int).Mul(r.Denom(), big.NewInt(2)))
		if r.Sign() < 0 {
			n.Neg(n)
		}
	}
	return duckdb.Decimal{Width: 38, Scale: uint8(scale), Value: n}, nil
}

func pow10(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }

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

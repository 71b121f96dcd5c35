package duck

import (
	"context"
	"database/sql/driver"
	"fmt"

	duckdb "github.com/duckdb/duckdb-go/v2"
)

// Function is a scalar function in Go that SQL may call. It must be pure: the same arguments give the same result (P4).
// Views that call one cannot be read by other processes, so it belongs into tables only.
type Function struct {
	Name        string
	Description string
	Version     string // another one means that the same arguments may give another result
	Params      []Param
	Returns     Type
	// Call gets one cell per parameter: nil, string, int64, float64 or bool. Parameters that the statement leaves out are
	// nil. It returns nil or a value of the type Returns, and is called by several goroutines at once.
	Call func(args []any) any
}

// Param is a parameter of a function. Optional ones come last.
type Param struct {
	Name     string
	Type     Type
	Optional bool
}

// Type is a type that functions take and return.
type Type string

// The types.
const (
	Varchar Type = "VARCHAR"
	BigInt  Type = "BIGINT"
	Double  Type = "DOUBLE"
	Boolean Type = "BOOLEAN"
)

func (t Type) info() (duckdb.TypeInfo, error) {
	switch t {
	case Varchar:
		return duckdb.NewTypeInfo(duckdb.TYPE_VARCHAR)
	case BigInt:
		return duckdb.NewTypeInfo(duckdb.TYPE_BIGINT)
	case Double:
		return duckdb.NewTypeInfo(duckdb.TYPE_DOUBLE)
	case Boolean:
		return duckdb.NewTypeInfo(duckdb.TYPE_BOOLEAN)
	}
	return nil, fmt.Errorf("functions have no type %q", t)
}

// register makes the functions known to the database: all its connections see them.
func (db *DB) register(ctx context.Context, fns []Function) error {
	if len(fns) == 0 {
		return nil
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return Clean(err)
	}
	defer conn.Close()
	for i := range fns {
		overloads, err := fns[i].overloads()
		if err == nil {
			err = duckdb.RegisterScalarUDFSet(conn, fns[i].Name, overloads...)
		}
		if err != nil {
			return fmt.Errorf("register the function %s: %w", fns[i].Name, Clean(err))
		}
	}
	return nil
}

// overloads is one entry for each number of arguments that a statement may give.
func (f *Function) overloads() ([]duckdb.ScalarFunc, error) {
	var all []duckdb.TypeInfo
	var out []duckdb.ScalarFunc
	result, err := f.Returns.info()
	if err != nil {
		return nil, err
	}
	for i, p := range f.Params {
		if p.Optional {
			out = append(out, &overload{fn: f, in: all[:i:i], out: result})
		}
		t, err := p.Type.info()
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return append(out, &overload{fn: f, in: all, out: result}), nil
}

// overload is a function with a fixed number of arguments.
type overload struct {
	fn  *Function
	in  []duckdb.TypeInfo
	out duckdb.TypeInfo
}

// Config implements the driver's interface. NULL reaches the function, which knows which arguments may be missing.
func (o *overload) Config() duckdb.ScalarFuncConfig {
	return duckdb.ScalarFuncConfig{InputTypeInfos: o.in, ResultTypeInfo: o.out, SpecialNullHandling: true}
}

// Executor implements the driver's interface.
func (o *overload) Executor() duckdb.ScalarFuncExecutor {
	return duckdb.ScalarFuncExecutor{ChunkContextExecutor: o.chunk}
}

// chunk computes a vector of rows. A panic must not cross into the engine, which would end the process.
func (o *overload) chunk(ctx context.Context, c *duckdb.ChunkIteratorState) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the function %s failed: %v", o.fn.Name, p)
		}
	}()
	args := make([]any, len(o.fn.Params))
	for row, err := range c.Rows() {
		if err != nil {
			return err
		}
		for i := range o.in {
			args[i] = *row.GetValuePtr(i)
		}
		var v driver.Value = o.fn.Call(args)
		if err := row.SetResult(v); err != nil {
			return err
		}
	}
	return ctx.Err()
}

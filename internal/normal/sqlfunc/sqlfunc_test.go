package sqlfunc

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"millrace/internal/duck"
	"millrace/internal/normal"
)

func open(t testing.TB) *duck.DB {
	t.Helper()
	db, err := duck.Open(context.Background(), "", duck.Options{Functions: All(normal.Default()), Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// Every function gives NULL for NULL and for nothing, and for junk of ten megabytes at once.
func TestNothing(t *testing.T) {
	db := open(t)
	ctx := context.Background()
	for _, f := range All(normal.Default()) {
		if len(f.Params) == 0 {
			continue
		}
		for k := 1; k <= len(f.Params); k++ {
			if k < len(f.Params) && !f.Params[k].Optional {
				continue
			}
			for _, arg := range []string{"null", "''", "'   '", "repeat('a', 10_000_000)", "repeat('ü', 5_000_000)", "chr(0)", "chr(8203)"} {
				args := strings.TrimSuffix(strings.Repeat(arg+"::varchar, ", k), ", ")
				res, err := db.Query(ctx, fmt.Sprintf("select %s(%s)", f.Name, args))
				if err != nil {
					t.Errorf("%s(%s): %v", f.Name, args, err)
					continue
				}
				if v := res.Rows[0][0]; v != nil && v != "invalid" {
					t.Errorf("%s(%s) is %v, want NULL", f.Name, args, v)
				}
			}
		}
	}
}

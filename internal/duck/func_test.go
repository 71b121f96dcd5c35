package duck

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
)

func testFunctions() []Function {
	return []Function{
		{Name: "shout", Returns: Varchar, Params: []Param{{Name: "text", Type: Varchar}, {Name: "mark", Type: Varchar, Optional: true}}, Call: func(a []any) any {
			s, ok := a[0].(string)
			if !ok {
				return nil
			}
			mark, _ := a[1].(string)
			return strings.ToUpper(s) + mark
		}},
		{Name: "twice", Returns: BigInt, Params: []Param{{Name: "n", Type: BigInt}}, Call: func(a []any) any {
			n, ok := a[0].(int64)
			if !ok {
				return nil
			}
			return 2 * n
		}},
		{Name: "is_long", Returns: Boolean, Params: []Param{{Name: "text", Type: Varchar}}, Call: func(a []any) any {
			s, ok := a[0].(string)
			if !ok {
				return nil
			}
			return len(s) > 3
		}},
		{Name: "trap", Returns: Varchar, Params: []Param{{Name: "text", Type: Varchar}}, Call: func([]any) any { panic("sprung") }},
	}
}

func TestFunctions(t *testing.T) {
	ctx := context.Background()
	db, err := Open(ctx, "", Options{Functions: testFunctions(), Locked: true, Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	res, err := db.Query(ctx, "select shout('a', '!'), shout('a'), shout(null), shout('b', null), twice(21), twice(null), is_long('abcd'), is_long('a')")
	if err != nil {
		t.Fatal(err)
	}
	want := []any{"A!", "A", nil, "B", int64(42), nil, true, false}
	for i, v := range res.Rows[0] {
		if v != want[i] {
			t.Errorf("column %d: %v, want %v", i, v, want[i])
		}
	}
	// Many chunks, several threads and connections.
	res, err = db.Query(ctx, "select count(*), count(distinct shout('x' || i)) from range(300000) t(i) where is_long('abc' || i)")
	if err != nil || res.Rows[0][0] != int64(300000) || res.Rows[0][1] != int64(300000) {
		t.Errorf("%v %v", res, err)
	}
	// A plan with a function in it can be shown: lineage reads plans.
	if _, err := db.Plan(ctx, "select shout('a' || i) as x from range(3) t(i)"); err != nil {
		t.Errorf("plan: %v", err)
	}
	// A panic is an error of the statement, and the database goes on.
	if _, err := db.Query(ctx, "select trap('x')"); err == nil || !strings.Contains(err.Error(), "trap") || !strings.Contains(err.Error(), "sprung") {
		t.Errorf("a panic came out as %v", err)
	}
	if _, err := db.Query(ctx, "select shout('still here')"); err != nil {
		t.Error(err)
	}
}

// A file that is open twice in one process is one database, which has the functions already.
func TestFunctionsTwice(t *testing.T) {
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "x.duckdb")
	a, err := Open(ctx, path, Options{Functions: testFunctions()})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := Open(ctx, path, Options{Functions: testFunctions()})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for _, db := range []*DB{a, b} {
		if res, err := db.Query(ctx, "select shout('a', '!')"); err != nil || res.Rows[0][0] != "A!" {
			t.Errorf("%v %v", res, err)
		}
	}
}

package duck

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func open(t *testing.T, path string, o Options) *DB {
	t.Helper()
	db, err := Open(context.Background(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func file(t *testing.T, statements ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.duckdb")
	db, err := Open(context.Background(), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range statements {
		if err := db.Exec(context.Background(), s); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLockedReadsOnly(t *testing.T) {
	ctx := context.Background()
	dir := t.TempDir()
	parquet := filepath.Join(dir, "own.parquet")
	other := filepath.Join(dir, "other.txt")
	if err := os.WriteFile(other, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	path := file(t, "create table t as select 1 as x", "copy (select 7 as y) to "+Quote(parquet), "create view v as from read_parquet("+Quote(parquet)+")")
	db := open(t, path, Options{ReadOnly: true, Locked: true, Allow: []string{parquet}})
	for _, q := range []string{"select * from t", "from t", "describe t", "summarize t", "show tables", "explain select * from t", "pivot t on x using count(*)", "with a as (from t) from a", "from v"} {
		if _, err := db.Query(ctx, q); err != nil {
			t.Errorf("%s: %v", q, err)
		}
	}
	for _, q := range []string{
		"copy (select 1) to " + Quote(parquet), "copy t to " + Quote(filepath.Join(dir, "out.csv")), "select * from read_text(" + Quote(other) + ")", "from " + Quote(other),
		"attach " + Quote(filepath.Join(dir, "b.duckdb")) + " as b", "set enable_external_access = true", "reset lock_configuration", "create table z as select 1",
		"insert into t values (2)", "drop table t", "call pragma_version()", "install httpfs", "load httpfs", "select 1; select 2", `select E'\'' ; copy (select 1) to '` + filepath.Join(dir, "out.csv") + "'", "from (select 1); copy (select 1) to " + Quote(filepath.Join(dir, "o.csv")), "export database " + Quote(dir), "checkpoint",
		"select getenv('HOME')",
	} {
		_, err := db.Query(ctx, q)
		if err == nil {
			t.Errorf("%s: not refused", q)
			continue
		}
		for _, bad := range []string{"Stack", "0x", "PID", "http"} {
			if strings.Contains(err.Error(), bad) && !strings.Contains(q, bad) {
				t.Errorf("%s: message holds %q: %v", q, bad, err)
			}
		}
	}
	if m, _ := filepath.Glob(filepath.Join(dir, "o*.csv")); len(m) > 0 {
		t.Errorf("written: %v", m)
	}
	if b, err := os.ReadFile(parquet); err != nil || !strings.HasPrefix(string(b), "PAR1") {
		t.Error("the Parquet file was changed")
	}
}

func TestErrors(t *testing.T) {
	ctx := context.Background()
	db := open(t, "", Options{})
	for _, c := range []struct {
		q         string
		kind      string
		line, col int
	}{
		{"select 1\nfron x y z", "Parser", 2, 6},
		{"select\n  nope", "Binder", 2, 3},
		{"select * from nope", "Catalog", 1, 15},
		{"select cast('x' as int)", "Conversion", 1, 8},
	} {
		err := db.Exec(ctx, c.q)
		var e *Error
		if !errors.As(err, &e) || e.Kind != c.kind || e.Line != c.line || c.col > 0 && e.Col != c.col || strings.Contains(e.Msg, "LINE") {
			t.Errorf("%s: %+v", c.q, e)
		}
	}
	for _, c := range []struct{ in, kind, want string }{
		{"IO Error: Could not set lock on file \"/a/b\": Conflicting lock is held in /x/y (PID 513). See also https://duckdb.org/docs/stable/connect/concurrency", "IO", "another process has it open"},
		{"INTERNAL Error: Attempted to access index 1\n\nStack Trace:\n\n0x1234 abc\n", "INTERNAL", "Attempted to access index 1"},
		{"Out of Memory Error: failed to pin block of size 256.0 KiB\nPossible solutions:\n* x", "Out of Memory", "limits.memory"},
		{"IO Error: Could not write all bytes to file \"/a\": wanted=1 wrote=0: No space left on device", "IO", "The disk is full"},
	} {
		e := parse(c.in, nil)
		if e.Kind != c.kind || !strings.Contains(e.Error(), c.want) || strings.Contains(e.Error(), "PID") || strings.Contains(e.Error(), "0x") || strings.Contains(e.Error(), "http") {
			t.Errorf("%q: %q", c.in, e.Error())
		}
	}
}

// TestHeld opens a file that another process holds: the message names no process number and no link.
func TestHeld(t *testing.T) {
	if path := os.Getenv("MILLRACE_TEST_HOLD"); path != "" {
		db, err := Open(context.Background(), path, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		os.WriteFile(path+".held", nil, 0o600)
		time.Sleep(time.Minute)
		return
	}
	path := file(t, "create table t as select 1 as x")
	c := exec.Command(os.Args[0], "-test.run", "^TestHeld$")
	c.Env = append(os.Environ(), "MILLRACE_TEST_HOLD="+path)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	defer c.Wait() //nolint:errcheck // killed below
	defer c.Process.Kill()
	for i := 0; ; i++ {
		if _, err := os.Stat(path + ".held"); err == nil {
			break
		}
		if i > 500 {
			t.Fatal("the other process did not start")
		}
		time.Sleep(10 * time.Millisecond)
	}
	_, err := Open(context.Background(), path, Options{})
	if err == nil || !strings.Contains(err.Error(), "another process has it open") || strings.Contains(err.Error(), "PID") || strings.Contains(err.Error(), "http") {
		t.Errorf("error %v", err)
	}
}

func TestValues(t *testing.T) {
	db := open(t, "", Options{})
	res, err := db.Query(context.Background(), `select 12.30::decimal(18,4) as d, 170141183460469231731687303715884105727::hugeint as h, 1::utinyint as u, [1, null, 3] as l, {'a': 1.5::decimal(3,1)} as s,
map {'k': 2} as m, timestamp '2026-01-02 03:04:05' as t, null as n, 'x' as v, 1.5::float as f`)
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(res.Rows[0])
	if err != nil {
		t.Fatal(err)
	}
	want := `[12.3000,170141183460469231731687303715884105727,1,[1,null,3],{"a":1.5},{"k":2},"2026-01-02T03:04:05Z",null,"x",1.5]`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestAppender(t *testing.T) {
	ctx := context.Background()
	db := open(t, "", Options{})
	if err := db.Exec(ctx, "create table t (a bigint, b varchar, c decimal(18,4), d timestamp, e double, f boolean)"); err != nil {
		t.Fatal(err)
	}
	res, err := db.Query(ctx, "select 12.3456::decimal(18,4) as d")
	if err != nil {
		t.Fatal(err)
	}
	app, err := db.NewAppender(ctx, "main", "t")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for i := range 3 {
		if err := app.Append([]any{i, "x", res.Rows[0][0], at, 0.5, true}); err != nil {
			t.Fatal(err)
		}
	}
	if err := app.Append([]any{nil, nil, nil, nil, nil, nil}); err != nil {
		t.Fatal(err)
	}
	if err := app.Close(); err != nil {
		t.Fatal(err)
	}
	out, err := db.Query(ctx, "select count(*), sum(c)::varchar, min(d), count(a) from t")
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := json.Marshal(out.Rows[0]); string(got) != `[4,"37.0368","2026-01-02T03:04:05Z",3]` {
		t.Errorf("%s", got)
	}
}

// TestAppenderDecimals: the driver would take 5 for 0.0005; the appender means five.
func TestAppenderDecimals(t *testing.T) {
	ctx := context.Background()
	db := open(t, "", Options{})
	if err := db.Exec(ctx, "create table t (c decimal(18,4), d decimal(38,2), h hugeint)"); err != nil {
		t.Fatal(err)
	}
	app, err := db.NewAppender(ctx, "main", "t")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range [][]any{{5, int64(-7), 1}, {"1.25", 0.125, nil}, {-0.00005, "-3", int64(2)}, {Decimal{big.NewInt(15), 1}, big.NewInt(9), big.NewInt(3)}} {
		if err := app.Append(row); err != nil {
			t.Fatal(err)
		}
	}
	for _, row := range [][]any{{"1.23456", 1, 1}, {"x", 1, 1}, {math.NaN(), 1, 1}, {1, 1}} {
		if err := app.Append(row); err == nil {
			t.Errorf("%v: not refused", row)
		}
	}
	if err := app.Close(); err != nil {
		t.Fatal(err)
	}
	out, err := db.Query(ctx, "select c, d, h from t")
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := json.Marshal(out.Rows); string(got) != `[[5.0000,-7.00,1],[1.2500,0.13,null],[-0.0001,-3.00,2],[1.5000,9.00,3]]` {
		t.Errorf("%s", got)
	}
}

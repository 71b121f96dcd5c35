package file

import (
	"compress/gzip"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"millrace/extract"
	"millrace/extract/landing"
	"millrace/extract/parquet"
	"millrace/internal/duck"
)

// clock is a fixed time for manifests.
func clock() time.Time { return time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC) }

// land runs the streams once and returns the results by stream.
func land(t *testing.T, raw, dir string, streams ...extract.StreamParams) map[string]extract.StreamResult {
	t.Helper()
	src, err := Open(t.Context(), extract.OpenParams{Name: "files", Dir: dir, Options: &Options{Path: "."}, Streams: streams})
	if err != nil {
		t.Fatal(err)
	}
	l := parquet.New(parquet.Options{Dir: raw, Now: clock})
	defer l.Close()
	res := extract.Run(t.Context(), extract.RunParams{Sources: []extract.Sourced{{Name: "files", Source: src}}, Lander: l, RunID: "run-1", Now: clock})
	out := map[string]extract.StreamResult{}
	for _, r := range res.Streams {
		out[r.Stream] = r
	}
	return out
}

func stream1(name string, d landing.Disposition, o StreamOptions, cols ...landing.Column) extract.StreamParams {
	return extract.StreamParams{Spec: extract.StreamSpec{Name: name, Original: name, Disposition: d, Schema: landing.Schema{Columns: cols}}, Options: &o}
}

// query reads what counts of a stream through DuckDB, as transform does. @ stands for the rows.
func query(t *testing.T, raw, name, q string) [][]any {
	t.Helper()
	loads, err := landing.Loads(raw, "files", name)
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, m := range landing.Current(loads) {
		for _, p := range m.Paths() {
			paths = append(paths, duck.Quote(p))
		}
	}
	return queryFiles(t, paths, q)
}

func queryFiles(t *testing.T, paths []string, q string) [][]any {
	t.Helper()
	if len(paths) == 0 {
		return nil
	}
	db, err := duck.Open(context.Background(), "", duck.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	res, err := db.Query(context.Background(), strings.ReplaceAll(q, "@", "read_parquet(["+strings.Join(paths, ",")+"], union_by_name=true)"))
	if err != nil {
		t.Fatal(err)
	}
	return res.Rows
}

func quarantined(t *testing.T, raw, name string) [][]any {
	t.Helper()
	loads, err := landing.Loads(raw, "files", name)
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, m := range loads {
		for _, f := range m.Quarantine {
			paths = append(paths, duck.Quote(filepath.Join(m.Dir, f.Name)))
		}
	}
	return queryFiles(t, paths, `select "_row_id", reason, "column", value, raw from @ order by "_row_id"`)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func gz(t *testing.T, text string) string {
	t.Helper()
	var b strings.Builder
	w := gzip.NewWriter(&b)
	w.Write([]byte(text))
	w.Close()
	return b.String()
}

func TestCSVTypes(t *testing.T) {
	dir, raw := t.TempDir(), t.TempDir()
	write(t, filepath.Join(dir, "deals.csv"), "id,Zip Code,amount,won,closed,at,note\n"+
		"1,01234,10,true,2026-01-31,2026-01-31T10:00:00+02:00,\"said \"\"hi\"\"\nand left\"\n"+
		"2,99999,10.5,false,2026-02-01,2026-02-01 11:30:00,\n")
	r := land(t, raw, dir, stream1("deals", landing.Replace, StreamOptions{}))["deals"]
	if r.Err != nil || r.Rows != 2 || r.Quarantined != 0 {
		t.Fatalf("%+v", r)
	}
	loads, _ := landing.Loads(raw, "files", "deals")
	want := map[string]landing.Type{"id": "BIGINT", "zip_code": "VARCHAR", "amount": "DECIMAL(18,4)", "won": "BOOLEAN", "closed": "DATE", "at": "TIMESTAMP", "note": "VARCHAR"}
	for _, c := range loads[0].Schema.Columns {
		if want[c.Name] != c.Type {
			t.Errorf("%s is %s, want %s", c.Name, c.Type, want[c.Name])
		}
		delete(want, c.Name)
	}
	if len(want) > 0 {
		t.Errorf("missing %v", want)
	}
	rows := query(t, raw, "deals", `select zip_code, amount::varchar, "at"::varchar, note, _row_id, typeof("at"), typeof(amount), _load_id from @ order by id`)
	if got := rows[0]; got[0] != "01234" || got[1] != "10.0000" || got[2] != "2026-01-31 08:00:00" || got[3] != "said \"hi\"\nand left" || got[4] != "deals.csv:2" ||
		got[5] != "TIMESTAMP" || got[6] != "DECIMAL(18,4)" || got[7] != "000001-20261121T080000Z" {
		t.Errorf("%v", got)
	}
	if got := rows[1]; got[3] != nil || got[4] != "deals.csv:4" {
		t.Errorf("%v", got)
	}
}

func TestRagged(t *testing.T) {
	dir, raw := t.TempDir(), t.TempDir()
	write(t, filepath.Join(dir, "a.csv"), "\xEF\xBB\xBFid;name\n1;x\n2\n3;y;z\n\n4;caf\xe9\n5;\"open\n6;w\n")
	r := land(t, raw, dir, stream1("a", landing.Replace, StreamOptions{}))["a"]
	if r.Err != nil || r.Rows != 2 || r.Quarantined != 4 {
		t.Fatalf("%+v", r)
	}
	q := quarantined(t, raw, "a")
	for i, want := range []string{"line 3: expected 2 fields as in the header, found 1", "line 4: expected 2 fields as in the header, found 3",
		"line 6 is not valid UTF-8: byte 0xE9", "line 7: a quoted field is not closed"} {
		if !strings.Contains(q[i][1].(string), want) {
			t.Errorf("%v, want %s", q[i], want)
		}
	}
}

func TestGzipAndIncremental(t *testing.T) {
	dir, raw := t.TempDir(), t.TempDir()
	st := stream1("ev", landing.Append, StreamOptions{Path: "ev-*"})
	write(t, filepath.Join(dir, "ev-1.ndjson"), `{"id":1,"v":"a"}`+"\n"+`{"id":2,"v":"b","n":{"x":[1]}}`+"\n")
	write(t, filepath.Join(dir, "ev-2.ndjson"), gz(t, `{"id":3}`+"\n"))
	if r := land(t, raw, dir, st)["ev"]; r.Err != nil || r.Rows != 3 {
		t.Fatalf("%+v", r)
	}
	if r := land(t, raw, dir, st)["ev"]; r.Err != nil || r.Rows != 0 || len(r.Loads) != 0 {
		t.Fatalf("%+v", r)
	}
	f, _ := os.OpenFile(filepath.Join(dir, "ev-1.ndjson"), os.O_APPEND|os.O_WRONLY, 0)
	f.WriteString(`{"id":4}` + "\n" + `{"id":"five"}`)
	f.Close()
	if r := land(t, raw, dir, st)["ev"]; r.Err != nil || r.Rows != 2 || len(r.Changes) == 0 || r.Changes[0].Kind != "widened" {
		t.Fatalf("%+v", r)
	}
	rows := query(t, raw, "ev", `select id::varchar, _row_id, n::varchar from @ order by 1`)
	if len(rows) != 5 || rows[3][0] != "4" || rows[3][1] != "ev-1.ndjson:3" || rows[4][0] != "five" || rows[1][2] != `{"x":[1]}` {
		t.Fatalf("%v", rows)
	}
}
